// keyring:// against a real gnome-keyring on a bus of the test's own.
#include "resolver/backends/keyring.h"

#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include <csignal>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "process_memory.h"
#include "resolver_on.h"
#include "temporary.h"

namespace agentbox::resolver {
namespace {

bool installed(const std::string& program) {
  return std::system(("command -v " + program + " > /dev/null").c_str()) == 0;
}

// A session bus without a Secret Service.
class BusTest : public testing::Test {
 protected:
  void SetUp() override {
    ::prctl(PR_SET_CHILD_SUBREAPER, 1);  // daemons are this process's to wait for
    for (const char* program : {"dbus-daemon", "gnome-keyring-daemon", "secret-tool"}) {
      if (!installed(program)) {
        GTEST_SKIP() << program << " is not installed";
      }
    }
    // A configuration without service files: nothing is started but what the test starts.
    home_.write(
        "bus.conf",
        "<busconfig><type>session</type><auth>EXTERNAL</auth><listen>unix:path=" + home_ / "bus" +
            "</listen><policy context=\"default\"><allow send_destination=\"*\" "
            "eavesdrop=\"true\"/><allow eavesdrop=\"true\"/><allow own=\"*\"/>"
            "</policy></busconfig>");
    ASSERT_EQ(shell("dbus-daemon --config-file=bus.conf --fork --print-pid > bus.pid"), 0)
        << home_.read("log");
    address_ = "DBUS_SESSION_BUS_ADDRESS=unix:path=" + home_ / "bus";
  }

  ~BusTest() override {
    for (const char* file : {"keyring.pid", "bus.pid"}) {
      const int pid = std::atoi(home_.read(file).c_str());
      if (pid > 0 && ::kill(pid, SIGTERM) == 0) {
        ::waitpid(pid, nullptr, 0);
      }
    }
  }

  int shell(const std::string& script) const {
    return std::system(("cd '" + home_.path() + "' && HOME=$PWD XDG_RUNTIME_DIR=$PWD " +
                        "DBUS_SESSION_BUS_ADDRESS=unix:path=$PWD/bus && unset XDG_DATA_HOME && " +
                        "export HOME XDG_RUNTIME_DIR DBUS_SESSION_BUS_ADDRESS && { " + script +
                        "; } > log 2>&1")
                           .c_str());
  }

  std::vector<std::string> ask(const std::vector<std::string>& texts) const {
    const char* variables[] = {address_.c_str(), nullptr};
    KeyringBackend backend{Environment(variables)};
    return answers_of(backend, texts);
  }

  Temporary home_;
  std::string address_ = "NONE=";
};

class KeyringTest : public BusTest {
 protected:
  void SetUp() override {
    BusTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) {
      return;
    }
    ASSERT_EQ(shell("{ printf pw | gnome-keyring-daemon --foreground --unlock --components=secrets "
                    "& echo $! > keyring.pid; }; n=0; until secret-tool store --label=ready -c "
                    "session is ready < bus.pid; do sleep 0.1; n=$((n+1)); [ $n -lt 100 ]; done"),
              0)
        << home_.read("log");
    store("login", "shop db", "service shop account me", "CANARY-shop\\n");
    store("login", "twice", "service a account me", "CANARY-a");
    store("login", "twice", "service b account you", "CANARY-b");
    store("session", "folder/item", "k v", "CANARY-folder");
  }

