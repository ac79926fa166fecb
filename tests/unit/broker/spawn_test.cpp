#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <condition_variable>
#include <deque>
#include <filesystem>
#include <mutex>

#include "base/error.h"
#include "base/file.h"
#include "base/passing.h"
#include "launcher/broker/broker.h"
#include "launcher/broker/child.h"
#include "launcher/broker/client.h"

namespace agentbox::broker {
namespace {

using nlohmann::json;

struct Pipe {
  Pipe() {
    int ends[2];
    base::check(::pipe2(ends, O_CLOEXEC), "pipe");
    read.reset(ends[0]);
    write.reset(ends[1]);
  }
  base::UniqueFd read, write;
};

// What the session's side gets of a request.
struct Asked {
  SpawnRequest request;
  Stdio stdio;
  base::UniqueFd link;

  void say(const json& message) const {
    base::check(base::send_passing(link.get(), message.dump(), {}), "send");
  }
  // The next message to the child; "gone" at the end of the link.
  json hear() const {
    std::string buffer(kLongestLinkMessage, '\0');
    std::vector<base::UniqueFd> none;
    const ssize_t size = base::receive_passing(link.get(), buffer, none);
    return size > 0 ? json::parse(buffer.begin(), buffer.begin() + size) : json("gone");
  }
};

class SpawnTest : public ::testing::Test {
 protected:
  SpawnTest() {
    std::string name = (std::filesystem::temp_directory_path() / "agentbox-spawn.XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) {
      throw std::runtime_error("mkdtemp failed");
    }
    root_ = name;
    context_.spawn = [this](const SpawnRequest& request, Stdio stdio) {
      int ends[2];
      base::check(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), "socketpair");
      const std::lock_guard lock(mutex_);
      asked_.push_back({request, std::move(stdio), base::UniqueFd(ends[0])});
      arrived_.notify_all();
      return base::UniqueFd(ends[1]);
    };
    request_.scope = "tests";
    request_.reason = "to see";
    request_.arguments = {"npm", "test"};
    request_.directory = "/src";
  }
  ~SpawnTest() override {
    broker_.reset();
    std::filesystem::remove_all(root_);
  }

  std::string start() {
    const base::UniqueFd directory = base::open_at(AT_FDCWD, root_, O_PATH | O_DIRECTORY);
    broker_ = std::make_unique<Broker>(listen_at(directory.get(), "broker.sock"), context_);
    return root_ + "/broker.sock";
  }

  std::unique_ptr<Child> ask(const std::string& path) {
    return std::make_unique<Child>(
        path, request_,
        std::array<int, 3>{input_.read.get(), output_.write.get(), output_.write.get()});
  }

  Asked asked() {
    std::unique_lock lock(mutex_);
    arrived_.wait(lock, [&] { return !asked_.empty(); });
    Asked next = std::move(asked_.front());
    asked_.pop_front();
    return next;
  }

  // The status of the error that `child` ends in.
  static base::Status refusal(Child& child) {
    try {
      child.wait();
    } catch (const base::Error& error) {
      return error.status();
    }
    ADD_FAILURE() << "not refused";
    return base::Status::kFailed;
  }

