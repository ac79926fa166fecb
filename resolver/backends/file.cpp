#include "resolver/backends/file.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>

#include "base/encode.h"
#include "base/error.h"
#include "base/file.h"

namespace agentbox::resolver {

namespace {

constexpr std::size_t kLimit = 1u << 20;

Answer read_value(const std::string& path) {
  const std::string shown = base::printable(path);
  try {
    const base::UniqueFd fd =
        base::open_at(AT_FDCWD, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
    struct stat status = {};
    base::check(::fstat(fd.get(), &status), "stat", shown);
    if (!S_ISREG(status.st_mode)) {
      return Failed{Failure::kInvalidReference, shown + " is not a regular file", ""};
    }
    return Value{read_secret(fd.get(), kLimit, shown), ""};
  } catch (const base::SystemError& error) {
    switch (error.error()) {
      case ENOENT:
      case ENOTDIR:
        return Failed{Failure::kNotFound, "there is no file " + shown, ""};
      case EACCES:
      case EPERM:
        return Failed{Failure::kPermissionDenied, error.what(), "`chmod u+r` it"};
      case ELOOP:
        return Failed{Failure::kInvalidReference, shown + " is a symbolic link",
                      "name the file itself: `realpath " + shown + "`"};
      default:
        return Failed{Failure::kUnavailable, error.what(), error.hint()};
    }
  } catch (const base::Error& error) {
    return Failed{Failure::kInvalidValue, error.what(), error.hint()};
  }
}

}  // namespace

std::vector<Answer> FileBackend::resolve(const std::vector<Reference>& references,
                                         std::chrono::steady_clock::time_point /*deadline*/) {
  std::vector<Answer> answers;
  for (const Reference& reference : references) {
    std::string path;
    for (const std::string& segment : reference.path) {
      path += "/" + segment;
    }
    answers.push_back(read_value(path));
  }
  return answers;
}

}  // namespace agentbox::resolver
