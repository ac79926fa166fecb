#include "tests/integration/view/mounted_view.h"

#include <fcntl.h>
#include <ftw.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstring>
#include <stdexcept>
#include <thread>

#include "base/error.h"
#include "base/file.h"
#include "policy/floor.h"

namespace agentbox::view {
namespace {

using base::check;

void send_all(int fd, const void* data, std::size_t size) {
  base::write_all(fd, {static_cast<const char*>(data), size});
}

bool receive_all(int fd, void* data, std::size_t size) {
  auto* at = static_cast<char*>(data);
  while (size > 0) {
    const ssize_t part = ::read(fd, at, size);
    if (part <= 0) {
      return false;
    }
    at += part;
    size -= static_cast<std::size_t>(part);
  }
  return true;
}

void send_text(int fd, const std::string& text) {
  const std::uint64_t size = text.size();
  send_all(fd, &size, sizeof size);
  send_all(fd, text.data(), text.size());
}

bool receive_text(int fd, std::string* text) {
  std::uint64_t size;
  if (!receive_all(fd, &size, sizeof size)) {
    return false;
  }
  text->resize(size);
  return receive_all(fd, text->data(), size);
}

void send_descriptor(int channel, int fd) {
  char byte = 0;
  iovec part = {&byte, 1};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof fd)] = {};
  msghdr message = {};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof fd);
  std::memcpy(CMSG_DATA(header), &fd, sizeof fd);
  check(::sendmsg(channel, &message, 0), "send", "a descriptor");
}

base::UniqueFd receive_descriptor(int channel) {
  char byte;
  iovec part = {&byte, 1};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr message = {};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  check(::recvmsg(channel, &message, MSG_CMSG_CLOEXEC), "receive", "a descriptor");
  const cmsghdr* header = CMSG_FIRSTHDR(&message);
  if (header == nullptr) {
    throw std::runtime_error("the box could not mount its view");
  }
  int fd;
  std::memcpy(&fd, CMSG_DATA(header), sizeof fd);
  return base::UniqueFd(fd);
}

// Forks a bash, with stdout and stderr in one pipe, and waits for it.
Result run_here(const std::string& directory, const std::string& script, bool confined) {
  int ends[2];
  check(::pipe2(ends, O_CLOEXEC), "make", "a pipe");
  base::UniqueFd output(ends[0]);
  base::UniqueFd input(ends[1]);
  const pid_t child = ::fork();
  if (child == 0) {
    ::dup2(input.get(), 1);
    ::dup2(input.get(), 2);
    const int null = ::open("/dev/null", O_RDONLY);
    ::dup2(null, 0);
    if (confined) {
      for (int capability = 0; ::prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) == 0; ++capability) {
      }
      ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    }
    ::umask(022);
    if (::chdir(directory.c_str()) != 0) {
      ::_exit(99);
    }
    ::execl("/bin/bash", "bash", "-c", script.c_str(), nullptr);
    ::_exit(98);
  }
  check(child, "fork");
  input.reset();
  Result result;
  result.output = base::read_all(output.get(), 64 << 20, "output");
  int status;
  check(::waitpid(child, &status, 0), "wait");
  result.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return result;
}

void write_file(const char* path, const std::string& text) {
  const base::UniqueFd file(::open(path, O_WRONLY | O_CLOEXEC));
  check(file.get(), "open", path);
  base::write_all(file.get(), text);
}

// Becomes a box: mounts the view and runs what comes over the channel.
[[noreturn]] void be_box(int channel, const std::string& mount_point) {
  try {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    const auto uid = std::to_string(::getuid());
    const auto gid = std::to_string(::getgid());
    check(::unshare(CLONE_NEWUSER | CLONE_NEWNS), "unshare");
    write_file("/proc/self/setgroups", "deny");
    write_file("/proc/self/uid_map", uid + " " + uid + " 1");
    write_file("/proc/self/gid_map", gid + " " + gid + " 1");
    check(::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr), "make private", "/");
    const base::UniqueFd device(::open("/dev/fuse", O_RDWR | O_CLOEXEC));
    check(device.get(), "open", "/dev/fuse");
    const std::string options = "fd=" + std::to_string(device.get()) +
                                ",rootmode=40755,user_id=" + uid + ",group_id=" + gid +
                                ",default_permissions";
    check(::mount("agentbox", mount_point.c_str(), "fuse.agentbox", MS_NOSUID | MS_NODEV,
                  options.c_str()),
          "mount", mount_point);
    send_descriptor(channel, device.get());
  } catch (const base::Error& error) {
    std::fprintf(stderr, "box: %s\n", error.what());
    ::_exit(1);
  }
  std::string script;
  while (receive_text(channel, &script)) {
    const Result result = run_here(mount_point, script, true);
    send_all(channel, &result.status, sizeof result.status);
    send_text(channel, result.output);
  }
  ::_exit(0);
}