  std::string root_;
  Context context_;
  SpawnRequest request_;
  Pipe input_, output_;
  std::mutex mutex_;
  std::condition_variable arrived_;
  std::deque<Asked> asked_;
  std::unique_ptr<Broker> broker_;
};

TEST_F(SpawnTest, CarriesTheRequestAndItsPipes) {
  request_.terminal = true;
  request_.rows = 24;
  request_.columns = 80;
  const auto child = ask(start());
  const Asked got = asked();
  EXPECT_EQ(to_json(got.request), to_json(request_));
  ASSERT_EQ(::write(got.stdio[1].get(), "x", 1), 1);
  char byte = 0;
  ASSERT_EQ(::read(output_.read.get(), &byte, 1), 1);
  EXPECT_EQ(byte, 'x');
}

TEST_F(SpawnTest, TellsTheCallerWhatBecomesOfIt) {
  const auto child = ask(start());
  const Asked got = asked();
  got.say({{"event", "waiting"}, {"message", "for your approval"}});
  EXPECT_EQ(child->wait().message, "for your approval");
  got.say({{"event", "started"}, {"receipt", {{"scope", "tests"}}}});
  EXPECT_EQ(child->wait().receipt.at("scope"), "tests");
  child->signal(SIGTERM);
  EXPECT_EQ(got.hear(), json({{"signal", SIGTERM}}));
  child->resize(50, 132);
  EXPECT_EQ(got.hear(), json({{"rows", 50}, {"columns", 132}}));
  got.say({{"event", "ended"}, {"status", 3 << 8}});
  const Child::Event end = child->wait();
  EXPECT_EQ(end.kind, Child::Event::Kind::kEnded);
  EXPECT_EQ(WEXITSTATUS(end.status), 3);
  EXPECT_FALSE(child->next());
}

TEST_F(SpawnTest, ARefusalHasItsStatus) {
  const std::string path = start();
  for (const auto& [code, status] : {std::pair{"denied", base::Status::kDenied},
                                     {"limit", base::Status::kDenied},
                                     {"not_found", base::Status::kNotFound},
                                     {"cannot_run", base::Status::kCannotRun},
                                     {"configuration", base::Status::kConfiguration},
                                     {"else", base::Status::kFailed}}) {
    const auto child = ask(path);
    asked().say({{"event", "refused"}, {"code", code}, {"message", "no"}});
    EXPECT_EQ(refusal(*child), status) << code;
  }
}

TEST_F(SpawnTest, TheChildHearsThatItsCallerIsGone) {
  auto child = ask(start());
  const Asked got = asked();
  child.reset();
  EXPECT_EQ(got.hear(), "gone");
}

TEST_F(SpawnTest, TheCallerHearsThatItsChildIsGone) {
  const auto child = ask(start());
  { const Asked got = asked(); }
  EXPECT_EQ(refusal(*child), base::Status::kFailed);
}

TEST_F(SpawnTest, TakesNothingButPipes) {
  const std::string path = start();
  const base::UniqueFd file = base::open_at(AT_FDCWD, "/dev/null", O_RDWR);
  const base::UniqueFd handle = base::open_at(AT_FDCWD, root_, O_PATH | O_DIRECTORY);
  int pair[2];
  base::check(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), "socketpair");
  const base::UniqueFd left(pair[0]), right(pair[1]);
  base::check(::mkfifo((root_ + "/fifo").c_str(), 0600), "mkfifo");
  const base::UniqueFd named = base::open_at(AT_FDCWD, root_ + "/fifo", O_RDWR);
  for (const int wrong : {file.get(), handle.get(), left.get(), named.get(), output_.write.get()}) {
    Child child(path, request_, {wrong, output_.write.get(), output_.write.get()});
    EXPECT_EQ(refusal(child), base::Status::kConfiguration);
  }
  Child backwards(path, request_, {input_.read.get(), output_.read.get(), output_.write.get()});
  EXPECT_EQ(refusal(backwards), base::Status::kConfiguration);
  request_.detach = true;
  Child detached(path, request_);
  EXPECT_TRUE(asked().request.detach);  // positive control: without descriptors, it is taken
}

TEST_F(SpawnTest, OtherRequestsTakeNoDescriptors) {
  const base::UniqueFd socket = connect_to(start(), "the broker");
  const std::string bytes = frame(json{{"v", 1}, {"id", 4}, {"method", "status"}});
  const int passed[] = {input_.read.get()};
  ASSERT_GT(base::send_passing(socket.get(), bytes, passed), 0);
  std::vector<base::UniqueFd> none;
  std::string buffer(4096, '\0');
  ASSERT_GT(base::receive_passing(socket.get(), buffer, none), 0);
  EXPECT_NE(buffer.find("no descriptors"), std::string::npos);
  ASSERT_GT(base::send_passing(socket.get(), bytes, {}), 0);
  ASSERT_GT(base::receive_passing(socket.get(), buffer, none), 0);
  EXPECT_NE(buffer.find("uptime_ms"), std::string::npos);  // positive control
}

