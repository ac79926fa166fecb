#include "resolver/process.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>

#include "base/error.h"
#include "temporary.h"

namespace agentbox::resolver {
namespace {

using std::chrono::seconds;
using std::chrono::steady_clock;

Finished shell(const std::string& script, const std::string& input = {},
               seconds limit = seconds(60)) {
  Command command;
  command.program = "/bin/sh";
  command.arguments = {"sh", "-c", script};
  command.environment = {"PATH=/usr/bin:/bin", "A=x"};
  command.input = input;
  return run(command, steady_clock::now() + limit);
}

TEST(Process, KeepsOutputErrorsAndStatusApart) {
  const Finished finished = shell("printf 'out\\n\\n'; printf err >&2; exit 3");
  EXPECT_EQ(finished.end, Finished::End::kExited);
  EXPECT_EQ(finished.code, 3);
  EXPECT_EQ(finished.output.reveal(), "out\n\n");
  EXPECT_EQ(finished.errors, "err");
}

TEST(Process, TellsASignal) {
  const Finished finished = shell("kill -TERM $$");
  EXPECT_EQ(finished.end, Finished::End::kSignalled);
  EXPECT_EQ(finished.code, SIGTERM);
}

TEST(Process, PassesInputOfAnySize) {
  EXPECT_EQ(shell("cat", "text").output.reveal(), "text");
  EXPECT_EQ(shell("cat").output.reveal(), "");  // /dev/null, not the terminal
  const std::string large(300000, 'x');
  EXPECT_TRUE(shell("cat", large).output.reveal() == large);
  EXPECT_EQ(shell("exit 0", large).code, 0);  // who does not read raises no SIGPIPE here
}

TEST(Process, KeepsTheStartOfAFloodOfErrors) {
  const Finished finished = shell(
      "i=0; while [ $i -lt 3000 ]; do echo 'a line of thirty characters..' >&2; "
      "i=$((i+1)); done; echo done");
  EXPECT_EQ(finished.output.reveal(), "done\n");
  EXPECT_EQ(finished.errors.size(), 8192u);
}

TEST(Process, UnblocksSignalsAndResetsThem) {
  sigset_t blocked;
  sigset_t before;
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGTERM);
  ::sigprocmask(SIG_BLOCK, &blocked, &before);
  const auto ignored = std::signal(SIGTERM, SIG_IGN);
  const Finished finished = shell("kill -TERM $$; echo alive");
  std::signal(SIGTERM, ignored);
  ::sigprocmask(SIG_SETMASK, &before, nullptr);
  EXPECT_EQ(finished.end, Finished::End::kSignalled);
}

TEST(Process, FailsToStartWhatIsNotThere) {
  Command command;
  command.program = "/nonexistent/program";
  command.arguments = {"program"};
  try {
    run(command, steady_clock::now() + seconds(60));
    ADD_FAILURE() << "started";
  } catch (const base::SystemError& error) {
    EXPECT_EQ(error.error(), ENOENT);
  }
}

// A caller without standard descriptors gets low numbers for the pipes.
TEST(Process, WorksWithoutStandardDescriptors) {
  const pid_t pid = ::fork();
  ASSERT_GE(pid, 0);
  if (pid == 0) {
    ::close(0);
    ::close(1);
    ::close(2);
    int status = 1;
    try {
      const Finished finished = shell("cat; cat >&2 <<'E'\nerr\nE", "in");
      status = finished.output.reveal() == "in" && finished.errors == "err\n" ? 0 : 2;
    } catch (...) {
    }
    ::_exit(status);
  }
  int status = 1;
  ASSERT_EQ(::waitpid(pid, &status, 0), pid);
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

TEST(FindProgram, SearchesTrustedDirectoriesAlone) {
  const Temporary directory;
  for (const char* name : {"project/tool", "good/tool", "open/tool", "project/sub/tool"}) {
    directory.write(name, "#!/bin/sh\n");
    std::filesystem::permissions(directory / name, std::filesystem::perms(0755));
  }
  std::filesystem::permissions(directory / "open", std::filesystem::perms(0777));
  std::filesystem::create_symlink(directory / "project/tool", directory / "good/alias");
  std::filesystem::create_directory_symlink(directory / "project", directory / "link");
  const auto find = [&](const std::string& name, const std::string& path) {
    return find_program(name, path, {directory / "project"});
  };
  const std::string good = directory / "good";
  EXPECT_EQ(find("tool", good).program, good + "/tool");
  for (const char* bad : {"project", "project/sub", "open", "link", "link/sub"}) {
    const Search search = find("tool", directory / bad + ":" + good);
    EXPECT_EQ(search.program, good + "/tool") << bad;
    EXPECT_EQ(search.skipped, directory / bad + "/tool");
    EXPECT_EQ(search.path, good) << bad;
  }
  EXPECT_EQ(find("alias", good).program, "");
  EXPECT_EQ(find("tool", "::relative:./project:/nonexistent").program, "");
  EXPECT_EQ(find("tool", "").path, "");
  // A sibling with a longer name is not inside.
  EXPECT_EQ(find_program("tool", good, {directory / "goo"}).program, good + "/tool");
  EXPECT_EQ(find_program("tool", good, {"/"}).program, good + "/tool");
}

}  // namespace
}  // namespace agentbox::resolver
