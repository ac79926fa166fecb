// A real file's attributes and identity, as statx(2) gives them.
#pragma once

#include <sys/stat.h>

#include <cstddef>
#include <cstdint>
#include <functional>

#include "base/unique_fd.h"

namespace agentbox::view {

// Ends the request that is being served with an errno. Thrown inside the room only.
struct Failure {
  int error;
};
[[noreturn]] void fail(int error);
// Returns `result` if it is not negative, else fails with errno.
long checked(long result);

// What names a file while it lives. File systems use a number again once its file is gone, so the
// birth time goes with it (Inode::born).
struct Identity {
  std::uint64_t device = 0, number = 0;
  bool operator==(const Identity&) const = default;
};
struct IdentityHash {
  std::size_t operator()(const Identity& identity) const {
    return std::hash<std::uint64_t>()(identity.number * 0x9E3779B97F4A7C15u ^ identity.device);
  }
};

struct Inode {
  struct stat stat = {};
  Identity identity;
  std::int64_t born =
      0;  // nanoseconds since the epoch; 0 where the file system keeps no birth time

  bool directory() const { return S_ISDIR(stat.st_mode); }
  bool regular() const { return S_ISREG(stat.st_mode); }
};

// Nanoseconds since the epoch.
std::int64_t nanoseconds(const struct timespec& time);

// Of an open descriptor (O_PATH too). Fails with errno.
Inode inode_of(int fd);
// Of a name in a directory, links not followed. Returns 0 or an errno: a missing name is the most
// common answer of all, and an exception for each would be felt.
int inode_at(int directory, const char* name, Inode* inode);

// openat2(2) with RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS; `path` may be ""
// for the directory itself. A last component that is a symbolic link opens with O_PATH only. Never
// blocks on a FIFO. Returns an empty UniqueFd and sets errno if that fails.
base::UniqueFd open_below(int directory, const char* path, int flags);

// pread(2) until `size` bytes or the file's end; returns the length. Fails with errno.
std::size_t read_at(int fd, char* buffer, std::size_t size, off_t offset);

// Opens again what an O_PATH descriptor refers to, through the supervisor's own /proc/self/fd.
base::UniqueFd reopen(int fd, int flags);

}  // namespace agentbox::view
