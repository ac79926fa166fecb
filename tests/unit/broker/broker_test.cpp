#include "launcher/broker/broker.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <atomic>
#include <cstring>
#include <filesystem>
#include <mutex>
#include <thread>

#include "base/error.h"
#include "base/file.h"
#include "launcher/broker/client.h"
#include "launcher/broker/frame.h"

namespace agentbox::broker {
namespace {

using nlohmann::json;

class BrokerTest : public ::testing::Test {
 protected:
  BrokerTest() {
    std::string name = (std::filesystem::temp_directory_path() / "agentbox-broker.XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) {
      throw std::runtime_error("mkdtemp failed");
    }
    root_ = name;
    path_ = name + "/broker.sock";
    context_.session = "01session";
    context_.box = "01box";
    context_.scope = "main";
    context_.tier = "live view";
    context_.secrets = {{"database", "value", "DATABASE_URL", ""},
                        {"npmrc", "value", "", "/home/ann/.npmrc"}};
    context_.scopes = {"tests", "deploy"};
    context_.explain = [](const std::string& kind,
                          const std::string& subject) -> std::optional<std::string> {
      if (subject == "throw") {
        throw base::Error(base::Status::kFailed, "/outside/the/box");
      }
      if (subject == "unknown") {
        return std::nullopt;
      }
      return kind + " " + subject + " is hidden";
    };
    context_.record = [this](const audit::Record& record) {
      const std::lock_guard lock(mutex_);
      records_.push_back(record);
    };
  }
  ~BrokerTest() override {
    broker_.reset();
    std::filesystem::remove_all(root_);
  }

  void start() {
    const base::UniqueFd directory = base::open_at(AT_FDCWD, root_, O_PATH | O_DIRECTORY);
    broker_ = std::make_unique<Broker>(listen_at(directory.get(), "broker.sock"), context_);
  }

  base::UniqueFd connect() const {
    base::UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path_.c_str(), path_.size() + 1);
    base::check(::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address),
                "connect");
    return fd;
  }

  static void send(int fd, std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t n = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (n <= 0) {
        return;
      }
      bytes.remove_prefix(static_cast<std::size_t>(n));
    }
  }

  // The next answer; discarded when the broker has closed the connection.
  static json receive(int fd) {
    FrameReader frames;
    for (;;) {
      char byte = 0;
      if (::recv(fd, &byte, 1, 0) != 1) {
        return json(json::value_t::discarded);
      }
      frames.add({&byte, 1});
      if (const auto message = frames.next()) {
        return json::parse(*message);
      }
    }
  }

  json ask(const std::string& text) const {
    const base::UniqueFd fd = connect();
    send(fd.get(), frame(std::string_view(text)));
    return receive(fd.get());
  }

  std::string code(const std::string& text) const {
    const json answer = ask(text);
    return answer.is_object() && answer.contains("error")
               ? answer["error"]["code"].get<std::string>()
               : answer.dump();
  }

  std::string root_, path_;
  Context context_;
  std::unique_ptr<Broker> broker_;
  std::mutex mutex_;
  std::vector<audit::Record> records_;
};

TEST_F(BrokerTest, TellsTheBoxAboutItself) {
  start();
  const json status = call(path_, "status");
  EXPECT_EQ(status.at("session"), "01session");
  EXPECT_EQ(status.at("box"), "01box");
  EXPECT_EQ(status.at("scope"), "main");
  EXPECT_EQ(status.at("tier"), "live view");
  EXPECT_GE(status.at("uptime_ms").get<int>(), 0);
  EXPECT_EQ(call(path_, "list_scopes").at("scopes"), json({"tests", "deploy"}));
}

TEST_F(BrokerTest, ListsWhereSecretsAreAndNothingElseOfThem) {
  start();
  const json secrets = call(path_, "list_secrets").at("secrets");
  EXPECT_EQ(secrets, json::parse(R"([
    {"name": "database", "delivery": "value", "env": "DATABASE_URL"},
    {"name": "npmrc", "delivery": "value", "file": "/home/ann/.npmrc"}])"));
}

