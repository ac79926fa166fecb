// exec:// and pass:// with programs of the test's own, and with the real pass and gpg.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <memory>

#include "resolver/backends/exec.h"
#include "resolver/backends/pass.h"
#include "resolver_on.h"
#include "temporary.h"

namespace agentbox::resolver {
namespace {

class ToolTest : public testing::Test {
 protected:
  ToolTest() {
    ::chmod(home_.path().c_str(), 0755);
    set("PATH", home_ / "bin" + ":/usr/bin:/bin");
    set("HOME", home_.path());
    set("SECRET_KEY", "CANARY-of-another");
  }

  void set(const std::string& name, const std::string& value) {
    variables_.push_back(name + "=" + value);
  }

  void program(const std::string& name, const std::string& body) {
    home_.write(name, "#!/bin/sh\n" + body);
    ::chmod((home_ / name).c_str(), 0755);
  }

  ToolOptions options() {
    environment_.clear();
    for (const std::string& variable : variables_) {
      environment_.push_back(variable.c_str());
    }
    environment_.push_back(nullptr);
    return {environment_.data(), {home_ / "project"}};
  }

  std::vector<std::string> exec(const std::vector<std::string>& texts) {
    ExecBackend backend(options());
    return answers_of(backend, texts);
  }

  std::vector<std::string> pass(const std::vector<std::string>& texts) {
    PassBackend backend(options());
    return answers_of(backend, texts);
  }

  Temporary home_;
  std::vector<std::string> variables_;
  std::vector<const char*> environment_;
};

TEST_F(ToolTest, ExecGivesTheOutputLessOneLineBreak) {
  program("bin/token", R"(printf '%s|' "$@"; printf '%s' "$END")");
  program("bin/lines", R"(printf 'a\nb\n\n')");
  EXPECT_EQ(
      exec({"exec://token a%20b $HOME  `id`", "exec://lines", "exec://" + home_ / "bin/lines"}),
      (std::vector<std::string>{"a b|$HOME|`id`|", "a\nb\n", "a\nb\n"}));
}

TEST_F(ToolTest, ExecGetsAFixedEnvironmentAndDirectory) {
  program("bin/show", "pwd; env | cut -d= -f1 | sort | tr '\\n' ' '; tty; true");
  EXPECT_EQ(exec({"exec://show"})[0].substr(0, 27), "/\nHOME LANG PATH PWD not a ");
}

TEST_F(ToolTest, ExecFailsWithStatusAndComplaint) {
  program("bin/bad", "echo CANARY-value; echo first >&2; echo no token >&2; exit 3");
  program("bin/leak", "echo CANARY-value; echo got CANARY-value >&2; exit 1");
  program("bin/dead", "kill -9 $$");
  program("bin/empty", "exit 2");
  const auto failures = exec({"exec://bad", "exec://leak", "exec://dead", "exec://empty",
                              "exec://absent", "exec:///nowhere/absent"});
  EXPECT_EQ(failures[0],
            "unavailable: bad ended with status 3: no token / run it yourself, in / and without a "
            "terminal");
  EXPECT_NE(failures[1].find("not shown"), std::string::npos);
  EXPECT_NE(failures[2].find("signal 9"), std::string::npos);
  EXPECT_NE(failures[3].find("said nothing"), std::string::npos);
  EXPECT_NE(failures[4].find("no program absent in PATH"), std::string::npos);
  EXPECT_NE(failures[5].find("no program /nowhere/absent"), std::string::npos);
}

TEST_F(ToolTest, ExecStopsAtTheDeadline) {
  program("bin/slow", "sleep 60");
  ExecBackend backend(options());
  const std::vector<Answer> answers =
      backend.resolve({parse_reference("exec://slow")},
                      std::chrono::steady_clock::now() + std::chrono::milliseconds(50));
  EXPECT_EQ(std::get<Failed>(answers[0]).failure, Failure::kTimeout);
}

TEST_F(ToolTest, NoProgramOfTheProjectIsRun) {
  program("project/bin/token", "touch \"$HOME/ran\"; echo CANARY");
  program("open/token", "touch \"$HOME/ran\"; echo CANARY");
  ::chmod((home_ / "open").c_str(), 0777);
  std::filesystem::create_directories(home_ / "links");
  std::filesystem::create_symlink(home_ / "project/bin/token", home_ / "links/token");
  for (const char* directory : {"project/bin", "open", "links"}) {
    variables_[0] = "PATH=" + home_ / directory + ":/usr/bin:/bin";
    EXPECT_NE(exec({"exec://token"})[0].find("is not trusted"), std::string::npos) << directory;
    EXPECT_NE(exec({"exec://" + home_ / directory + "/token"})[0].find("is not trusted"),
              std::string::npos);
  }
  EXPECT_FALSE(std::filesystem::exists(home_ / "ran"));
}

TEST_F(ToolTest, GopassIsAskedWhatItHasAndThenForTheEntry) {
  // What gopass 1.15 prints; the real program is not in Debian 12.
  variables_[0] = "PATH=" + home_ / "bin" + ":" + home_ / "tools";
  std::filesystem::create_directories(home_ / "tools");
  std::filesystem::create_symlink("/usr/bin/cat", home_ / "tools/cat");
  program("bin/gopass", R"(
echo "$*" >> "$HOME/calls"
[ "$1" = ls ] && { echo shop/db; exit 0; }
[ "$*" = "show --noparsing --unsafe -- shop/db" ] || exit 9
echo CANARY-1
echo 'user: alice')");
  EXPECT_EQ(pass({"pass://shop/db", "pass://shop/db#user"}),
            (std::vector<std::string>{"CANARY-1", "alice"}));
  EXPECT_EQ(home_.read("calls"), "ls --flat\nshow --noparsing --unsafe -- shop/db\n");
  EXPECT_NE(pass({"pass://shop"})[0].find("is a folder"), std::string::npos);
}

// A store with a key of its own, by the real programs.
class RealPass : public ToolTest {
 protected:
  void SetUp() override {
    if (!std::filesystem::exists("/usr/bin/pass") || !std::filesystem::exists("/usr/bin/gpg")) {
      GTEST_SKIP() << "pass and gpg are not installed";
    }
    set("GNUPGHOME", home_ / "gnupg");
    set("PASSWORD_STORE_DIR", home_ / "store");
    std::filesystem::create_directories(home_ / "gnupg");
    ::chmod((home_ / "gnupg").c_str(), 0700);
    ASSERT_EQ(shell("gpg --batch --quiet --pinentry-mode loopback --passphrase '" + passphrase_ +
                    "' --quick-gen-key a@b.test default default never && pass init a@b.test && "
                    "mkdir -p store/shop"),
              0);
    insert("shop/db",
           " CANARY-first  \nuser:  alice \nuser id: 7\nurl: https://a:1/\n\ntwice: 1\n"
           "twice: 2");
  }
  void TearDown() override { shell("gpgconf --kill all; rm -rf gnupg"); }

