#include "launcher/mcp/server.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <unistd.h>

#include <csignal>
#include <thread>

#include "base/error.h"
#include "base/file.h"
#include "launcher/mcp/lines.h"

namespace agentbox::mcp {
namespace {

class ServerTest : public ::testing::Test {
 protected:
  ServerTest() {
    std::signal(SIGPIPE, SIG_IGN);
    int in[2], out[2];
    base::check(::pipe2(in, O_CLOEXEC), "pipe2");
    base::check(::pipe2(out, O_CLOEXEC), "pipe2");
    server_in_ = base::UniqueFd(in[0]);
    to_ = base::UniqueFd(in[1]);
    from_ = base::UniqueFd(out[0]);
    server_out_ = base::UniqueFd(out[1]);
    thread_ = std::thread([this] {
      server_.run(server_in_.get(), server_out_.get());
      server_out_ = base::UniqueFd();
    });
    say("initialize", {{"protocolVersion", "2025-06-18"}}, 0);
    hear();
  }
  ~ServerTest() override {
    to_ = base::UniqueFd();
    if (thread_.joinable()) {
      thread_.join();
    }
  }

  static Tool tool(const char* name, std::function<ToolResult(Call&)> run) {
    return {{.name = name, .title = name, .text = name, .input = {}, .output = {}}, std::move(run)};
  }

  static void wait_for(int descriptor) {
    pollfd ready = {descriptor, POLLIN, 0};
    ::poll(&ready, 1, -1);
  }

  void say(const char* method, Json params, int id) {
    base::write_all(
        to_.get(),
        line_of(
            {{"jsonrpc", "2.0"}, {"id", id}, {"method", method}, {"params", std::move(params)}}));
  }

  void call(int id, const char* name, Json meta = Json::object()) {
    say("tools/call", {{"name", name}, {"_meta", std::move(meta)}}, id);
  }

  // The next message; null at the end.
  Json hear() {
    for (;;) {
      if (const auto line = lines_.next()) {
        return Json::parse(line->text);
      }
      char buffer[4096];
      const ssize_t n = ::read(from_.get(), buffer, sizeof buffer);
      if (n <= 0) {
        return nullptr;
      }
      lines_.add({buffer, static_cast<std::size_t>(n)});
    }
  }

  Server server_{{"test", "Test", "1", ""},
                 {tool("quick",
                       [](Call&) {
                         return ToolResult{"done", nullptr, false};
                       }),
                  tool("fails",
                       [](Call&) -> ToolResult {
                         throw base::Error(base::Status::kFailed, "it broke", "mend it");
                       }),
                  tool("waits", [](Call& call) {
                    call.progress("begun");
                    wait_for(call.cancelled());
                    return ToolResult{"never heard", nullptr, false};
                  })}};
  base::UniqueFd server_in_, server_out_, to_, from_;
  LineReader lines_;
  std::thread thread_;
};

TEST_F(ServerTest, ACallThatTakesItsTimeDoesNotHoldUpTheNext) {
  call(1, "waits", {{"progressToken", "t"}});
  EXPECT_EQ(hear()["params"]["message"], "begun");
  call(2, "quick");
  EXPECT_EQ(hear()["result"]["content"][0]["text"], "done");
}

TEST_F(ServerTest, ACancelledCallEndsAndIsNotAnswered) {
  call(1, "waits", {{"progressToken", 1}});
  hear();
  base::write_all(to_.get(), line_of(notification("notifications/cancelled", {{"requestId", 1}})));
  call(2, "quick");
  EXPECT_EQ(hear()["id"], 2);
  to_ = base::UniqueFd();
  EXPECT_TRUE(hear().is_null());
}

TEST_F(ServerTest, ProgressIsToldOnlyToWhoAsks) {
  call(1, "waits");
  call(2, "quick");
  EXPECT_EQ(hear()["id"], 2);
}

TEST_F(ServerTest, AnErrorIsAResultForTheModel) {
  call(1, "fails");
  const Json result = hear()["result"];
  EXPECT_EQ(result["isError"], true);
  EXPECT_EQ(result["content"][0]["text"], "it broke\nnext: mend it");
}

TEST_F(ServerTest, TheEndOfTheInputEndsCallsAndServer) {
  call(1, "waits", {{"progressToken", 1}});
  hear();
  to_ = base::UniqueFd();
  thread_.join();
}

TEST_F(ServerTest, TheEndOfTheOutputEndsTheServer) {
  from_ = base::UniqueFd();
  call(1, "quick");
  thread_.join();
}

TEST_F(ServerTest, AMessageThatIsTooLongIsPassedOver) {
  base::write_all(to_.get(), std::string(kLongestLine + 10, 'x') + "\n");
  EXPECT_EQ(hear()["error"]["code"], kInvalidRequest);
  call(1, "quick");
  EXPECT_EQ(hear()["id"], 1);
}

}  // namespace
}  // namespace agentbox::mcp
