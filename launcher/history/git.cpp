#include "launcher/history/git.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <strings.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/encode.h"
#include "base/error.h"
#include "base/file.h"

namespace agentbox::history {

namespace {

using base::UniqueFd;

constexpr std::size_t kBuffer = 1 << 18;
constexpr std::size_t kMessage = 400;  // bytes of git's words that are passed on

// Above the standard descriptors, so that the child's dup2 calls cannot overwrite one that is still
// needed.
UniqueFd raised(UniqueFd fd) {
  if (fd.get() > STDERR_FILENO) {
    return fd;
  }
  return UniqueFd(static_cast<int>(
      base::check(::fcntl(fd.get(), F_DUPFD_CLOEXEC, STDERR_FILENO + 1), "fcntl")));
}

UniqueFd memory_file(std::string_view text) {
  UniqueFd fd = raised(UniqueFd(
      static_cast<int>(base::check(::memfd_create("agentbox-git", MFD_CLOEXEC), "memfd_create"))));
  base::write_all(fd.get(), text);
  base::check(::lseek(fd.get(), 0, SEEK_SET), "lseek");
  return fd;
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
    ::posix_spawnattr_setflags(&value, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    sigset_t signals;
    ::sigemptyset(&signals);
    ::posix_spawnattr_setsigmask(&value, &signals);
    ::sigfillset(&signals);
    ::posix_spawnattr_setsigdefault(&value, &signals);
  }
  Attributes(const Attributes&) = delete;
  Attributes& operator=(const Attributes&) = delete;
  ~Attributes() { ::posix_spawnattr_destroy(&value); }
  posix_spawnattr_t value;
};

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> list;
  for (std::string& text : texts) {
    list.push_back(text.data());
  }
  list.push_back(nullptr);
  return list;
}

}  // namespace

GitProcess::GitProcess(pid_t pid, UniqueFd output, UniqueFd errors, std::string name)
    : pid_(pid),
      output_(std::move(output)),
      errors_(std::move(errors)),
      name_(std::move(name)),
      buffer_(kBuffer) {}

GitProcess::GitProcess(GitProcess&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)),
      output_(std::move(other.output_)),
      errors_(std::move(other.errors_)),
      name_(std::move(other.name_)),
      buffer_(std::move(other.buffer_)),
      begin_(other.begin_),
      end_(other.end_) {}

GitProcess::~GitProcess() {
  if (pid_ > 0) {
    ::kill(pid_, SIGKILL);
    finish();
  }
  if (!buffer_.empty()) {
    ::explicit_bzero(buffer_.data(), buffer_.size());
  }
}

bool GitProcess::fill() {
  if (begin_ < end_) {
    return true;
  }
  ssize_t n;
  do {
    n = ::read(output_.get(), buffer_.data(), buffer_.size());
  } while (n < 0 && errno == EINTR);
  base::check(n, "read from git", name_);
  begin_ = 0;
  end_ = static_cast<std::size_t>(n);
  return n > 0;
}

bool GitProcess::next(std::string& text, char end) {
  text.clear();
  while (fill()) {
    const char* const from = buffer_.data() + begin_;
    const char* const found = static_cast<const char*>(std::memchr(from, end, end_ - begin_));
    if (found != nullptr) {
      text.append(from, found);
      begin_ += static_cast<std::size_t>(found - from) + 1;
      return true;
    }
    text.append(from, end_ - begin_);
    begin_ = end_;
  }
  return !text.empty();
}

std::size_t GitProcess::read(char* bytes, std::size_t length) {
  std::size_t done = 0;
  while (done < length && fill()) {
    const std::size_t n = std::min(length - done, end_ - begin_);
    std::memcpy(bytes + done, buffer_.data() + begin_, n);
    begin_ += n;
    done += n;
  }
  return done;
}

bool GitProcess::finish() {
  output_.reset();
  int status = 0;
  while (::waitpid(pid_, &status, 0) < 0) {
    if (errno != EINTR) {
      throw base::SystemError("wait for git", name_, errno);
    }
  }
  pid_ = -1;
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

void GitProcess::require() {
  if (finish()) {
    return;
  }
  char words[kMessage];
  const ssize_t n = ::pread(errors_.get(), words, sizeof words, 0);
  std::string_view message(words, n > 0 ? static_cast<std::size_t>(n) : 0);
  message = message.substr(0, message.find('\n'));
  throw base::Error(
      base::Status::kFailed,
      "git " + name_ + " failed: " + (message.empty() ? "it was killed" : base::printable(message)),
      "`git fsck` tells what is wrong with the repository");
}

// A file in memory, so that feeding git and reading from it cannot wait for each other.
UniqueFd input_of(std::string_view text) { return memory_file(text); }

Git::Git(std::string program, std::string directory)
    : program_(std::move(program)), directory_(std::move(directory)) {}

GitProcess Git::start(const std::vector<std::string>& arguments, UniqueFd input,
                      const std::string& index) const {
  // An explicit --git-dir: nothing is searched for, and a directory of another owner is as good.
  std::vector<std::string> argv = {
      "git", "--git-dir=" + directory_, "--no-pager", "--no-replace-objects",
      "-c",  "core.fsmonitor=false",    "-c",         "core.hooksPath=/dev/null",
      "-c",  "protocol.allow=never"};
  argv.insert(argv.end(), arguments.begin(), arguments.end());
  std::vector<std::string> environment = {
      "PATH=/usr/bin:/bin",          "LC_ALL=C",
      "GIT_CONFIG_NOSYSTEM=1",       "GIT_CONFIG_GLOBAL=/dev/null",
      "GIT_NO_LAZY_FETCH=1",         "GIT_NO_REPLACE_OBJECTS=1",
      "GIT_OPTIONAL_LOCKS=0",        "GIT_TERMINAL_PROMPT=0",
      "GIT_ATTR_NOSYSTEM=1",         "HOME=/nonexistent",
      "XDG_CONFIG_HOME=/nonexistent"};
  if (!index.empty()) {
    environment.push_back("GIT_INDEX_FILE=" + index);
  }

  const UniqueFd in = raised(input ? std::move(input) : memory_file({}));
  UniqueFd errors = memory_file({});
  int ends[2];
  base::check(::pipe2(ends, O_CLOEXEC), "pipe");
  UniqueFd reader(ends[0]);
  const UniqueFd writer = raised(UniqueFd(ends[1]));
  // Best effort: fewer switches between git and us.
  static_cast<void>(::fcntl(reader.get(), F_SETPIPE_SZ, 1 << 20));

  Actions actions;
  ::posix_spawn_file_actions_adddup2(&actions.value, in.get(), STDIN_FILENO);
  ::posix_spawn_file_actions_adddup2(&actions.value, writer.get(), STDOUT_FILENO);
  ::posix_spawn_file_actions_adddup2(&actions.value, errors.get(), STDERR_FILENO);
  ::posix_spawn_file_actions_addchdir_np(&actions.value, "/");
  ::posix_spawn_file_actions_addclosefrom_np(&actions.value, STDERR_FILENO + 1);
  const Attributes attributes;
  const std::vector<char*> argument_list = pointers(argv);
  const std::vector<char*> environment_list = pointers(environment);
  pid_t pid = -1;
  const int error = ::posix_spawn(&pid, program_.c_str(), &actions.value, &attributes.value,
                                  argument_list.data(), environment_list.data());
  if (error != 0) {
    throw base::SystemError("run", program_, error);
  }
  return GitProcess(pid, std::move(reader), std::move(errors), arguments.front());
}

}  // namespace agentbox::history