TEST_F(BrokerTest, ASecretIsRequestedByNameAndReason) {
  std::vector<std::pair<std::string, std::string>> asked;
  context_.on_request = {"token"};
  context_.request = [&](const std::string& name, const std::string& reason) {
    asked.emplace_back(name, reason);
    if (name == "absent") {
      throw base::Error(base::Status::kDenied, "there is none");
    }
    return asked.size() == 1 ? Requested{}
                             : Requested{true, {"token", "value", "", "/run/x/token"}};
  };
  start();
  EXPECT_EQ(call(path_, "list_secrets").at("on_request"), json::parse(R"(["token"])"));
  const json params = {{"name", "token"}, {"reason", "to push"}};
  EXPECT_EQ(call(path_, "request_secret", params), json::parse(R"({"state": "pending"})"));
  EXPECT_EQ(call(path_, "request_secret", params), json::parse(R"({"state": "ready", "secret":
    {"name": "token", "delivery": "value", "file": "/run/x/token"}})"));
  EXPECT_THROW(call(path_, "request_secret", {{"name", "absent"}, {"reason", ""}}), base::Error);
  EXPECT_EQ(asked.size(), 3u);
  for (const json& wrong : {json{{"name", "token"}}, json{{"name", 1}, {"reason", ""}},
                            json{{"name", "token"}, {"reason", std::string(2000, 'x')}},
                            json{{"name", "token"}, {"reason", ""}, {"reveal", true}}}) {
    EXPECT_THROW(call(path_, "request_secret", wrong), base::Error) << wrong;
  }
  EXPECT_EQ(asked.size(), 3u);
}

TEST_F(BrokerTest, Explains) {
  start();
  EXPECT_EQ(call(path_, "explain", {{"path", ".env"}}).at("decision"), "path .env is hidden");
  EXPECT_EQ(call(path_, "explain", {{"host", "a:1"}}).at("decision"), "host a:1 is hidden");
  EXPECT_THROW(call(path_, "explain", {{"path", "unknown"}}), base::Error);
  EXPECT_THROW(call(path_, "explain", {{"path", 1}}), base::Error);
  EXPECT_THROW(call(path_, "explain"), base::Error);
  EXPECT_THROW(call(path_, "explain", {{"path", "a"}, {"host", "b"}}), base::Error);
}

TEST_F(BrokerTest, KeepsTheSupervisorsErrorsToItself) {
  start();
  const json answer = ask(R"({"v":1,"id":7,"method":"explain","params":{"path":"throw"}})");
  EXPECT_EQ(answer.at("error").at("code"), "failed");
  EXPECT_EQ(answer.dump().find("/outside"), std::string::npos);
}

TEST_F(BrokerTest, RecordsRequestsAndRefusals) {
  start();
  call(path_, "status");
  EXPECT_THROW(call(path_, "stauts"), base::Error);
  const std::lock_guard lock(mutex_);
  ASSERT_EQ(records_.size(), 2u);
  EXPECT_EQ(records_[0].event, "request");
  EXPECT_EQ(records_[0].subject, "broker:status");
  EXPECT_EQ(records_[0].outcome, "ok");
  EXPECT_EQ(records_[1].event, "deny");
  EXPECT_EQ(records_[1].outcome, "refused");
}

TEST_F(BrokerTest, AnswersNothingThatItCannotRecord) {
  context_.record = [](const audit::Record&) {
    throw base::Error(base::Status::kFailed, "the disk is full");
  };
  start();
  const json answer = ask(R"({"v":1,"id":7,"method":"list_secrets"})");
  EXPECT_EQ(answer.at("error").at("code"), "failed");
  EXPECT_EQ(answer.dump().find("DATABASE_URL"), std::string::npos);
}

