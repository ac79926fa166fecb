#include "resolver/process.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <csignal>
#include <cstdlib>

#include "base/error.h"
#include "base/unique_fd.h"

namespace agentbox::resolver {

namespace {

using base::UniqueFd;
using Clock = std::chrono::steady_clock;

constexpr std::size_t kErrorsLimit = 8192;

struct Pipe {
  UniqueFd reader;
  UniqueFd writer;
};

// Both ends are above the standard descriptors, so that the child's dup2 calls cannot overwrite one
// that is still needed when the caller runs with its own closed.
Pipe make_pipe() {
  int ends[2];
  base::check(::pipe2(ends, O_CLOEXEC), "pipe");
  Pipe pipe{UniqueFd(ends[0]), UniqueFd(ends[1])};
  for (UniqueFd* end : {&pipe.reader, &pipe.writer}) {
    if (end->get() <= STDERR_FILENO) {
      end->reset(static_cast<int>(
          base::check(::fcntl(end->get(), F_DUPFD_CLOEXEC, STDERR_FILENO + 1), "fcntl")));
    }
  }
  return pipe;
}

// The whole input is in the pipe before the program starts: no write can block on it, and none can
// raise SIGPIPE.
UniqueFd filled_pipe(std::string_view input) {
  Pipe pipe = make_pipe();
  base::check(::fcntl(pipe.writer.get(), F_SETFL, O_NONBLOCK), "fcntl");
  if (input.size() > 65536) {
    base::check(::fcntl(pipe.writer.get(), F_SETPIPE_SZ, static_cast<int>(input.size())),
                "enlarge a pipe");
  }
  const ssize_t n = ::write(pipe.writer.get(), input.data(), input.size());
  base::check(n, "write to a pipe");
  if (static_cast<std::size_t>(n) != input.size()) {
    throw base::SystemError("write to a pipe", "the program's input", ENOBUFS);
  }
  return std::move(pipe.reader);
}

struct Actions {
  Actions() { ::posix_spawn_file_actions_init(&value); }
  Actions(const Actions&) = delete;
  Actions& operator=(const Actions&) = delete;
  ~Actions() { ::posix_spawn_file_actions_destroy(&value); }
  posix_spawn_file_actions_t value;
};

struct Attributes {
  Attributes() {
    ::posix_spawnattr_init(&value);
    ::posix_spawnattr_setflags(&value,
                               POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    sigset_t signals;
    sigemptyset(&signals);
    ::posix_spawnattr_setsigmask(&value, &signals);
    sigfillset(&signals);
    ::posix_spawnattr_setsigdefault(&value, &signals);
  }
  Attributes(const Attributes&) = delete;
  Attributes& operator=(const Attributes&) = delete;
  ~Attributes() { ::posix_spawnattr_destroy(&value); }
  posix_spawnattr_t value;
};

void spawn_check(int error, const char* operation, const std::string& argument) {
  if (error != 0) {
    throw base::SystemError(operation, argument, error);
  }
}

// One running child. It is killed with its group and reaped unless wait() has reaped it: its number
// is its own, and its group's, until then.
class Child {
 public:
  explicit Child(pid_t pid) : pid_(pid) {}
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child() {
    if (pid_ > 0) {
      ::kill(-pid_, SIGKILL);
      wait();
    }
  }

  pid_t pid() const { return pid_; }

  siginfo_t wait() {
    siginfo_t info = {};
    int result;
    do {
      result = ::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED);
    } while (result < 0 && errno == EINTR);
    pid_ = 0;
    return info;
  }

 private:
  pid_t pid_;
};

pid_t start(const Command& command, int input, int output, int errors) {
  Actions actions;
  spawn_check(::posix_spawn_file_actions_adddup2(&actions.value, input, STDIN_FILENO), "prepare",
              command.program);
  spawn_check(::posix_spawn_file_actions_adddup2(&actions.value, output, STDOUT_FILENO), "prepare",
              command.program);
  spawn_check(::posix_spawn_file_actions_adddup2(&actions.value, errors, STDERR_FILENO), "prepare",
              command.program);
  spawn_check(::posix_spawn_file_actions_addclosefrom_np(&actions.value, STDERR_FILENO + 1),
              "prepare", command.program);
  spawn_check(::posix_spawn_file_actions_addchdir_np(&actions.value, "/"), "prepare",
              command.program);
  const Attributes attributes;
  std::vector<char*> arguments;
  for (const std::string& argument : command.arguments) {
    arguments.push_back(const_cast<char*>(argument.c_str()));
  }
  arguments.push_back(nullptr);
  std::vector<char*> environment;
  for (const char* variable : command.environment) {
    environment.push_back(const_cast<char*>(variable));
  }
  environment.push_back(nullptr);
  pid_t pid = 0;
  spawn_check(::posix_spawn(&pid, command.program.c_str(), &actions.value, &attributes.value,
                            arguments.data(), environment.data()),
              "start", command.program);
  return pid;
}

int milliseconds_until(Clock::time_point deadline) {
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now()).count();
  return static_cast<int>(std::clamp<decltype(left)>(left, 0, INT_MAX));
}

// What a child prints, until it ends or may not go on.
class Collector {
 public:
  Collector(int output, int errors, std::size_t limit)
      : output_(output), errors_(errors), limit_(limit), chunk_(4080) {}

  // Reads what is there. False: too much.
  bool read_output() {
    for (;;) {
      const ssize_t n = read_some(output_, output_open_);
      if (n <= 0) {
        return true;
      }
      const auto size = static_cast<std::size_t>(n);
      if (text_.size() + size > limit_) {
        return false;
      }
      text_.append(chunk_.reveal().substr(0, size));
    }
  }

