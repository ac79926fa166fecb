#include "launcher/view/inode.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cerrno>
#include <string>

namespace agentbox::view {
namespace {

constexpr unsigned kMask = STATX_BASIC_STATS | STATX_BTIME;

struct timespec time_of(const struct statx_timestamp& time) {
  return {.tv_sec = time.tv_sec, .tv_nsec = time.tv_nsec};
}

Inode inode_from(const struct statx& from) {
  Inode inode;
  inode.stat.st_dev = makedev(from.stx_dev_major, from.stx_dev_minor);
  inode.stat.st_ino = from.stx_ino;
  inode.stat.st_mode = from.stx_mode;
  inode.stat.st_nlink = from.stx_nlink;
  inode.stat.st_uid = from.stx_uid;
  inode.stat.st_gid = from.stx_gid;
  inode.stat.st_rdev = makedev(from.stx_rdev_major, from.stx_rdev_minor);
  inode.stat.st_size = static_cast<off_t>(from.stx_size);
  inode.stat.st_blksize = static_cast<blksize_t>(from.stx_blksize);
  inode.stat.st_blocks = static_cast<blkcnt_t>(from.stx_blocks);
  inode.stat.st_atim = time_of(from.stx_atime);
  inode.stat.st_mtim = time_of(from.stx_mtime);
  inode.stat.st_ctim = time_of(from.stx_ctime);
  inode.identity = {inode.stat.st_dev, from.stx_ino};
  if ((from.stx_mask & STATX_BTIME) != 0) {
    inode.born = nanoseconds(time_of(from.stx_btime));
  }
  return inode;
}

}  // namespace

void fail(int error) { throw Failure{error}; }

long checked(long result) {
  if (result < 0) {
    fail(errno);
  }
  return result;
}

std::int64_t nanoseconds(const struct timespec& time) {
  return static_cast<std::int64_t>(time.tv_sec) * 1'000'000'000 + time.tv_nsec;
}

Inode inode_of(int fd) {
  struct statx result;
  checked(::statx(fd, "", AT_EMPTY_PATH, kMask, &result));
  return inode_from(result);
}

int inode_at(int directory, const char* name, Inode* inode) {
  struct statx result;
  if (::statx(directory, name, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT, kMask, &result) != 0) {
    return errno;
  }
  *inode = inode_from(result);
  return 0;
}

base::UniqueFd open_below(int directory, const char* path, int flags) {
  struct open_how how = {};
  how.flags = static_cast<std::uint64_t>(flags) | O_CLOEXEC | O_NOFOLLOW;
  if ((flags & O_PATH) == 0) {
    how.flags |= O_NONBLOCK | O_NOCTTY;
  }
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
  long fd;
  do {  // EAGAIN: a rename elsewhere raced with the walk (openat2(2))
    fd = ::syscall(SYS_openat2, directory, *path == '\0' ? "." : path, &how, sizeof how);
  } while (fd < 0 && (errno == EINTR || errno == EAGAIN));
  return base::UniqueFd(static_cast<int>(fd));
}

std::size_t read_at(int fd, char* buffer, std::size_t size, off_t offset) {
  std::size_t length = 0;
  while (length < size) {
    const ssize_t part =
        ::pread(fd, buffer + length, size - length, offset + static_cast<off_t>(length));
    if (part < 0 && errno == EINTR) {
      continue;
    }
    if (checked(part) == 0) {
      break;
    }
    length += static_cast<std::size_t>(part);
  }
  return length;
}

base::UniqueFd reopen(int fd, int flags) {
  const std::string path = "/proc/self/fd/" + std::to_string(fd);
  return base::UniqueFd(::open(path.c_str(), flags | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
}

}  // namespace agentbox::view