int remove_one(const char* path, const struct stat* stat, int, struct FTW*) {
  if (S_ISDIR(stat->st_mode)) {
    return ::rmdir(path);
  }
  return ::unlink(path);
}

}  // namespace

TemporaryDirectory::TemporaryDirectory(const std::string& parent) {
  const char* base = ::getenv("TMPDIR");
  path_ = (parent.empty() ? std::string(base != nullptr ? base : "/tmp") : parent) + "/view.XXXXXX";
  if (::mkdtemp(path_.data()) == nullptr) {
    throw std::runtime_error("mkdtemp failed: " + path_);
  }
}

TemporaryDirectory::~TemporaryDirectory() {
  run_here("/", "chmod -R u+rwX '" + path_ + "' 2>/dev/null", false);
  ::nftw(path_.c_str(), remove_one, 32, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}

Result run_outside(const std::string& directory, const std::string& script) {
  return run_here(directory, script, false);
}

Options::Options() : policy(policy::floor_policy()) {}

MountedView::MountedView(Options options)
    : real_(options.real.empty() ? real_directory_.path() : options.real),
      scratch_(options.scratch.empty() ? scratch_directory_.path() : options.scratch),
      policy_(options.policy),
      files_(policy_),
      home_(policy_),
      contents_(policy_) {
  int ends[2];
  check(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), "make", "a socket pair");
  channel_.reset(ends[0]);
  base::UniqueFd box_end(ends[1]);
  box_ = ::fork();
  if (box_ == 0) {
    channel_.reset();
    be_box(box_end.get(), mount_point_.path());
  }
  check(box_, "fork");
  box_end.reset();
  Config config;
  config.root = base::open_at(AT_FDCWD, real_, O_PATH | O_DIRECTORY);
  config.files = options.with_files ? &files_ : nullptr;
  if (options.with_home) {
    config.home = &home_;
    config.scratch = base::open_at(AT_FDCWD, scratch_, O_PATH | O_DIRECTORY);
  }
  if (options.with_worktrees) {
    config.worktrees = {.git_directory = mount_point_.path() + "/.git",
                        .project = mount_point_.path()};
  }
  config.synthetic = options.synthetic;
  config.hidden_elsewhere = options.hidden_elsewhere;
  config.secrets = options.secrets;
  config.released = options.released;
  config.contents = &contents_;
  config.descriptors = options.descriptors;
  config.watches = options.watches;
  config.hidden_changed = [this](const std::string& path) {
    const std::lock_guard lock(mutex_);
    hidden_changed_.push_back(path);
  };
  config.unwatched = [this] {
    const std::lock_guard lock(mutex_);
    ++unwatched_;
  };
  config.touched = [this, first = options.touched](const Touch& touch) {
    if (first) {
      first(touch);
    }
    const std::lock_guard lock(mutex_);
    touches_.push_back(touch);
  };
  view_ = std::make_unique<View>(receive_descriptor(channel_.get()), std::move(config));
}

MountedView::~MountedView() {
  view_.reset();
  kill_box();
}

void MountedView::kill_box() {
  if (box_ > 0) {
    ::kill(box_, SIGKILL);
    ::waitpid(box_, nullptr, 0);
    box_ = -1;
  }
}

Result MountedView::run(const std::string& script) {
  send_text(channel_.get(), script);
  Result result;
  if (!receive_all(channel_.get(), &result.status, sizeof result.status) ||
      !receive_text(channel_.get(), &result.output)) {
    throw std::runtime_error("the box is gone");
  }
  return result;
}

std::vector<std::string> MountedView::touched(Touch::Kind kind) {
  const std::lock_guard lock(mutex_);
  std::vector<std::string> paths;
  for (const Touch& touch : touches_) {
    if (touch.kind == kind) {
      paths.push_back(touch.path);
    }
  }
  return paths;
}

std::vector<std::string> MountedView::hidden_changed() {
  const std::lock_guard lock(mutex_);
  return hidden_changed_;
}

int MountedView::unwatched() {
  const std::lock_guard lock(mutex_);
  return unwatched_;
}

void outlive_caches() { std::this_thread::sleep_for(std::chrono::milliseconds(1100)); }

}  // namespace agentbox::view
