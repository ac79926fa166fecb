#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <optional>

#include "base/error.h"
#include "launcher/broker/broker.h"
#include "launcher/broker/client.h"
#include "launcher/control/client.h"
#include "launcher/control/directory.h"
#include "launcher/control/roster.h"
#include "launcher/control/server.h"

namespace agentbox::control {
namespace {

using nlohmann::json;

class ControlTest : public ::testing::Test {
 protected:
  ControlTest() {
    std::string name =
        (std::filesystem::temp_directory_path() / "agentbox-control.XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) {
      throw std::runtime_error("mkdtemp failed");
    }
    root_ = name;
    // Longer than a socket's address.
    run_ = root_ + "/" + std::string(120, 'd') + "/run";
  }
  ~ControlTest() override { std::filesystem::remove_all(root_); }

  std::string root_, run_;
};

TEST_F(ControlTest, AnswersAndCarriesRefusals) {
  const Server server(
      run_, "one",
      {{"twice", [](const json& params) -> json { return params.at("n").get<int>() * 2; }},
       {"never", [](const json&) -> json {
          throw Refusal{"denied", "not now"};
        }}});
  EXPECT_EQ(ask(run_, "one", "twice", {{"n", 21}}), json(42));
  try {
    ask(run_, "one", "never");
    FAIL();
  } catch (const base::Error& error) {
    EXPECT_EQ(error.status(), base::Status::kDenied);
    EXPECT_STREQ(error.what(), "session one refused never: not now");
  }
  EXPECT_THROW(ask(run_, "one", "other"), base::Error);
  // A handler's own failure is an answer, too.
  EXPECT_THROW(ask(run_, "one", "twice"), base::Error);
  EXPECT_EQ(ask(run_, "one", "twice", {{"n", 1}}), json(2));
}

TEST_F(ControlTest, AnAnswerMayBeLongerThanABoxMaySend) {
  const std::string text(1 << 20, 'x');
  const Server server(run_, "one", {{"long", [&](const json&) -> json { return text; }}});
  EXPECT_EQ(ask(run_, "one", "long"), json(text));
}

TEST_F(ControlTest, IsTheUsersAlone) {
  const Server server(run_, "one", {});
  struct stat status = {};
  ASSERT_EQ(::stat(run_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0700U);
  const base::UniqueFd directory = open_run_directory(run_);
  ASSERT_EQ(::fstatat(directory.get(), "one.sock", &status, 0), 0);
  EXPECT_EQ(status.st_mode & 07777, 0600U);
  ASSERT_EQ(::chmod(run_.c_str(), 0755), 0);
  EXPECT_THROW(sessions(run_), base::Error);
  EXPECT_THROW(Server(run_, "two", {}), base::Error);
}

TEST_F(ControlTest, ListsTheLivingAndRemovesWhatTheDeadHaveLeft) {
  std::optional<Server> server;
  server.emplace(run_, "b", Handlers());
  const Server other(run_, "a", {});
  {
    const base::UniqueFd directory = open_run_directory(run_);
    broker::listen_at(directory.get(), "dead.sock");  // closed at once, the file stays
    ASSERT_EQ(::faccessat(directory.get(), "dead.sock", F_OK, 0), 0);
  }
  EXPECT_EQ(sessions(run_), (std::vector<std::string>{"a", "b"}));
  const base::UniqueFd directory = open_run_directory(run_);
  EXPECT_NE(::faccessat(directory.get(), "dead.sock", F_OK, 0), 0);
  server.reset();
  EXPECT_EQ(sessions(run_), std::vector<std::string>{"a"});
  EXPECT_EQ(ask(run_, "b", "ps"), std::nullopt);
}

// Asks from a child in a user namespace of its own, as from a box; -1: there is none to be had.
int ask_from_namespace(const std::string& run, bool separate) {
  const pid_t child = ::fork();
  if (child == 0) {
    if (separate && ::unshare(CLONE_NEWUSER) < 0) {
      ::_exit(2);
    }
    try {
      ::_exit(ask(run, "one", "ping") == json("pong") ? 0 : 1);
    } catch (const base::Error&) {
      ::_exit(1);
    }
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST_F(ControlTest, SendsAwayWhoIsInAnotherUserNamespace) {
  const Server server(run_, "one", {{"ping", [](const json&) -> json { return "pong"; }}});
  EXPECT_EQ(ask_from_namespace(run_, false), 0);
  const int separate = ask_from_namespace(run_, true);
  if (separate == 2) {
    GTEST_SKIP() << "no user namespaces here";
  }
  EXPECT_EQ(separate, 1);
}

TEST_F(ControlTest, ASilentPeerDoesNotKeepTheOthersOut) {
  const Server server(run_, "one", {{"ping", [](const json&) -> json { return "pong"; }}});
  const base::UniqueFd directory = open_run_directory(run_);
  const base::UniqueFd silent =
      broker::connect_to(socket_path(directory.get(), "one.sock"), "the session");
  EXPECT_EQ(ask(run_, "one", "ping"), json("pong"));
}

class Sleeper {
 public:
  Sleeper() : pid_(::fork()) {
    if (pid_ == 0) {
      ::pause();
      ::_exit(0);
    }
  }
  ~Sleeper() {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  Sleeper(const Sleeper&) = delete;
  Sleeper& operator=(const Sleeper&) = delete;

  pid_t pid() const { return pid_; }
  base::UniqueFd descriptor() const {
    return base::UniqueFd(static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0)));
  }
  bool dies() const {
    siginfo_t information = {};
    return ::waitid(P_PID, static_cast<id_t>(pid_), &information, WEXITED | WNOWAIT) == 0 &&
           information.si_status == SIGKILL;
  }
  bool lives() const {
    siginfo_t information = {};
    return ::waitid(P_PID, static_cast<id_t>(pid_), &information, WEXITED | WNOWAIT | WNOHANG) ==
               0 &&
           information.si_pid == 0;
  }

 private:
  pid_t pid_;
};

TEST(RosterTest, ListsAndKillsTheBoxesThatAreIn) {
  const Sleeper first;
  const Sleeper second;
  Roster roster;
  const Handlers handlers = roster.handlers();
  const auto one = roster.enter({.box = "b1",
                                 .parent = {},
                                 .scope = "main",
                                 .chain = "main",
                                 .command = "sh",
                                 .process = first.descriptor(),
                                 .end = {}});
  {
    const auto two = roster.enter({.box = "b2",
                                   .parent = "b1",
                                   .scope = "tests",
                                   .chain = "main/tests",
                                   .command = "npm",
                                   .process = second.descriptor(),
                                   .end = {}});
    const json boxes = handlers.at("ps")(json::object()).at("boxes");
    ASSERT_EQ(boxes.size(), 2U);
    EXPECT_EQ(boxes[0].at("box"), "b1");
    EXPECT_EQ(boxes[0].at("pid"), first.pid());
    EXPECT_EQ(boxes[1].at("parent"), "b1");
    EXPECT_EQ(boxes[1].at("scope"), "tests");
    EXPECT_EQ(boxes[1].at("command"), "npm");

    EXPECT_EQ(handlers.at("kill")({{"box", "b2"}}).at("killed"), json({"b2"}));
    EXPECT_TRUE(second.dies());
    EXPECT_TRUE(first.lives());
  }
  EXPECT_EQ(handlers.at("ps")(json::object()).at("boxes").size(), 1U);
  EXPECT_THROW(handlers.at("kill")({{"box", "b2"}}), Refusal);
  EXPECT_THROW(handlers.at("kill")({{"box", 2}}), Refusal);
  EXPECT_EQ(handlers.at("kill")(json::object()).at("killed"), json({"b1"}));
  EXPECT_TRUE(first.dies());
}

TEST(RosterTest, ABoxThatStartsHasNoProcessYetAndCanBeEnded) {
  const Sleeper sleeper;
  Roster roster;
  const Handlers handlers = roster.handlers();
  int ended = 0;
  auto place = roster.enter({.box = "b2",
                             .parent = "b1",
                             .scope = "tests",
                             .chain = "main/tests",
                             .command = "npm",
                             .process = {},
                             .end = [&ended] { ++ended; }});
  EXPECT_EQ(handlers.at("ps")(json::object()).at("boxes")[0].at("pid"), -1);
  EXPECT_EQ(handlers.at("kill")({{"box", "b2"}}).at("killed"), json({"b2"}));
  EXPECT_EQ(ended, 1);
  place.runs(sleeper.descriptor());
  EXPECT_EQ(handlers.at("ps")(json::object()).at("boxes")[0].at("pid"), sleeper.pid());
  handlers.at("kill")(json::object());
  EXPECT_EQ(ended, 2);
  EXPECT_TRUE(sleeper.dies());
}

}  // namespace
}  // namespace agentbox::control
