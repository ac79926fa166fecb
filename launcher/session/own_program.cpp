#include "launcher/session/own_program.h"

#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "launcher/session/paths.h"
#include "launcher/session/system.h"

namespace agentbox::session {

namespace {

// Empty after an update, when another program has its path, or none.
std::string own_path() {
  constexpr char kSelf[] = "/proc/self/exe";
  char path[PATH_MAX];
  const ssize_t size = ::readlink(kSelf, path, sizeof path - 1);
  struct stat running = {}, there = {};
  if (size < 0 || ::stat(kSelf, &running) < 0) {
    return {};
  }
  path[size] = '\0';
  const bool same = ::lstat(path, &there) == 0 && there.st_dev == running.st_dev &&
                    there.st_ino == running.st_ino;
  return same ? path : std::string();
}

void bind_own(const std::string& path, const std::string& target, box::Plan& plan) {
  plan.binds.push_back({.source = path, .target = target, .writable = false, .optional = true});
}

}  // namespace

bool add_own_program(const policy::Policy& policy, box::Plan& plan) {
  const std::string path = own_path();
  if (path.empty() || system_shows(policy, path)) {
    return false;
  }
  bind_own(path, join(kProgramDirectory, "agentbox"), plan);
  return true;
}

void add_shims(const policy::Policy& policy, const HeldPrograms& commands, box::Plan& plan) {
  const std::string path = own_path();
  if (path.empty() && !commands.empty()) {
    throw base::Error(base::Status::kFailed, "agentbox was replaced while it ran",
                      "start the session again");
  }
  for (const auto& [name, program] : commands) {
    bind_own(path, join(kProgramDirectory, name), plan);
    if (system_shows(policy, program.path) && program.path.ends_with("/" + name)) {
      bind_own(path, program.path, plan);
    }
  }
}

}  // namespace agentbox::session