  // At most two pipes full at a time, so that a flood cannot hold up the deadline.
  void read_errors(std::string& errors) {
    for (int turn = 0; turn < 32; ++turn) {
      const ssize_t n = read_some(errors_, errors_open_);
      if (n <= 0) {
        return;
      }
      const std::size_t room = kErrorsLimit - errors.size();
      errors.append(chunk_.reveal().substr(0, std::min(room, static_cast<std::size_t>(n))));
    }
  }

  int output() const { return output_open_ ? output_ : -1; }
  int errors() const { return errors_open_ ? errors_ : -1; }
  Secret take() { return text_.take(); }

 private:
  ssize_t read_some(int fd, bool& open) {
    ssize_t n;
    do {
      n = ::read(fd, chunk_.bytes().data(), chunk_.size());
    } while (n < 0 && errno == EINTR);
    if (n < 0 && errno != EAGAIN) {
      base::check(n, "read from a pipe");
    }
    open = open && n != 0;
    return n;
  }

  int output_;
  int errors_;
  std::size_t limit_;
  bool output_open_ = true;
  bool errors_open_ = true;
  Secret chunk_;  // standard error passes through locked memory as well: it may quote a value
  SecretBuilder text_;
};

// Whether `path` is `directory` or below it; both canonical.
bool inside(std::string_view path, std::string_view directory) {
  return path.starts_with(directory) &&
         (path.size() == directory.size() || path[directory.size()] == '/');
}

std::string canonical(const std::string& path) {
  char* resolved = ::realpath(path.c_str(), nullptr);
  std::string result = resolved != nullptr ? resolved : "";
  std::free(resolved);
  return result;
}

bool everyone_may_write(const struct stat& status) { return (status.st_mode & S_IWOTH) != 0; }

}  // namespace

Finished run(const Command& command, Clock::time_point deadline) {
  UniqueFd input = command.input.empty()
                       ? UniqueFd(static_cast<int>(base::check(
                             ::open("/dev/null", O_RDONLY | O_CLOEXEC), "open", "/dev/null")))
                       : filled_pipe(command.input);
  Pipe output = make_pipe();
  Pipe errors = make_pipe();
  Finished finished;
  finished.errors.reserve(kErrorsLimit);  // no copy is left behind by growing
  Collector collector(output.reader.get(), errors.reader.get(), command.output_limit);
  for (const int fd : {output.reader.get(), errors.reader.get()}) {
    base::check(::fcntl(fd, F_SETFL, O_NONBLOCK), "fcntl");
  }

  Child child(start(command, input.get(), output.writer.get(), errors.writer.get()));
  input.reset();
  output.writer.reset();
  errors.writer.reset();
  const UniqueFd ended(
      static_cast<int>(base::check(::syscall(SYS_pidfd_open, child.pid(), 0), "pidfd_open")));

  // The child's end counts, not the end of its output: what it leaves running in the background (op
  // starts a cache of its own) may hold the pipes for hours.
  for (bool running = true; running;) {
    struct pollfd polled[3] = {
        {collector.output(), POLLIN, 0}, {collector.errors(), POLLIN, 0}, {ended.get(), POLLIN, 0}};
    const int ready = ::poll(polled, 3, milliseconds_until(deadline));
    if (ready < 0 && errno != EINTR) {
      base::check(ready, "poll");
    }
    if (ready == 0 && Clock::now() >= deadline) {
      finished.end = Finished::End::kTimedOut;
      return finished;
    }
    running = ready <= 0 || polled[2].revents == 0;
    if (!collector.read_output()) {
      finished.end = Finished::End::kTooMuchOutput;
      return finished;
    }
    collector.read_errors(finished.errors);
  }
  const siginfo_t info = child.wait();
  finished.end = info.si_code == CLD_EXITED ? Finished::End::kExited : Finished::End::kSignalled;
  finished.code = info.si_status;
  finished.output = collector.take();
  return finished;
}

Search find_program(std::string_view name, std::string_view path,
                    const std::vector<std::string>& avoid) {
  std::vector<std::string> avoided;
  for (const std::string& directory : avoid) {
    const std::string real = canonical(directory);
    if (!real.empty() && real != "/") {
      avoided.push_back(real);
    }
  }
  const auto avoids = [&](const std::string& real) {
    return std::any_of(avoided.begin(), avoided.end(),
                       [&](const std::string& directory) { return inside(real, directory); });
  };
  Search search;
  for (std::size_t at = 0; at <= path.size();) {
    const std::size_t colon = std::min(path.find(':', at), path.size());
    const std::string directory(path.substr(at, colon - at));
    at = colon + 1;
    if (directory.empty() || directory.front() != '/') {
      continue;
    }
    const std::string real = canonical(directory);
    struct stat status = {};
    if (real.empty() || ::stat(real.c_str(), &status) != 0) {
      continue;
    }
    const std::string candidate = directory + "/" + std::string(name);
    const bool trusted = !everyone_may_write(status) && !avoids(real);
    const std::string program = canonical(candidate);
    if (trusted) {
      search.path += (search.path.empty() ? "" : ":") + directory;
    }
    if (!search.program.empty() || program.empty() || ::stat(program.c_str(), &status) != 0 ||
        !S_ISREG(status.st_mode) || ::access(program.c_str(), X_OK) != 0) {
      continue;
    }
    if (trusted && !everyone_may_write(status) && !avoids(program)) {
      search.program = candidate;
    } else if (search.skipped.empty()) {
      search.skipped = candidate;
    }
  }
  return search;
}

}  // namespace agentbox::resolver
