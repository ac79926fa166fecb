#include "base/file.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "base/encode.h"
#include "base/error.h"

namespace agentbox::base {

UniqueFd open_at(int directory, const std::string& path, int flags, mode_t mode) {
  for (;;) {
    UniqueFd fd(::openat(directory, path.c_str(), flags | O_CLOEXEC, mode));
    if (fd || errno != EINTR) {
      check(fd.get(), "open", path);
      return fd;
    }
  }
}

UniqueFd open_beneath(int directory, const std::string& path, int flags, mode_t mode) {
  struct open_how how = {};
  how.flags = static_cast<__u64>(flags | O_CLOEXEC);
  how.mode = mode;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
  for (;;) {
    UniqueFd fd(static_cast<int>(
        ::syscall(SYS_openat2, directory, path.c_str(), &how, sizeof how)));
    // EAGAIN: a rename raced with RESOLVE_BENEATH (openat2(2)).
    if (fd || (errno != EINTR && errno != EAGAIN)) {
      check(fd.get(), "open", path);
      return fd;
    }
  }
}

std::string read_all(int fd, std::size_t limit, std::string_view name) {
  std::string data;
  char buffer[16384];
  for (;;) {
    const ssize_t n = ::read(fd, buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) {
      continue;
    }
    check(n, "read", name);
    if (n == 0) {
      return data;
    }
    if (data.size() + static_cast<std::size_t>(n) > limit) {
      throw Error(Status::kConfiguration, std::string(name) + " is larger than " +
                                              std::to_string(limit) + " bytes");
    }
    data.append(buffer, static_cast<std::size_t>(n));
  }
}

std::string read_file(const std::string& path, std::size_t limit) {
  return read_all(open_at(AT_FDCWD, path, O_RDONLY).get(), limit, path);
}

void write_all(int fd, std::string_view data) {
  while (!data.empty()) {
    const ssize_t n = ::write(fd, data.data(), data.size());
    if (n < 0 && errno == EINTR) {
      continue;
    }
    check(n, "write");
    data.remove_prefix(static_cast<std::size_t>(n));
  }
}

void replace_file(int directory, const std::string& name, std::string_view data, mode_t mode) {
  unsigned char random[8];
  check(::getrandom(random, sizeof random, 0), "getrandom");
  const std::string temporary =
      "." + name + "." + hex({reinterpret_cast<const char*>(random), sizeof random});
  UniqueFd fd = open_at(directory, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, mode);
  try {
    write_all(fd.get(), data);
    check(::fsync(fd.get()), "fsync", temporary);
    check(::renameat(directory, temporary.c_str(), directory, name.c_str()), "rename", name);
    check(::fsync(directory), "fsync", name);
  } catch (...) {
    ::unlinkat(directory, temporary.c_str(), 0);
    throw;
  }
}

UniqueFd open_private_directory(const std::string& path) {
  for (std::size_t slash = path.find('/', 1); slash != std::string::npos;
       slash = path.find('/', slash + 1)) {
    const std::string parent = path.substr(0, slash);
    if (::mkdir(parent.c_str(), 0700) < 0 && errno != EEXIST) {
      check(-1, "create directory", parent);
    }
  }
  if (::mkdir(path.c_str(), 0700) < 0 && errno != EEXIST) {
    check(-1, "create directory", path);
  }
  UniqueFd fd = open_at(AT_FDCWD, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  struct stat status = {};
  check(::fstat(fd.get(), &status), "stat", path);
  if (status.st_uid != ::geteuid()) {
    throw Error(Status::kFailed, path + " belongs to another user (uid " +
                                     std::to_string(status.st_uid) + ")");
  }
  return fd;
}

}  // namespace agentbox::base
