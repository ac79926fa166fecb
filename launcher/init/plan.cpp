#include "launcher/init/plan.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>

#include "base/encode.h"
#include "base/error.h"
#include "base/file.h"

namespace agentbox::init {

namespace {

constexpr std::size_t kLargest = 1 << 20;

std::string name_of(const std::string& path) { return path.substr(path.rfind('/') + 1); }

}  // namespace

Plan::Plan(const std::string& root)
    : root_(base::open_at(AT_FDCWD, root, O_RDONLY | O_DIRECTORY)) {}

// The directory that holds `path`; none if there is none and it is not to be made.
base::UniqueFd Plan::open_parent(const std::string& path, bool make) const {
  base::UniqueFd directory = base::open_beneath(root_.get(), ".", O_RDONLY | O_DIRECTORY);
  std::size_t start = 0;
  for (std::size_t slash = path.find('/'); slash != std::string::npos;
       slash = path.find('/', start)) {
    const std::string part = path.substr(start, slash - start);
    start = slash + 1;
    if (make && ::mkdirat(directory.get(), part.c_str(), 0777) != 0 && errno != EEXIST) {
      base::check(-1, "make the directory", path.substr(0, slash));
    }
    try {
      directory = base::open_beneath(directory.get(), part, O_RDONLY | O_DIRECTORY);
    } catch (const base::SystemError& error) {
      if (!make && error.error() == ENOENT) {
        return {};
      }
      throw;
    }
  }
  return directory;
}

std::optional<std::string> Plan::read(const std::string& path) const {
  const base::UniqueFd directory = open_parent(path, false);
  if (!directory) {
    return std::nullopt;
  }
  try {
    const base::UniqueFd file =
        base::open_beneath(directory.get(), name_of(path), O_RDONLY | O_NONBLOCK);
    struct stat status = {};
    base::check(::fstat(file.get(), &status), "stat", path);
    if (!S_ISREG(status.st_mode)) {
      throw base::Error(base::Status::kConfiguration, path + " is no ordinary file");
    }
    return base::read_all(file.get(), kLargest, path);
  } catch (const base::SystemError& error) {
    if (error.error() == ENOENT) {
      return std::nullopt;
    }
    throw;
  }
}

void Plan::write() const {
  for (const File& file : files_) {
    const base::UniqueFd directory = open_parent(file.path, true);
    const std::string name = name_of(file.path);
    struct stat status = {};
    const bool is_there =
        ::fstatat(directory.get(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0;
    base::replace_file(directory.get(), name, file.text, is_there ? status.st_mode & 0777 : 0644);
  }
}

}  // namespace agentbox::init
