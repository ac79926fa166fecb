#include "launcher/view/storage.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "launcher/view/inode.h"

namespace agentbox::view {
namespace {

// The absolute path of an open descriptor; "" if it has none.
std::string path_of(int fd) {
  char path[PATH_MAX];
  const std::string link = "/proc/self/fd/" + std::to_string(fd);
  const ssize_t length = ::readlink(link.c_str(), path, sizeof path);
  return length > 0 && length < PATH_MAX ? std::string(path, static_cast<std::size_t>(length))
                                         : std::string();
}

// Makes `path` below `base` with all its parents and opens it.
base::UniqueFd make_directories(int base, std::string_view path) {
  base::UniqueFd at = open_below(base, "", O_PATH | O_DIRECTORY);
  checked(at.get());
  while (!path.empty()) {
    const std::size_t slash = path.find('/');
    const std::string name(path.substr(0, slash));
    path.remove_prefix(slash == std::string_view::npos ? path.size() : slash + 1);
    if (::mkdirat(at.get(), name.c_str(), 0700) != 0 && errno != EEXIST) {
      fail(errno);
    }
    at = open_below(at.get(), name.c_str(), O_PATH | O_DIRECTORY);
    checked(at.get());
  }
  return at;
}

}  // namespace

std::string_view parent_of(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? std::string_view() : path.substr(0, slash);
}

std::string_view name_of(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? path : path.substr(slash + 1);
}

std::string join(std::string_view directory, std::string_view name) {
  std::string path;
  path.reserve(directory.size() + 1 + name.size());
  path += directory;
  if (!directory.empty()) {
    path += '/';
  }
  path += name;
  return path;
}

Location Storage::locate(std::string_view path, const Verdict& verdict) const {
  if (!home()) {
    return {config_.root.get(), std::string(path)};
  }
  if (verdict.place != Verdict::Place::kShared) {
    return {config_.scratch.get(), std::string(path)};
  }
  const std::lock_guard lock(mutex_);
  if (!links_.empty()) {
    for (std::string_view head = path; !head.empty(); head = parent_of(head)) {
      if (const auto found = links_.find(std::string(head)); found != links_.end()) {
        return {config_.root.get(), found->second + std::string(path.substr(head.size()))};
      }
    }
  }
  return {config_.root.get(), std::string(path)};
}

bool Storage::follow_listed_link(const std::string& path) {
  const int root = config_.root.get();
  char text[PATH_MAX];
  const base::UniqueFd link = open_below(root, path.c_str(), O_PATH);
  const ssize_t length = link ? ::readlinkat(link.get(), "", text, sizeof text) : -1;
  if (length <= 0 || length == PATH_MAX) {
    return false;
  }
  std::string target(text, static_cast<std::size_t>(length));
  const std::string home_path = path_of(root);
  if (target.starts_with('/')) {  // RESOLVE_BENEATH takes relative links only
    if (!target.starts_with(home_path + "/")) {
      return false;
    }
    target.erase(0, home_path.size() + 1);
  } else {
    target = join(parent_of(path), target);
  }
  struct open_how how = {};
  how.flags = O_PATH | O_CLOEXEC;
  // No further link: one on the way may lie in a project, where a box can place it.
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
  const base::UniqueFd end(
      static_cast<int>(::syscall(SYS_openat2, root, target.c_str(), &how, sizeof how)));
  const std::string end_path = end ? path_of(end.get()) : "";
  if (!end_path.starts_with(home_path + "/")) {
    return false;
  }
  const std::lock_guard lock(mutex_);
  links_.emplace(path, end_path.substr(home_path.size() + 1));
  return true;
}

bool Storage::is_listed_link(const std::string& path) const {
  const std::lock_guard lock(mutex_);
  return links_.contains(path);
}

base::UniqueFd Storage::open_parent(const Location& location, bool make_parents) const {
  const std::string parent(parent_of(location.path));
  base::UniqueFd directory = open_below(location.base, parent.c_str(), O_PATH | O_DIRECTORY);
  if (!directory && errno == ENOENT && make_parents) {
    return make_directories(location.base, parent);
  }
  checked(directory.get());
  return directory;
}

void Storage::make_private_directory(const std::string& path) const {
  make_directories(config_.scratch.get(), path);
}

}  // namespace agentbox::view