TEST_F(SpawnTest, DescriptorsTooManyEndTheConnection) {
  const base::UniqueFd socket = connect_to(start(), "the broker");
  const std::vector<int> passed(base::kMostPassed, input_.read.get());
  for (int i = 0; i < 2; ++i) {
    base::send_passing(socket.get(), std::string(1, '\0'), passed);
  }
  char byte = 0;
  EXPECT_LE(::recv(socket.get(), &byte, 1, 0), 0);
}

TEST_F(SpawnTest, ABoxThatMayStartNoneIsRefused) {
  context_.spawn = nullptr;
  const auto child = ask(start());
  EXPECT_EQ(refusal(*child), base::Status::kDenied);
}

TEST_F(SpawnTest, OneConnectionCannotReachAnothersChild) {
  const std::string path = start();
  const auto child = ask(path);
  const Asked got = asked();
  EXPECT_THROW(call(path, "signal", {{"child", 1u}, {"number", unsigned{SIGKILL}}}), base::Error);
  child->signal(SIGUSR1);
  EXPECT_EQ(got.hear(), json({{"signal", SIGUSR1}}));  // the first thing it hears
}

TEST_F(SpawnTest, ChildrenDoNotUseUpTheConnections) {
  const std::string path = start();
  std::vector<std::unique_ptr<Child>> children;
  std::vector<Asked> runs;
  for (int i = 0; i < 40; ++i) {
    children.push_back(ask(path));
    runs.push_back(asked());
  }
  EXPECT_TRUE(call(path, "status").is_object());
}

TEST(SpawnRequest, IsReadStrictly) {
  const json good = {{"scope", "tests"}, {"argv", {"true"}}, {"cwd", "/"}};
  std::string problem;
  ASSERT_TRUE(read_spawn_request(good, problem));
  const std::string nul("a\0b", 3);
  const std::vector<std::pair<const char*, json>> wrong = {{"scope", ""},
                                                           {"scope", 1},
                                                           {"scope", std::string(129, 'a')},
                                                           {"scope", nul},
                                                           {"argv", json::array()},
                                                           {"argv", {""}},
                                                           {"argv", {1}},
                                                           {"argv", {nul}},
                                                           {"argv", "true"},
                                                           {"cwd", "here"},
                                                           {"cwd", nul},
                                                           {"cwd", "/" + std::string(5000, 'a')},
                                                           {"rows", -1},
                                                           {"rows", 65536},
                                                           {"terminal", 1},
                                                           {"params", {"a"}},
                                                           {"reason", std::string(1025, 'a')},
                                                           {"detach", "yes"},
                                                           {"box", "01other"}};
  for (const auto& [key, value] : wrong) {
    json params = good;
    params[key] = value;
    EXPECT_FALSE(read_spawn_request(params, problem)) << params;
  }
  for (const char* key : {"scope", "argv", "cwd"}) {
    json params = good;
    params.erase(key);
    EXPECT_FALSE(read_spawn_request(params, problem)) << params;
  }
}

TEST(SpawnRequest, ACommandHasNeitherScopeNorParameters) {
  const json good = {{"command", "gh"}, {"argv", {"gh"}}, {"cwd", "/"}};
  std::string problem;
  ASSERT_TRUE(read_spawn_request(good, problem)) << problem;
  for (const auto& [key, value] :
       {std::pair<const char*, json>{"scope", "tests"}, {"params", {{"tenant", "acme"}}}}) {
    json params = good;
    params[key] = value;
    EXPECT_FALSE(read_spawn_request(params, problem)) << params;
  }
  const json bound = {
      {"scope", "db"}, {"params", {{"tenant", "acme"}}}, {"argv", {"true"}}, {"cwd", "/"}};
  EXPECT_TRUE(read_spawn_request(bound, problem)) << problem;
}

}  // namespace
}  // namespace agentbox::broker
