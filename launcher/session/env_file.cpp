#include "launcher/session/env_file.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/random.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <memory>
#include <string_view>

#include "base/encode.h"
#include "base/error.h"
#include "base/file.h"
#include "launcher/session/paths.h"

namespace agentbox::session {

namespace {

using base::Error;
using base::Status;
using base::UniqueFd;
using resolver::Secret;

constexpr std::size_t kLimit = 1u << 20;

std::string name_of(const std::string& path) { return path.substr(path.rfind('/') + 1); }

bool same(const struct stat& a, const struct stat& b) {
  const auto at = [](const timespec& time) { return std::pair(time.tv_sec, time.tv_nsec); };
  return a.st_dev == b.st_dev && a.st_ino == b.st_ino && a.st_size == b.st_size &&
         at(a.st_mtim) == at(b.st_mtim) && at(a.st_ctim) == at(b.st_ctim);
}

void check_regular(const struct stat& status, const std::string& path) {
  if (!S_ISREG(status.st_mode)) {
    throw Error(Status::kConfiguration, base::printable(path) + " is not a regular file");
  }
  if (status.st_nlink > 1) {
    throw Error(
        Status::kConfiguration,
        base::printable(path) + " has another name (a hard link), which would keep its text",
        "find it by `find . -samefile " + base::printable(path) + "`, and remove one of them");
  }
}

void overwrite(int file, off_t size, const std::string& path) {
  const std::string zeros(static_cast<std::size_t>(std::min<off_t>(size, 1 << 16)), '\0');
  base::check(::lseek(file, 0, SEEK_SET), "seek", path);
  for (off_t left = size; left > 0; left -= static_cast<off_t>(zeros.size())) {
    base::write_all(file, std::string_view(zeros).substr(0, static_cast<std::size_t>(left)));
  }
  base::check(::fsync(file), "fsync", path);
}

// ACLs, labels and the user's own attributes (xattr(7)). A label that the kernel gives by its own
// rules and lets nobody set stays as the kernel made it.
void copy_attributes(int from, int to, const std::string& path) {
  const ssize_t length = ::flistxattr(from, nullptr, 0);
  if (length < 0 && errno == ENOTSUP) {
    return;
  }
  base::check(length < 0 ? -1 : 0, "list the attributes of", path);
  std::string names(static_cast<std::size_t>(length), '\0');
  base::check(::flistxattr(from, names.data(), names.size()) == length ? 0 : -1,
              "list the attributes of", path);
  for (std::size_t at = 0; at < names.size(); at = names.find('\0', at) + 1) {
    const char* name = names.data() + at;
    const ssize_t size = ::fgetxattr(from, name, nullptr, 0);
    base::check(size < 0 ? -1 : 0, "read an attribute of", path);
    std::string value(static_cast<std::size_t>(size), '\0');
    base::check(::fgetxattr(from, name, value.data(), value.size()) == size ? 0 : -1,
                "read an attribute of", path);
    const bool label = std::string_view(name).starts_with("security.");
    if (::fsetxattr(to, name, value.data(), value.size(), 0) != 0 && !(label && errno == EPERM)) {
      base::check(-1, "keep the attributes of", path);
    }
  }
}

// Whether it is called like a copy that nobody uses, not like another file that is in use
// (".env.production").
bool is_copy(const std::string& name, const std::string& original) {
  static constexpr std::array<std::string_view, 9> kAfter = {
      "~", ".bak", ".old", ".orig", ".save", ".backup", ".swp", ".copy", " copy"};
  if (name == "." + original + ".swp" || name == "." + original + ".swo" ||
      name == "#" + original + "#") {
    return true;
  }
  return name.starts_with(original) &&
         std::any_of(kAfter.begin(), kAfter.end(), [&](std::string_view after) {
           return std::string_view(name).substr(original.size()).starts_with(after);
         });
}

}  // namespace

EnvFile::EnvFile(const std::string& path) {
  char resolved[PATH_MAX];
  base::check(::realpath(path.c_str(), resolved) == nullptr ? -1 : 0, "open", path);
  path_ = resolved;
  directory_ = base::open_at(AT_FDCWD, parent(path_), O_RDONLY | O_DIRECTORY);
  file_ =
      base::open_at(directory_.get(), name_of(path_), O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
  base::check(::fstat(file_.get(), &status_), "stat", path_);
  check_regular(status_, path_);
  text_ = resolver::read_secret(file_.get(), kLimit, base::printable(path_));
}

void EnvFile::replace(const Secret& text) {
  const std::string name = name_of(path_);
  unsigned char random[8];
  base::check(::getrandom(random, sizeof random, 0), "getrandom");
  const std::string temporary =
      ".env.agentbox-" + base::hex({reinterpret_cast<const char*>(random), sizeof random});
  const UniqueFd fresh =
      base::open_at(directory_.get(), temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
  try {
    base::write_all(fresh.get(), text.reveal());
    struct stat made = {};
    base::check(::fstat(fresh.get(), &made), "stat", temporary);
    if (made.st_uid != status_.st_uid || made.st_gid != status_.st_gid) {
      base::check(::fchown(fresh.get(), status_.st_uid, status_.st_gid), "keep the owner of",
                  path_);
    }
    base::check(::fchmod(fresh.get(), status_.st_mode & 07777), "keep the mode of", path_);
    copy_attributes(file_.get(), fresh.get(), path_);
    base::check(::fsync(fresh.get()), "fsync", temporary);
    struct stat now = {};
    base::check(::fstatat(directory_.get(), name.c_str(), &now, AT_SYMLINK_NOFOLLOW), "stat",
                path_);
    if (!same(status_, now)) {
      throw Error(Status::kFailed,
                  base::printable(path_) + " was changed meanwhile; it was left as it is",
                  "run `agentbox import` again");
    }
    base::check(::renameat(directory_.get(), temporary.c_str(), directory_.get(), name.c_str()),
                "rename", path_);
  } catch (...) {
    ::unlinkat(directory_.get(), temporary.c_str(), 0);
    throw;
  }
  base::check(::fsync(directory_.get()), "fsync", path_);
  overwrite(file_.get(), status_.st_size, path_);
}

std::vector<std::string> EnvFile::copies(const std::vector<const Secret*>& values) const {
  constexpr std::size_t kShortest = 4;  // a shorter value stands in any file
  std::vector<std::string> found;
  const UniqueFd listed = base::open_at(directory_.get(), ".", O_RDONLY | O_DIRECTORY);
  const std::unique_ptr<DIR, int (*)(DIR*)> names(::fdopendir(::dup(listed.get())), ::closedir);
  base::check(names == nullptr ? -1 : 0, "list", parent(path_));
  while (const dirent* entry = ::readdir(names.get())) {
    const std::string name = entry->d_name;
    struct stat status = {};
    if (!is_copy(name, name_of(path_)) ||
        ::fstatat(directory_.get(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0 ||
        !S_ISREG(status.st_mode) || status.st_size > static_cast<off_t>(kLimit)) {
      continue;
    }
    const UniqueFd file =
        base::open_at(directory_.get(), name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
    const Secret text = resolver::read_secret(file.get(), kLimit, base::printable(name));
    if (std::any_of(values.begin(), values.end(), [&](const Secret* value) {
          return value->size() >= kShortest &&
                 text.reveal().find(value->reveal()) != std::string_view::npos;
        })) {
      found.push_back(join(parent(path_), name));
    }
  }
  std::sort(found.begin(), found.end());
  return found;
}

void shred(const std::string& path) {
  const UniqueFd file =
      base::open_at(AT_FDCWD, path, O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
  struct stat status = {};
  base::check(::fstat(file.get(), &status), "stat", path);
  check_regular(status, path);
  overwrite(file.get(), status.st_size, path);
  base::check(::unlink(path.c_str()), "remove", path);
}

}  // namespace agentbox::session