  void store(const std::string& collection, const std::string& label, const std::string& attributes,
             const std::string& value) const {
    ASSERT_EQ(shell("printf '" + value + "' | secret-tool store -c " + collection + " --label='" +
                    label + "' " + attributes),
              0)
        << home_.read("log");
  }
};

std::string value_of(const std::string& answer) { return answer.substr(0, answer.find(" v")); }

TEST_F(KeyringTest, FindsByLabelAndByAttributes) {
  const auto answers =
      ask({"keyring://login/shop%20db", "keyring://Login/shop db",
           "keyring://default?service=shop&account=me", "keyring://login/twice?account=you",
           "keyring://session/folder/item", "keyring://session/folder%2Fitem?k=v"});
  EXPECT_EQ(value_of(answers[0]), "CANARY-shop\n");
  EXPECT_GT(answers[0].size(), value_of(answers[0]).size() + 10);  // the time of its last change
  EXPECT_EQ(value_of(answers[1]), "CANARY-shop\n");
  EXPECT_EQ(value_of(answers[2]), "CANARY-shop\n");
  EXPECT_EQ(value_of(answers[3]), "CANARY-b");
  EXPECT_EQ(value_of(answers[4]), "CANARY-folder");
  EXPECT_EQ(value_of(answers[5]), "CANARY-folder");
}

TEST_F(KeyringTest, SaysWhatIsNotThereOrThereTwice) {
  const auto answers =
      ask({"keyring://login/shop%20bd", "keyring://logni/x", "keyring://login?service=none",
           "keyring://login/twice", "keyring://login", "keyring://login/x#f", "keyring://login?x",
           "keyring:///x", "keyring://login/x?a=%zz"});
  EXPECT_EQ(answers[0].substr(0, 11), "not_found: ");
  EXPECT_NE(answers[0].find("did you mean \"shop db\"?"), std::string::npos) << answers[0];
  EXPECT_NE(answers[1].find("did you mean login?"), std::string::npos) << answers[1];
  EXPECT_EQ(answers[2].substr(0, 11), "not_found: ");
  EXPECT_EQ(answers[3].substr(0, 22), "ambiguous: 2 items of ");
  for (std::size_t i = 4; i < answers.size(); ++i) {
    EXPECT_EQ(answers[i].substr(0, 19), "invalid_reference: ") << answers[i];
  }
}

TEST_F(KeyringTest, SaysThatACollectionIsLocked) {
  ASSERT_EQ(shell("dbus-send --session --print-reply --dest=org.freedesktop.secrets "
                  "/org/freedesktop/secrets org.freedesktop.Secret.Service.Lock "
                  "array:objpath:/org/freedesktop/secrets/collection/login"),
            0)
      << home_.read("log");
  const auto answers = ask({"keyring://login/shop%20db", "keyring://session/folder/item"});
  EXPECT_EQ(answers[0].substr(0, 47), "auth_required: the collection login is locked /");
  EXPECT_NE(answers[0].find("gnome-keyring-daemon --unlock"), std::string::npos);
  EXPECT_EQ(value_of(answers[1]), "CANARY-folder");
}

TEST_F(KeyringTest, LeavesNoCopyOfAnAnswerBehind) {
  ASSERT_EQ(
      shell("printf 'made-%s-up-%s' 77 in-the-shell | secret-tool store -c login --label=made "
            "made up"),
      0);
  const std::string turned = turned_bits({"made", "-77-up-", "in-the-shell"});
  const char* variables[] = {address_.c_str(), nullptr};
  KeyringBackend backend{Environment(variables)};
  {
    const auto answers =
        backend.resolve({parse_reference("keyring://login/made")},
                        std::chrono::steady_clock::now() + std::chrono::seconds(9));
    ASSERT_TRUE(std::holds_alternative<Value>(answers[0]));
    EXPECT_TRUE(in_memory(turned));  // the control
  }
  EXPECT_FALSE(in_memory(turned));
}

TEST_F(BusTest, SaysThatNoSecretServiceRuns) {
  const auto answers = ask({"keyring://login/x", "keyring://login/y"});
  EXPECT_EQ(answers[0].substr(0, 57), "unavailable: no Secret Service runs on the session bus: T")
      << answers[0];
  EXPECT_EQ(answers[0], answers[1]);
}

TEST(Keyring, SaysThatThereIsNoBus) {
  const auto ask = [](std::string variable) {
    const char* variables[] = {variable.c_str(), nullptr};
    KeyringBackend backend{Environment(variables)};
    return answers_of(backend, {"keyring://login/x"})[0];
  };
  EXPECT_NE(ask("A=").find("unavailable: there is no session bus"), std::string::npos);
  EXPECT_NE(ask("DBUS_SESSION_BUS_ADDRESS=unix:path=/nowhere/bus").find("No such file"),
            std::string::npos);
  for (const char* address :
       {"unixexec:path=/bin/false", "unix:path=/nowhere;unixexec:path=/bin/x", "autolaunch:"}) {
    EXPECT_NE(ask(std::string("DBUS_SESSION_BUS_ADDRESS=") + address).find("is not a socket"),
              std::string::npos);
  }
}

}  // namespace
}  // namespace agentbox::resolver