TEST_F(BrokerTest, RefusesWhatIsNotExactlyARequest) {
  start();
  EXPECT_EQ(ask(R"({"v":1,"id":7,"method":"status"})").at("id"), 7);
  EXPECT_EQ(code(R"({"v":2,"id":7,"method":"status"})"), "bad_request");
  EXPECT_EQ(code(R"({"id":7,"method":"status"})"), "bad_request");
  EXPECT_EQ(code(R"({"v":1,"id":-1,"method":"status"})"), "bad_request");
  EXPECT_EQ(code(R"({"v":1,"id":"7","method":"status"})"), "bad_request");
  EXPECT_EQ(code(R"({"v":1,"id":7,"method":["status"]})"), "bad_request");
  EXPECT_EQ(code(R"({"v":1,"id":7,"method":"status","params":[]})"), "bad_request");
  EXPECT_EQ(code(R"({"v":1,"id":7,"method":"status","scope":"deploy"})"), "bad_request");
  EXPECT_EQ(code(R"({"v":1,"id":7,"method":"x","method":"status"})"), "bad_request");
  EXPECT_EQ(code(R"({"v":1,"id":7,"method":"status","params":{"box":"other"}})"), "bad_params");
  EXPECT_EQ(code(R"({"v":1,"id":7,"method":"spwan"})"), "unknown_method");
  EXPECT_EQ(code("[]"), "bad_request");
  EXPECT_EQ(code("not JSON \xff"), "bad_request");
  EXPECT_EQ(code(std::string(60000, '[')), "bad_request");
}

TEST_F(BrokerTest, SuggestsTheMethodThatWasMeant) {
  start();
  EXPECT_NE(ask(R"({"v":1,"id":7,"method":"stauts"})").dump().find("did you mean"),
            std::string::npos);
}

TEST_F(BrokerTest, DisconnectsAtAnImpossibleLength) {
  start();
  for (const std::string& length : {std::string("\x00\x01\x00\x01", 4),
                                    std::string("\xff\xff\xff\xff", 4), std::string(4, '\0')}) {
    const base::UniqueFd fd = connect();
    send(fd.get(), length + "x");
    EXPECT_TRUE(receive(fd.get()).is_discarded());
  }
  EXPECT_EQ(call(path_, "status").at("scope"), "main");
}

TEST_F(BrokerTest, ReadsAMessageInPiecesAndManyAtOnce) {
  start();
  const std::string one = frame(std::string_view(R"({"v":1,"id":1,"method":"status"})"));
  const base::UniqueFd fd = connect();
  for (const char byte : one) {
    send(fd.get(), {&byte, 1});
  }
  EXPECT_EQ(receive(fd.get()).at("id"), 1);
  send(fd.get(), one + one + one + one.substr(0, 10));
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(receive(fd.get()).contains("result"));
  }
  send(fd.get(), one.substr(10));
  EXPECT_TRUE(receive(fd.get()).contains("result"));
}

TEST_F(BrokerTest, GivesMoreAnswersThanASocketHolds) {
  context_.scopes.assign(5000, "scope-name");
  start();
  const base::UniqueFd fd = connect();
  constexpr int kRequests = 30;
  std::string requests;
  for (int i = 0; i < kRequests; ++i) {
    requests += frame(std::string_view(R"({"v":1,"id":1,"method":"list_scopes"})"));
  }
  send(fd.get(), requests);
  for (int i = 0; i < kRequests; ++i) {
    ASSERT_EQ(receive(fd.get()).at("result").at("scopes").size(), 5000u) << i;
  }
}

TEST_F(BrokerTest, AnAnswerThatIsTooLongIsAnError) {
  context_.scopes.assign(20000, "scope-name");
  start();
  EXPECT_EQ(code(R"({"v":1,"id":7,"method":"list_scopes"})"), "too_long");
}

