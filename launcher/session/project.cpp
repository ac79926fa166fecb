#include "launcher/session/project.h"

#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <climits>
#include <cstdlib>
#include <string_view>

#include "base/directories.h"
#include "base/encode.h"
#include "base/error.h"
#include "launcher/session/paths.h"

namespace agentbox::session {

namespace {

using base::Error;
using base::Status;

constexpr std::array<const char*, 2> kPolicyFiles = {"agentbox.json", ".agentbox/policy.json"};

// The policy file of exactly this directory, or "".
std::string policy_in(const std::string& directory) {
  for (const char* name : kPolicyFiles) {
    const std::string path = join(directory, name);
    struct stat status = {};
    if (::stat(path.c_str(), &status) != 0) {
      continue;
    }
    if (status.st_uid != ::geteuid() && status.st_uid != 0) {
      throw Error(Status::kDenied,
                  base::printable(path) + " belongs to another user (uid " +
                      std::to_string(status.st_uid) + "), so its rules are not taken",
                  "take the file over (chown), or name a policy of your own with --policy FILE");
    }
    return path;
  }
  return {};
}

// Whether it is there and the user's or root's: somebody else's /tmp/.git must not make all of /tmp
// the project.
bool is_own(const std::string& path) {
  struct stat status = {};
  return ::lstat(path.c_str(), &status) == 0 &&
         (status.st_uid == ::geteuid() || status.st_uid == 0);
}

// Also of a path whose end is not there yet.
std::string real_path(const std::string& path) {
  char buffer[PATH_MAX];
  if (path == "/" || ::realpath(path.c_str(), buffer) != nullptr) {
    return path == "/" ? path : buffer;
  }
  return join(real_path(parent(path)), path.substr(path.rfind('/') + 1));
}

// What agentbox itself keeps (consent, the log, the store, the user's policy) must not be in a
// box's hands, nor may a box live in what is another box's home.
void refuse_own_directories(const std::string& root) {
  for (const std::string& own : {base::config_directory(), base::state_directory()}) {
    const std::string path = real_path(own);
    if (is_below(path, root) || is_below(root, path)) {
      throw Error(Status::kDenied,
                  base::printable(root) + " holds what agentbox keeps for you in " +
                      base::printable(path) + ", so it cannot be a project",
                  "work in a directory below it, or keep this repository elsewhere and link to it");
    }
  }
}

}  // namespace

std::string current_directory() {
  char buffer[PATH_MAX];
  // A directory that is gone or out of reach reads "(unreachable)/…" on Linux (getcwd(3)).
  if (::getcwd(buffer, sizeof buffer) == nullptr || buffer[0] != '/') {
    throw Error(Status::kFailed, "the working directory does not exist any more",
                "change to a directory that exists and run the command again");
  }
  return buffer;
}

Project find_project(const std::string& working_directory, const std::string& home) {
  Project project;
  project.working_directory = working_directory;
  std::string repository;
  for (std::string directory = working_directory;;) {
    if (directory == home || directory == "/") {
      break;
    }
    project.policy_file = policy_in(directory);
    if (!project.policy_file.empty()) {
      project.root = directory;
      break;
    }
    if (repository.empty() && is_own(join(directory, ".git"))) {
      repository = directory;
    }
    directory = parent(directory);
  }
  if (project.root.empty()) {
    project.root = repository.empty() ? working_directory : repository;
  }
  if (is_below(home, project.root)) {
    throw Error(Status::kDenied,
                base::printable(project.root) +
                    " holds your home directory: as a project it would put all of it in the box",
                "change to a project's directory (mkdir one if need be) and run the command again");
  }
  refuse_own_directories(project.root);
  return project;
}

}  // namespace agentbox::session
