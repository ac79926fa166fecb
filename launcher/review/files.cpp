#include "launcher/review/files.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>

#include "base/encode.h"
#include "base/error.h"
#include "base/file.h"

namespace agentbox::review {
namespace {

using base::check;
using base::UniqueFd;

constexpr std::size_t kPiece = 1 << 16;

UniqueFd open_file(int directory, const std::string& name) {
  // O_NONBLOCK: what was a file may be a FIFO by now.
  UniqueFd fd = open_below(directory, name, O_RDONLY | O_NONBLOCK | O_NOCTTY);
  check(fd.get(), "open", base::printable(name));
  return fd;
}

std::size_t read_piece(int fd, char* buffer, const std::string& name) {
  std::size_t length = 0;
  while (length < kPiece) {
    const ssize_t part = ::read(fd, buffer + length, kPiece - length);
    if (part < 0 && errno == EINTR) {
      continue;
    }
    if (check(part, "read", base::printable(name)) == 0) {
      break;
    }
    length += static_cast<std::size_t>(part);
  }
  return length;
}

}  // namespace

UniqueFd open_absolute(const std::string& path, int flags) {
  return base::open_beneath(base::open_at(AT_FDCWD, "/", O_PATH | O_DIRECTORY).get(), "." + path,
                            flags);
}

UniqueFd open_below(int directory, const std::string& path, int flags) {
  open_how how = {};
  how.flags = static_cast<std::uint64_t>(flags) | O_CLOEXEC | O_NOFOLLOW;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
  long fd = -1;
  do {
    fd = ::syscall(SYS_openat2, directory, path.empty() ? "." : path.c_str(), &how, sizeof how);
  } while (fd < 0 && (errno == EINTR || errno == EAGAIN));
  return UniqueFd(static_cast<int>(fd));
}

std::vector<std::string> names_in(int directory) {
  UniqueFd fd = base::open_at(directory, ".", O_RDONLY | O_DIRECTORY);
  const std::unique_ptr<DIR, int (*)(DIR*)> stream(::fdopendir(fd.get()), ::closedir);
  check(stream ? 0 : -1, "list", "a directory");
  (void)fd.release();  // the stream's now
  std::vector<std::string> names;
  errno = 0;
  while (const dirent* entry = ::readdir(stream.get())) {
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") {
      names.emplace_back(name);
    }
    errno = 0;
  }
  check(errno == 0 ? 0 : -1, "list", "a directory");
  std::sort(names.begin(), names.end());
  return names;
}

std::optional<struct stat> status_of(int directory, const std::string& name) {
  struct stat status = {};
  if (::fstatat(directory, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0) {
    return status;
  }
  check(errno == ENOENT || errno == ENOTDIR ? 0 : -1, "stat", base::printable(name));
  return std::nullopt;
}

std::int64_t nanoseconds(const struct timespec& time) {
  return static_cast<std::int64_t>(time.tv_sec) * 1'000'000'000 + time.tv_nsec;
}

std::string link_text(int directory, const std::string& name) {
  std::string text(PATH_MAX, '\0');
  text.resize(static_cast<std::size_t>(
      check(::readlinkat(directory, name.c_str(), text.data(), text.size()), "read link",
            base::printable(name))));
  return text;
}

std::string bytes_of(int directory, const std::string& name, std::size_t limit) {
  return base::read_all(open_file(directory, name).get(), limit, base::printable(name));
}

bool same_bytes(int first_directory, const std::string& first, int second_directory,
                const std::string& second) {
  const UniqueFd a = open_file(first_directory, first);
  const UniqueFd b = open_file(second_directory, second);
  const auto buffer = std::make_unique<char[]>(2 * kPiece);
  for (;;) {
    const std::size_t length = read_piece(a.get(), buffer.get(), first);
    if (length != read_piece(b.get(), buffer.get() + kPiece, second) ||
        std::memcmp(buffer.get(), buffer.get() + kPiece, length) != 0) {
      return false;
    }
    if (length == 0) {
      return true;
    }
  }
}

void copy(int from_directory, const std::string& from, int to_directory, const std::string& to) {
  struct stat status = {};
  check(::fstatat(from_directory, from.c_str(), &status, AT_SYMLINK_NOFOLLOW), "stat",
        base::printable(from));
  const struct timespec times[] = {status.st_atim, status.st_mtim};
  if (S_ISLNK(status.st_mode)) {
    const std::string text = link_text(from_directory, from);
    check(::symlinkat(text.c_str(), to_directory, to.c_str()), "make link", base::printable(to));
  } else {
    const UniqueFd in = open_file(from_directory, from);
    // The permissions come last: with them the file might not be writable.
    const UniqueFd out =
        base::open_at(to_directory, to, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
    const auto buffer = std::make_unique<char[]>(kPiece);
    while (const std::size_t length = read_piece(in.get(), buffer.get(), from)) {
      base::write_all(out.get(), {buffer.get(), length});
    }
    check(::fchmod(out.get(), status.st_mode & 0777), "change permissions of", base::printable(to));
  }
  if (::geteuid() == 0) {
    check(::fchownat(to_directory, to.c_str(), status.st_uid, status.st_gid, AT_SYMLINK_NOFOLLOW),
          "change owner of", base::printable(to));
  }
  check(::utimensat(to_directory, to.c_str(), times, AT_SYMLINK_NOFOLLOW), "set time of",
        base::printable(to));
}

void remove_tree(int directory, const std::string& name) {
  const std::optional<struct stat> status = status_of(directory, name);
  if (!status) {
    return;
  }
  if (!S_ISDIR(status->st_mode)) {
    check(::unlinkat(directory, name.c_str(), 0), "remove", base::printable(name));
    return;
  }
  if ((status->st_mode & 0700) != 0700) {
    // overlayfs makes its "work" directory without any permission.
    check(::fchmodat(directory, name.c_str(), 0700, 0), "change permissions of",
          base::printable(name));
  }
  {
    const UniqueFd below = open_below(directory, name, O_RDONLY | O_DIRECTORY);
    check(below.get(), "open", base::printable(name));
    for (const std::string& entry : names_in(below.get())) {
      remove_tree(below.get(), entry);
    }
  }
  check(::unlinkat(directory, name.c_str(), AT_REMOVEDIR), "remove", base::printable(name));
}

}  // namespace agentbox::review