TEST_F(BrokerTest, DisconnectsWhoAsksTooMuch) {
  start();
  const base::UniqueFd fd = connect();
  std::string requests;
  for (int i = 0; i < 1000; ++i) {
    requests += frame(std::string_view(R"({"v":1,"id":1,"method":"status"})"));
  }
  std::thread sender([&] { send(fd.get(), requests); });
  int answers = 0;
  while (!receive(fd.get()).is_discarded()) {
    ++answers;
  }
  sender.join();
  EXPECT_GE(answers, 90);
  EXPECT_LT(answers, 1000);
}

TEST_F(BrokerTest, ServesAHundredClients) {
  start();
  std::atomic<int> served = 0;
  std::vector<std::thread> clients;
  for (int i = 0; i < 100; ++i) {
    clients.emplace_back([&] { served += call(path_, "status").at("scope") == "main" ? 1 : 0; });
  }
  for (std::thread& client : clients) {
    client.join();
  }
  EXPECT_EQ(served, 100);
}

TEST_F(BrokerTest, OutlivesConnectionsLeftOpen) {
  start();
  std::vector<base::UniqueFd> open;
  for (int i = 0; i < 20; ++i) {
    open.push_back(connect());
  }
  open.erase(open.begin(), open.begin() + 10);
  EXPECT_EQ(call(path_, "status").at("scope"), "main");
}

TEST_F(BrokerTest, SurvivesBytesOfEveryKind) {
  start();
  std::uint64_t state = 88172645463325252u;
  const auto random = [&](std::size_t below) {
    state ^= state << 13, state ^= state >> 7, state ^= state << 17;
    return static_cast<std::size_t>(state % below);
  };
  const std::string good =
      frame(std::string_view(R"({"v":1,"id":1,"method":"status","params":{}})"));
  for (int round = 0; round < 300; ++round) {
    std::string bytes = good;
    for (std::size_t i = 0, count = random(6); i < count; ++i) {
      bytes[random(bytes.size())] = static_cast<char>(random(256));
    }
    bytes.resize(1 + random(bytes.size()));
    const base::UniqueFd fd = connect();
    send(fd.get(), bytes);
  }
  // The allowance is shared, so that this client may have to wait for its turn.
  for (;;) {
    try {
      EXPECT_EQ(call(path_, "status").at("scope"), "main");
      break;
    } catch (const base::Error&) {
      ::usleep(20'000);
    }
  }
}

TEST_F(BrokerTest, TheSocketIsPrivateAndNotReplaced) {
  start();
  struct stat status = {};
  ASSERT_EQ(::stat(path_.c_str(), &status), 0);
  EXPECT_TRUE(S_ISSOCK(status.st_mode));
  EXPECT_EQ(status.st_mode & 0777u, 0600u);
  const base::UniqueFd directory = base::open_at(AT_FDCWD, root_, O_PATH | O_DIRECTORY);
  EXPECT_THROW(listen_at(directory.get(), "broker.sock"), base::Error);
  EXPECT_THROW(listen_at(directory.get(), "../broker.sock"), base::Error);
}

TEST_F(BrokerTest, ACallWithoutABrokerFails) {
  EXPECT_THROW(call(path_, "status"), base::Error);
  EXPECT_THROW(call(std::string(200, 'x'), "status"), base::Error);
}

TEST(Frame, TooLongALengthBreaksTheStream) {
  FrameReader frames;
  frames.add(std::string("\x00\x01\x00\x00", 4));
  EXPECT_FALSE(frames.next());
  EXPECT_FALSE(frames.broken());
  frames.add(std::string(kLongestMessage, 'x'));
  EXPECT_EQ(frames.next()->size(), kLongestMessage);
  frames.add(std::string("\x00\x01\x00\x01", 4));
  EXPECT_FALSE(frames.next());
  EXPECT_TRUE(frames.broken());
}

}  // namespace
}  // namespace agentbox::broker
