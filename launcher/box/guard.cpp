#include "launcher/box/guard.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/encode.h"
#include "base/error.h"

namespace agentbox::box {

namespace {

using base::Error;
using base::Status;
using base::SystemError;
using base::UniqueFd;

struct CoverOrder {
  std::uint64_t device = 0, inode = 0;
  Guard::Cover cover = Guard::Cover::kFile;
  char path[PATH_MAX] = {};  // without the leading slash
};

struct Answer {
  std::int32_t error = 0;
  Guard::Outcome outcome = Guard::Outcome::kCovered;
};

int open_in_box(int root, const char* path, std::uint64_t flags) {
  open_how how = {};
  how.flags = flags | O_PATH | O_NOFOLLOW | O_CLOEXEC;
  how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
  return static_cast<int>(::syscall(SYS_openat2, root, path, &how, sizeof how));
}

bool is_mount_point(int fd) {
  struct statx status = {};
  return ::statx(fd, "", AT_EMPTY_PATH, 0, &status) == 0 &&
         (status.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
}

bool same_file(int a, const struct stat& b) {
  struct stat status = {};
  return ::fstat(a, &status) == 0 && status.st_dev == b.st_dev && status.st_ino == b.st_ino;
}

Answer failed() { return {errno, Guard::Outcome::kGone}; }

Answer place(int root, const CoverOrder& order) {
  UniqueFd target(open_in_box(root, order.path, 0));
  if (!target) {
    // ENOTDIR, ELOOP: another kind of thing has taken the place of a directory above it; EACCES:
    // what is above it is covered.
    const bool gone = errno == ENOENT || errno == ENOTDIR || errno == ELOOP || errno == EACCES;
    return gone ? Answer{0, Guard::Outcome::kGone} : failed();
  }
  struct stat status = {};
  if (::fstat(target.get(), &status) < 0) {
    return failed();
  }
  UniqueFd source;
  if (order.cover == Guard::Cover::kReadOnly) {
    struct statvfs mount = {};
    if (::fstatvfs(target.get(), &mount) < 0) {
      return failed();
    }
    if ((mount.f_flag & ST_RDONLY) != 0) {
      return {0, Guard::Outcome::kAlready};
    }
  } else if (order.cover == Guard::Cover::kInPlace) {
    if (is_mount_point(target.get())) {
      return {0, Guard::Outcome::kAlready};
    }
  } else {
    source.reset(
        open_in_box(root, order.cover == Guard::Cover::kFile ? kHiddenFile : kHiddenDirectory, 0));
    if (!source) {
      return failed();
    }
    if (same_file(source.get(), status)) {
      return {0, Guard::Outcome::kAlready};
    }
  }
  if (status.st_dev != order.device || status.st_ino != order.inode) {
    return {0, Guard::Outcome::kGone};
  }
  const int from = source ? source.get() : target.get();
  UniqueFd tree(::open_tree(from, "",
                            AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC |
                                (source ? 0U : static_cast<unsigned>(AT_RECURSIVE))));
  if (!tree) {
    return failed();
  }
  if (order.cover == Guard::Cover::kReadOnly) {
    mount_attr attributes = {};
    attributes.attr_set = MOUNT_ATTR_RDONLY;
    if (::mount_setattr(tree.get(), "", AT_EMPTY_PATH | AT_RECURSIVE, &attributes,
                        sizeof attributes) < 0) {
      return failed();
    }
  }
  if (::move_mount(tree.get(), "", target.get(), "",
                   MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0) {
    // Removed meanwhile: a mount cannot lie on what has no name (ENOENT).
    return errno == ENOENT ? Answer{0, Guard::Outcome::kGone} : failed();
  }
  return {};
}

// setns(2) clears both; who lives in the box's user namespace must not be traced or outlive us.
int enter(int users, int mounts, pid_t supervisor) {
  if (::setns(users, CLONE_NEWUSER) < 0 || ::setns(mounts, CLONE_NEWNS) < 0 ||
      ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 || ::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0) {
    return errno;
  }
  return ::getppid() == supervisor ? 0 : ESRCH;
}

[[noreturn]] void serve(int orders, int users, int mounts, pid_t supervisor) {
  sigset_t all;
  ::sigfillset(&all);
  ::sigprocmask(SIG_SETMASK, &all, nullptr);
  ::prctl(PR_SET_NAME, "agentbox-guard", 0, 0, 0);
  // Onto the lowest numbers, and nothing else stays open.
  const int kept[] = {::fcntl(orders, F_DUPFD_CLOEXEC, 512), ::fcntl(users, F_DUPFD_CLOEXEC, 512),
                      ::fcntl(mounts, F_DUPFD_CLOEXEC, 512)};
  for (int i = 0; i < 3; ++i) {
    if (kept[i] < 0 || ::dup3(kept[i], 3 + i, O_CLOEXEC) < 0) {
      ::_exit(125);
    }
  }
  ::close_range(6, ~0U, 0);
  for (int standard = 0; standard < 3; ++standard) {
    ::close(standard);
  }
  int error = ::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0 ? errno : 0;
  UniqueFd root;
  CoverOrder order;
  for (;;) {
    const ssize_t size = ::recv(3, &order, sizeof order, 0);
    if (size != static_cast<ssize_t>(sizeof order)) {
      ::_exit(0);
    }
    // Not before: until the box is ready its root is not in place.
    if (!root && error == 0) {
      error = enter(4, 5, supervisor);
      if (error == 0) {
        root.reset(::open("/", O_PATH | O_DIRECTORY | O_CLOEXEC));
        error = root ? 0 : errno;
      }
    }
    const Answer answer =
        error != 0 ? Answer{error, Guard::Outcome::kGone} : place(root.get(), order);
    if (::send(3, &answer, sizeof answer, MSG_NOSIGNAL) < 0) {
      ::_exit(125);
    }
  }
}

}  // namespace

Guard::Guard(Handles& handles) {
  int ends[2];
  base::check(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), "create",
              "a socket pair");
  orders_.reset(ends[0]);
  const UniqueFd theirs(ends[1]);
  const pid_t supervisor = ::getpid();
  process_ = static_cast<pid_t>(base::check(::fork(), "start", "the guard"));
  if (process_ == 0) {
    serve(theirs.get(), handles.users.get(), handles.mounts.get(), supervisor);
  }
  handles.users.reset();
  handles.mounts.reset();
}

Guard::~Guard() {
  orders_.reset();
  while (::waitpid(process_, nullptr, 0) < 0 && errno == EINTR) {
  }
}

Guard::Outcome Guard::cover(const std::string& path, Cover cover, dev_t device, ino_t inode) {
  CoverOrder order;
  order.device = device;
  order.inode = inode;
  order.cover = cover;
  if (path.size() < 2 || path.front() != '/' || path.size() > sizeof order.path) {
    throw Error(Status::kFailed, "cannot cover " + base::printable(path),
                "use a project whose paths are shorter");
  }
  std::memcpy(order.path, path.data() + 1, path.size() - 1);
  Answer answer;
  if (::send(orders_.get(), &order, sizeof order, MSG_NOSIGNAL) < 0 ||
      ::recv(orders_.get(), &answer, sizeof answer, 0) != static_cast<ssize_t>(sizeof answer)) {
    throw Error(Status::kFailed, "the guard that hides files from the box is dead",
                "the kernel log may say why (dmesg): out of memory, or killed from outside");
  }
  if (answer.error == ENOSPC) {
    throw Error(Status::kFailed,
                "cannot hide " + base::printable(path) +
                    ": a box may have no more mounts (/proc/sys/fs/mount-max)",
                "as root: sysctl -w fs.mount-max=1000000; or make /dev/fuse available (agentbox "
                "doctor): the live view needs no mount for a hidden file");
  }
  if (answer.error != 0) {
    throw SystemError("hide from the box", path, answer.error);
  }
  return answer.outcome;
}

}  // namespace agentbox::box
