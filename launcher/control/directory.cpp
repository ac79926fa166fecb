#include "launcher/control/directory.h"

#include <sys/stat.h>
#include <unistd.h>

#include "base/directories.h"
#include "base/encode.h"
#include "base/error.h"
#include "base/file.h"

namespace agentbox::control {

std::string run_directory() { return base::state_directory() + "/run"; }

base::UniqueFd open_run_directory(const std::string& path) {
  base::UniqueFd directory = base::open_private_directory(path);
  struct stat status = {};
  base::check(::fstat(directory.get(), &status), "stat", path);
  if (status.st_uid != ::geteuid() || (status.st_mode & 0077) != 0) {
    throw base::Error(base::Status::kFailed, base::printable(path) + " is open to other users",
                      "chmod 700 " + base::printable(path));
  }
  return directory;
}

std::string socket_path(int directory, const std::string& name) {
  return "/proc/self/fd/" + std::to_string(directory) + '/' + name;
}

}  // namespace agentbox::control
