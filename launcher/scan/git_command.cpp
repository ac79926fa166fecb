#include "launcher/scan/git_command.h"

#include <poll.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>

#include "base/directories.h"
#include "base/error.h"
#include "base/file.h"
#include "resolver/process.h"

namespace agentbox::scan {

namespace {

constexpr std::chrono::milliseconds kPatience = std::chrono::minutes(2);
constexpr std::size_t kMostErrors = 4096;

base::UniqueFd memory_file(const char* name) {
  return base::UniqueFd(
      static_cast<int>(base::check(::memfd_create(name, MFD_CLOEXEC), "memfd_create", name)));
}

std::string text_of(int fd, std::size_t most) {
  struct stat status = {};
  base::check(::fstat(fd, &status), "stat", "what git printed");
  std::string text(std::min(static_cast<std::size_t>(status.st_size), most), '\0');
  for (std::size_t have = 0; have < text.size();) {
    const ssize_t count =
        ::pread(fd, text.data() + have, text.size() - have, static_cast<off_t>(have));
    if (count <= 0) {
      base::check(count == 0 ? -1 : count, "read", "what git printed");
    }
    have += static_cast<std::size_t>(count);
  }
  return text;
}

void check_spawn(int error) {
  if (error != 0) {
    throw base::SystemError("start", "git", error);
  }
}

std::vector<char*> pointers(const std::vector<std::string>& texts) {
  std::vector<char*> list;
  for (const std::string& text : texts) {
    list.push_back(const_cast<char*>(text.c_str()));
  }
  list.push_back(nullptr);
  return list;
}

class Actions {
 public:
  Actions() { check_spawn(::posix_spawn_file_actions_init(&value_)); }
  ~Actions() { ::posix_spawn_file_actions_destroy(&value_); }
  Actions(const Actions&) = delete;
  Actions& operator=(const Actions&) = delete;

  void set(int number, int fd) {
    check_spawn(::posix_spawn_file_actions_adddup2(&value_, fd, number));
  }
  void enter(int directory) {
    check_spawn(::posix_spawn_file_actions_addfchdir_np(&value_, directory));
  }
  const posix_spawn_file_actions_t* get() const { return &value_; }

 private:
  posix_spawn_file_actions_t value_;
};

// Killed and reaped when it goes, if it was not waited for.
class Child {
 public:
  explicit Child(pid_t pid) : pid_(pid) {}
  ~Child() {
    if (pid_ > 0) {
      ::kill(pid_, SIGKILL);
      wait();
    }
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  // Its exit status, -1 for any other end.
  int wait() {
    siginfo_t info = {};
    while (::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED) < 0 && errno == EINTR) {
    }
    pid_ = 0;
    return info.si_code == CLD_EXITED ? info.si_status : -1;
  }

  // False if it still runs after that time.
  bool ends(std::chrono::milliseconds patience) const {
    const base::UniqueFd fd(
        static_cast<int>(base::check(::syscall(SYS_pidfd_open, pid_, 0), "pidfd_open")));
    const auto deadline = std::chrono::steady_clock::now() + patience;
    for (;;) {
      const auto left =
          std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
      struct pollfd polled = {fd.get(), POLLIN, 0};
      const int ready = ::poll(&polled, 1, static_cast<int>(std::max<long>(left.count(), 0)));
      if (ready >= 0 || errno != EINTR) {
        return base::check(ready, "poll") > 0;
      }
    }
  }

 private:
  pid_t pid_;
};

}  // namespace

Git::Git(const std::string& avoid) {
  const char* const path = ::getenv("PATH");
  const resolver::Search search =
      resolver::find_program("git", path == nullptr ? "" : path, {avoid});
  program_ = search.program;
  environment_ = {"PATH=" + search.path, "HOME=" + base::home_directory(), "LC_ALL=C",
                  "GIT_OPTIONAL_LOCKS=0", "GIT_TERMINAL_PROMPT=0",
                  // A partial clone fetches what it lacks: not for us (git-fetch(1), git(1)).
                  "GIT_NO_LAZY_FETCH=1", "GIT_ALLOW_PROTOCOL=none"};
  // The user's ignore rules and safe.directory count; the repository's programs do not.
  if (const char* const configuration = ::getenv("XDG_CONFIG_HOME"); configuration != nullptr) {
    environment_.push_back(std::string("XDG_CONFIG_HOME=") + configuration);
  }
}

Finished Git::run(int directory, const std::vector<std::string>& arguments,
                  std::string_view input) const {
  const base::UniqueFd in = memory_file("git-input");
  base::write_all(in.get(), input);
  base::check(::lseek(in.get(), 0, SEEK_SET), "seek", "git's input");
  const base::UniqueFd out = memory_file("git-output");
  const base::UniqueFd errors = memory_file("git-errors");
  Actions actions;
  actions.set(STDIN_FILENO, in.get());
  actions.set(STDOUT_FILENO, out.get());
  actions.set(STDERR_FILENO, errors.get());
  actions.enter(directory);
  std::vector<std::string> words = {"git", "-c", "core.fsmonitor=false", "-c",
                                    "core.hooksPath=/dev/null"};
  words.insert(words.end(), arguments.begin(), arguments.end());
  pid_t pid = 0;
  check_spawn(::posix_spawn(&pid, program_.c_str(), actions.get(), nullptr, pointers(words).data(),
                            pointers(environment_).data()));
  Child child(pid);
  Finished finished;
  if (!child.ends(kPatience)) {
    finished.timed_out = true;
    return finished;
  }
  finished.status = child.wait();
  finished.output = text_of(out.get(), SIZE_MAX);
  finished.errors = text_of(errors.get(), kMostErrors);
  return finished;
}

}  // namespace agentbox::scan
