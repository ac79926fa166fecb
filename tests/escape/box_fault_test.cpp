// A box that cannot be set up whole never runs the command, and a killed launcher leaves nothing.
#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <iostream>
#include <map>
#include <random>
#include <sstream>
#include <string>
#include <vector>

#include "base/file.h"
#include "tests/escape/attempt.h"

namespace agentbox::escape {
namespace {

namespace fs = std::filesystem;

constexpr char kStrace[] = "/usr/bin/strace";

// Calls of the set-up that the libraries' and the command's own start does not make.
constexpr const char* kCalls[] = {"capset",
                                  "close_range",
                                  "fchdir",
                                  "fsconfig",
                                  "fsmount",
                                  "fsopen",
                                  "landlock_add_rule",
                                  "landlock_create_ruleset",
                                  "landlock_restrict_self",
                                  "mkdirat",
                                  "mount_setattr",
                                  "move_mount",
                                  "open_tree",
                                  "openat2",
                                  "pipe2",
                                  "pivot_root",
                                  "prctl",
                                  "seccomp",
                                  "sendmsg",
                                  "setpgid",
                                  "setsid",
                                  "sethostname",
                                  "signalfd4",
                                  "socketpair",
                                  "symlinkat",
                                  "umount2"};

std::vector<std::string> boxed(std::vector<std::string> before) {
  const std::string here = program_directory();
  before.insert(before.end(),
                {here + "/boxed", "--probe", here, "--", "/probe/probe", "environment"});
  return before;
}

// How often the box's first process makes the call: the largest count of any process.
int count_calls(const std::string& trace, const std::string& call) {
  std::map<std::string, int> counts;
  std::istringstream lines(trace);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string process, text;
    words >> process >> text;
    if (text.starts_with(call + "(")) {
      ++counts[process];
    }
  }
  int most = 0;
  for (const auto& [process, count] : counts) {
    most = std::max(most, count);
  }
  return most;
}

TEST(BoxFault, Fd11And12EveryFailedCallStopsTheLaunch) {
  ASSERT_EQ(::access(kStrace, X_OK), 0) << "strace is needed";
  char name[] = "/tmp/agentbox-fault-XXXXXX";
  const std::string directory = ::mkdtemp(name);
  std::string calls;
  for (const char* call : kCalls) {
    calls += (calls.empty() ? "" : ",") + std::string(call);
  }
  const std::string trace = directory + "/trace";
  const Outcome whole = run_outside(boxed({kStrace, "-f", "-o", trace, "-e", "trace=" + calls}));
  ASSERT_EQ(whole.status, 0) << whole.output;
  ASSERT_EQ(whole["HOME"], "/tmp");  // the control: it runs
  const std::string text = base::read_file(trace, 1 << 24);
  int injected = 0;
  for (const char* call : kCalls) {
    int count = count_calls(text, call);
    EXPECT_GT(count, 0) << call;
    if (std::string_view(call) == "sendmsg") {
      --count;  // the last one tells that the command has ended
    }
    // All of a few; of many, every so many.
    for (int number = 1; number <= count; number += std::max(1, count / 8)) {
      const Outcome outcome = run_outside(
          boxed({kStrace, "-f", "-o", "/dev/null", "-e",
                 std::string("inject=") + call + ":error=EPERM:when=" + std::to_string(number)}));
      EXPECT_NE(outcome.status, 0) << call << " " << number << "\n" << outcome.output;
      EXPECT_EQ(outcome["HOME"], "") << call << " " << number << "\n" << outcome.output;
      ++injected;
    }
  }
  fs::remove_all(directory);
  std::cout << injected << " calls made to fail\n";
}

TEST(BoxFault, Fd20KilledLauncherLeavesNothing) {
  // Orphans of the launcher come to this process, so that waiting for all of them is the proof.
  ASSERT_EQ(::prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), 0);
  const std::string mounts = base::read_file("/proc/self/mountinfo", 1 << 20);
  const std::string here = program_directory();
  std::mt19937 random(20);
  std::uniform_int_distribution<useconds_t> moment(0, 8000);
  for (int i = 0; i < 100; ++i) {
    const pid_t launcher = ::fork();
    if (launcher == 0) {
      ::execl((here + "/boxed").c_str(), "boxed", "--probe", here.c_str(), "--", "/probe/probe",
              "hold", nullptr);
      ::_exit(127);
    }
    ::usleep(moment(random));
    ::kill(launcher, SIGKILL);
    while (::waitpid(-1, nullptr, __WALL) > 0) {
    }
  }
  EXPECT_EQ(base::read_file("/proc/self/mountinfo", 1 << 20), mounts);
  ::prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0);
}

}  // namespace
}  // namespace agentbox::escape