  void insert(const std::string& name, const std::string& text) {
    home_.write("plain", text);
    ASSERT_EQ(shell("pass insert -m -f '" + name + "' < plain"), 0);
  }

  int shell(const std::string& script) {
    return std::system(("cd '" + home_.path() + "' && HOME=. GNUPGHOME='" + home_ / "gnupg" +
                        "' PASSWORD_STORE_DIR='" + home_ / "store" + "' && export HOME GNUPGHOME " +
                        "PASSWORD_STORE_DIR && { " + script + "; } > log 2>&1")
                           .c_str());
  }

  std::string passphrase_;
};

TEST_F(RealPass, TakesTheFirstLineOrALineByNumberOrKey) {
  EXPECT_EQ(
      pass({"pass://shop/db", "pass://shop/db#user", "pass://shop/db#user%20id", "pass://shop/db#2",
            "pass://shop/db#url"}),
      (std::vector<std::string>{" CANARY-first  ", "alice", "7", "user:  alice ", "https://a:1/"}));
}

TEST_F(RealPass, SaysWhatIsNotThere) {
  const auto failures =
      pass({"pass://shop/dbb", "pass://shop", "pass://shop/db#absent", "pass://shop/db#99",
            "pass://shop/db#twice", "pass://../a", "pass://-h"});
  EXPECT_EQ(failures[0],
            "not_found: shop/dbb is not in the password store / did you mean pass://shop/db?");
  EXPECT_NE(failures[1].find("is a folder"), std::string::npos);
  EXPECT_NE(failures[2].find("not_found: the entry has no line \"absent:\""), std::string::npos);
  EXPECT_NE(failures[3].find("not_found: the entry has no line 99"), std::string::npos);
  EXPECT_NE(failures[4].find("ambiguous: "), std::string::npos);
  EXPECT_NE(failures[5].find("invalid_reference: "), std::string::npos);
  EXPECT_NE(failures[6].find("invalid_reference: "), std::string::npos);
}

TEST_F(RealPass, SaysThatThePrivateKeyIsNotThere) {
  ASSERT_EQ(shell("gpgconf --kill all; rm -r gnupg/private-keys-v1.d"), 0);
  const std::string failure = pass({"pass://shop/db"})[0];
  EXPECT_EQ(failure.substr(0, 14), "auth_required:") << failure;
  EXPECT_NE(failure.find("gpg --list-secret-keys"), std::string::npos) << failure;
}

TEST_F(RealPass, SaysThatTheStoreIsNotThere) {
  std::filesystem::remove_all(home_ / "store");
  EXPECT_NE(pass({"pass://shop/db"})[0].find("not_found: there is no password store at"),
            std::string::npos);
}

class LockedPass : public RealPass {
 protected:
  LockedPass() { passphrase_ = "CANARY-phrase"; }
};

TEST_F(LockedPass, SaysThatTheKeyIsLocked) {
  ASSERT_EQ(shell("gpgconf --kill all"), 0);
  const std::string failure = pass({"pass://shop/db"})[0];
  EXPECT_EQ(failure.substr(0, 14), "auth_required:") << failure;
}

}  // namespace
}  // namespace agentbox::resolver
