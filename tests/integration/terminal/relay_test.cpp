#include "launcher/terminal/relay.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <string>
#include <thread>

#include "tests/integration/terminal/user.h"

namespace agentbox::terminal {
namespace {

const std::string kDriver = RELAY_DRIVER;

bool same(const termios& a, const termios& b) {
  return a.c_iflag == b.c_iflag && a.c_oflag == b.c_oflag && a.c_cflag == b.c_cflag &&
         a.c_lflag == b.c_lflag && std::memcmp(a.c_cc, b.c_cc, sizeof a.c_cc) == 0;
}

// What a bash script prints (standard output alone).
std::string bash(const std::string& script) {
  setenv("DRIVER", RELAY_DRIVER, 1);
  setenv("SCRIPT", script.c_str(), 1);
  FILE* pipe = popen("exec bash -c \"$SCRIPT\"", "r");
  std::string out;
  std::array<char, 4096> buffer;
  for (std::size_t count; (count = fread(buffer.data(), 1, buffer.size(), pipe)) > 0;) {
    out.append(buffer.data(), count);
  }
  pclose(pipe);
  return out;
}

// Waits for what happens in another process; false after 20 s.
template <typename Condition>
bool eventually(Condition condition) {
  for (int i = 0; i < 2000; ++i) {
    if (condition()) {
      return true;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return false;
}

TEST(RelayTerminal, ReturnsTheStatusAndRestoresTheTerminal) {
  struct Case {
    const char* script;
    int status;
  };
  for (const Case& c : {Case{"exit 7", 7}, Case{"kill -9 $$", 137}, Case{"stty raw -echo", 0}}) {
    User user(driver({}, {"sh", "-c", c.script}));
    const termios before = user.settings();
    ASSERT_TRUE(user.ends());
    EXPECT_EQ(WEXITSTATUS(user.status()), c.status) << c.script << user.screen();
    EXPECT_TRUE(same(before, user.settings())) << c.script;
  }
}

TEST(RelayTerminal, IsRawWhileTheCommandRuns) {
  User user(driver({}, {"sh", "-c", "stty -a; echo ready; read x; echo \"got $x\""}));
  ASSERT_TRUE(user.sees("ready"));
  EXPECT_TRUE(eventually([&] { return user.raw(); }));
  user.type("word\r");
  EXPECT_TRUE(user.sees("got word"));
  ASSERT_TRUE(user.ends());
  EXPECT_FALSE(user.raw());
}

TEST(RelayTerminal, ConcealsValues) {
  User user(driver({"--mask", "KEY=s3cret-value"},
                   {"sh", "-c", "echo one s3cret-value two; printf s3cret-value | base64"}));
  ASSERT_TRUE(user.ends());
  EXPECT_NE(user.screen().find("one <concealed by agentbox:KEY> two\r\n"), std::string::npos);
  EXPECT_EQ(user.screen().find("s3cret"), std::string::npos);
  EXPECT_EQ(user.screen().find("czNjcmV0LXZhbH"), std::string::npos);
}

TEST(RelayTerminal, ConcealsAValueThatADroppedSequenceSplits) {
  User user(
      driver({"--mask", "KEY=s3cret-value"}, {"printf", "s3cret\\033]52;c;eA==\\007-value.\\n"}));
  ASSERT_TRUE(user.ends());
  EXPECT_NE(user.screen().find("<concealed by agentbox:KEY>."), std::string::npos);
}

TEST(RelayTerminal, ShowsTypedEchoWithoutDelay) {
  User user(driver({"--mask", "KEY=s3cret-value"}, {"sh", "-c", "echo ready; cat"}));
  ASSERT_TRUE(user.sees("ready"));
  ASSERT_TRUE(eventually([&] { return user.raw(); }));
  std::string typed;
  for (char c : std::string("s3cret-")) {  // nothing ends the line: this is held but for the echo
    user.type(std::string(1, c));
    typed += c;
    ASSERT_TRUE(user.sees(std::string(1, c))) << typed;
  }
  user.type("value\r");
  ASSERT_TRUE(user.sees("<concealed by agentbox:KEY>"));  // and cat's copy of the line
  user.type("\x04");
  ASSERT_TRUE(user.ends());
}

TEST(RelayTerminal, ControlCReachesTheCommandAlone) {
  User user(driver({}, {"bash", "-c",
                        "trap 'echo caught; exit 3' INT; echo ready; "
                        "while :; do sleep 0.1; done"}));
  ASSERT_TRUE(user.sees("ready"));
  ASSERT_TRUE(eventually([&] { return user.raw(); }));
  user.type("\x03");
  EXPECT_TRUE(user.sees("caught"));
  ASSERT_TRUE(user.ends());
  EXPECT_EQ(WEXITSTATUS(user.status()), 3);
}

TEST(RelayTerminal, ForwardsSignals) {
  for (const auto& [number, name] :
       {std::pair{SIGTERM, "TERM"}, {SIGINT, "INT"}, {SIGHUP, "HUP"}, {SIGQUIT, "QUIT"}}) {
    User user(driver({}, {"bash", "-c",
                          std::string("trap 'echo caught; exit 3' ") + name +
                              "; echo ready; while :; do sleep 0.1; done"}));
    ASSERT_TRUE(user.sees("ready"));
    kill(user.process(), number);
    EXPECT_TRUE(user.sees("caught")) << name;
    ASSERT_TRUE(user.ends());
    EXPECT_EQ(WEXITSTATUS(user.status()), 3);
  }
}

TEST(RelayTerminal, ASecondTermAfterFiveSecondsKills) {
  User user(driver({}, {"bash", "-c",
                        "trap 'echo caught' TERM; echo ready; "
                        "while :; do sleep 0.1; done"}));
  ASSERT_TRUE(user.sees("ready"));
  kill(user.process(), SIGTERM);
  ASSERT_TRUE(user.sees("caught"));
  kill(user.process(), SIGTERM);
  ASSERT_TRUE(user.sees("caught"));  // too soon
  std::this_thread::sleep_for(std::chrono::milliseconds(5100));
  kill(user.process(), SIGTERM);
  ASSERT_TRUE(user.ends());
  EXPECT_EQ(WEXITSTATUS(user.status()), 137);
}

TEST(RelayTerminal, WindowSizeIsCopiedAndFollowed) {
  User user(driver({}, {"bash", "-c",
                        "trap 'stty size' WINCH; stty size; echo ready; "
                        "while :; do sleep 0.1; done"}));
  ASSERT_TRUE(user.sees("24 80"));
  ASSERT_TRUE(user.sees("ready"));
  user.resize(41, 101);
  EXPECT_TRUE(user.sees("41 101"));
}

TEST(RelayTerminal, SuspendsAndComesBackInAShell) {
  User user({"bash", "--norc", "--noprofile", "-i"});
  ASSERT_TRUE(user.sees("$ "));
  user.type(kDriver + " -- bash -c 'echo re''ady; while read -r x; do echo got-$x; done'\n");
  ASSERT_TRUE(user.sees("ready"));
  ASSERT_TRUE(eventually([&] { return user.raw(); }));
  user.type("\x1a");
  ASSERT_TRUE(user.sees("Stopped")) << user.screen();
  ASSERT_TRUE(user.sees("$ "));
  user.resize(33, 99);
  user.type("echo in-\"the\"-shell\n");
  ASSERT_TRUE(user.sees("in-the-shell\r\n"));
  user.type("fg\n");
  ASSERT_TRUE(user.sees("relay_driver"));
  user.type("word\r");
  ASSERT_TRUE(user.sees("got-word")) << user.screen();
  EXPECT_TRUE(user.raw());
  user.type("\x1a");  // a second time
  ASSERT_TRUE(user.sees("Stopped"));
  user.type("fg\n");
  user.type("more\r");
  ASSERT_TRUE(user.sees("got-more"));
  user.type("\x04");
  ASSERT_TRUE(user.sees("$ "));
  user.type("exit $?\n");
  ASSERT_TRUE(user.ends());
  EXPECT_EQ(WEXITSTATUS(user.status()), 0) << user.screen();
}

TEST(RelayTerminal, ATstpFromOutsideStopsTheCommand) {
  User user({"bash", "--norc", "--noprofile", "-i"});
  ASSERT_TRUE(user.sees("$ "));
  user.type(kDriver + " -- bash -c 'echo re''lay:$(ps -o ppid= $PPID).; exec cat'\n");
  ASSERT_TRUE(user.sees("relay:"));
  ASSERT_TRUE(user.sees("."));
  const std::size_t at = user.screen().rfind("relay:") + 6;
  const pid_t relay = std::stoi(user.screen().substr(at));
  ASSERT_TRUE(eventually([&] { return user.raw(); }));
  kill(relay, SIGTSTP);
  ASSERT_TRUE(user.sees("Stopped")) << user.screen();
  user.type("kill %1; fg\n");
  ASSERT_TRUE(user.sees("$ "));
}

constexpr char kModes[] = "printf '\\033[?1049h\\033[?25l\\033[?1000h\\033[?2004h\\033[>1u'; ";

TEST(RelayTerminal, RestoresModesThatTheCommandLeftOn) {
  User user(driver({}, {"sh", "-c", std::string(kModes) + "kill -9 $$"}));
  ASSERT_TRUE(user.ends());
  for (const char* sequence : {"\033[?2004l", "\033[<16u", "\033[?1049l", "\033[?25h"}) {
    EXPECT_NE(user.screen().find(sequence), std::string::npos) << sequence;
  }
  User plain(driver({}, {"sh", "-c",
                         std::string(kModes) +
                             "printf '\\033[<u\\033[?2004l\\033[?1000l\\033[?25h\\033[?1049l'"}));
  ASSERT_TRUE(plain.ends());
  EXPECT_TRUE(plain.screen().ends_with("\033[?1049l")) << "nothing is added that is not needed";
}

TEST(RelayTerminal, TheTerminalIsRestoredWhenTheRelayIsKilled) {
  // A shell around it: the terminal would hang up with its session leader.
  User user({"sh", "-c",
             kDriver + " -- sh -c \"" + kModes +
                 " echo relay:\\$(ps -o ppid= \\$PPID).; sleep 60\"; echo aft\"\"er; sleep 60"});
  const termios before = user.settings();
  ASSERT_TRUE(user.sees("relay:"));
  ASSERT_TRUE(user.sees("."));
  const pid_t relay = std::stoi(user.screen().substr(user.screen().rfind("relay:") + 6));
  ASSERT_TRUE(eventually([&] { return user.raw(); }));
  EXPECT_FALSE(same(before, user.settings()));
  ASSERT_EQ(kill(relay, SIGKILL), 0);
  EXPECT_TRUE(user.sees("\033[?2004l"));
  EXPECT_TRUE(user.sees("\033[?1049l"));
  EXPECT_TRUE(user.sees("\033[?25h"));
  EXPECT_TRUE(eventually([&] { return same(before, user.settings()); }));
}

TEST(RelayTerminal, AnswersDoNotReachTheShell) {
  const std::string rest = "; IFS= read -r -t 1 -n 1 x && echo LE''FT || echo CLE''AN";
  for (const bool relayed : {false, true}) {
    User user({"bash", "-c",
               (relayed ? kDriver + " -- " : "") + "bash -c \"printf 'ask\\033[6n'\"" + rest});
    user.answer("\033[6n", "\033[5;5R", 60);
    user.answer("\033[c", "\033[?62;4c", 0);
    EXPECT_TRUE(user.sees(relayed ? "CLEAN" : "LEFT")) << user.screen();
  }
}

TEST(RelayTerminal, DropsClipboardAndTitleSequences) {
  User user(driver({}, {"printf", "a\\033]52;c;ZXZpbA==\\007b\\033[21tc\\033P$qm\\033\\\\d"}));
  ASSERT_TRUE(user.ends());
  EXPECT_EQ(user.screen(), "abcd");
}

TEST(RelayTerminal, DoesNotWaitForWhatHoldsTheTerminalOpen) {
  User user(driver({}, {"bash", "-c", "(trap '' HUP; exec sleep 30) & echo shown; exit 4"}));
  ASSERT_TRUE(user.ends());
  EXPECT_EQ(WEXITSTATUS(user.status()), 4);
  EXPECT_NE(user.screen().find("shown"), std::string::npos);
}

TEST(RelayTerminal, AllOutputArrivesInOrder) {
  User user(driver({"--mask", "KEY=777-none"}, {"seq", "1", "200000"}));
  std::string expected;
  for (int i = 1; i <= 200000; ++i) {
    expected += std::to_string(i) + "\r\n";
  }
  ASSERT_TRUE(user.ends());
  EXPECT_TRUE(user.screen() == expected) << user.screen().size() << " of " << expected.size();
}

TEST(RelayPipes, KeepsTheStreamsApartAndMasksBoth) {
  EXPECT_EQ(bash("\"$DRIVER\" --pipes --mask K=s3cret-value -- sh -c "
                 "'echo out s3cret-value; echo err s3cret-value >&2' 2>/dev/null </dev/null"),
            "out <concealed by agentbox:K>\n");
  EXPECT_EQ(bash("\"$DRIVER\" --pipes --mask K=s3cret-value -- sh -c "
                 "'echo out s3cret-value; echo err s3cret-value >&2' 2>&1 >/dev/null </dev/null"),
            "err <concealed by agentbox:K>\n");
}

TEST(RelayPipes, InputEndsAndStatusReturns) {
  EXPECT_EQ(bash("printf abc | \"$DRIVER\" --pipes -- cat; echo \" ${PIPESTATUS[1]}\""), "abc 0\n");
  EXPECT_EQ(bash("\"$DRIVER\" --pipes -- cat </dev/null; echo $?"), "0\n");
  EXPECT_EQ(bash("\"$DRIVER\" --pipes -- sh -c 'cat; exit 5' <&-; echo $?"), "5\n");
  EXPECT_EQ(bash("yes | \"$DRIVER\" --pipes -- sh -c 'exit 6'; echo ${PIPESTATUS[1]}"), "6\n");
  EXPECT_EQ(bash("yes | \"$DRIVER\" --pipes -- sh -c 'exec <&-; sleep 0.2; echo end'"), "end\n");
}

TEST(RelayPipes, LinesComeOutWhenTheyAreWritten) {
  // The second line is asked for only after the first has been read.
  EXPECT_EQ(bash("coproc \"$DRIVER\" --pipes --mask K=s3cret-value -- "
                 "sh -c 'echo one; read x; echo $x'; "
                 "read -r -t 20 line <&${COPROC[0]}; echo \"$line\"; echo two >&${COPROC[1]}; "
                 "read -r -t 20 line <&${COPROC[0]}; echo \"$line\"; wait"),
            "one\ntwo\n");
}

TEST(RelayPipes, AReaderThatLeavesEndsTheCommand) {
  EXPECT_EQ(bash("\"$DRIVER\" --pipes -- yes </dev/null | head -n 1; echo ${PIPESTATUS[0]}"),
            "y\n141\n");
  // Also a command that is quiet when the reader leaves, at its next write.
  EXPECT_EQ(bash("\"$DRIVER\" --pipes -- sh -c 'echo a; sleep 0.3; echo b; sleep 0.3; echo c; "
                 "exit 1' </dev/null 2>/dev/null | head -n 1; echo ${PIPESTATUS[0]}"),
            "a\n141\n");
}

TEST(RelayPipes, SixtyFourMebibytesArriveIntact) {
  EXPECT_EQ(bash("f=$(mktemp); head -c 67108864 /dev/urandom >$f; "
                 "\"$DRIVER\" --pipes --mask K=s3cret-value --mask L=other-secret -- cat $f "
                 "</dev/null | cmp - $f && echo same; "
                 "\"$DRIVER\" --pipes --mask K=s3cret-value -- cat <$f | cmp - $f && echo same; "
                 "rm $f"),
            "same\nsame\n");
}

TEST(RelayPipes, SignalsGoOn) {
  EXPECT_EQ(bash("coproc \"$DRIVER\" --pipes -- bash -c 'trap \"echo caught; exit 3\" TERM; "
                 "echo ready; while :; do sleep 0.1; done'; "
                 "read -r -t 20 line <&${COPROC[0]}; echo \"$line\"; kill -TERM $COPROC_PID; "
                 "read -r -t 20 line <&${COPROC[0]}; echo \"$line\"; wait $COPROC_PID; echo $?"),
            "ready\ncaught\n3\n");
}

TEST(RelayPipes, DoesNotWaitForWhatHoldsThePipesOpen) {
  EXPECT_EQ(bash("\"$DRIVER\" --pipes -- bash -c 'sleep 30 & echo x; exit 4' </dev/null; echo $?"),
            "x\n4\n");
}

TEST(RelayPipes, ABackgroundJobIsNotStoppedByWhatIsTypedToTheShell) {
  User user({"bash", "--norc", "--noprofile", "-i"});
  ASSERT_TRUE(user.sees("$ "));
  user.type(kDriver + " --pipes -- sh -c 'sleep 1; echo fini''shed' &\n");
  ASSERT_TRUE(user.sees("$ "));
  user.type("echo ty\"\"ped\n");
  ASSERT_TRUE(user.sees("typed\r\n"));
  EXPECT_TRUE(user.sees("finished")) << user.screen();
}

TEST(RelayPipes, FiltersTowardsATerminal) {
  User user(driver({"--pipes"}, {"printf", "a\\033]52;c;ZXZpbA==\\007b"}));
  ASSERT_TRUE(user.ends());
  EXPECT_EQ(user.screen(), "ab");
  EXPECT_EQ(bash("\"$DRIVER\" --pipes -- printf 'a\\033]52;c;x\\007b' </dev/null"),
            "a\033]52;c;x\007b");
}

}  // namespace
}  // namespace agentbox::terminal
