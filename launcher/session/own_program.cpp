#include "launcher/session/own_program.h"

#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include "launcher/session/paths.h"
#include "launcher/session/system.h"

namespace agentbox::session {

bool add_own_program(const policy::Policy& policy, box::Plan& plan) {
  constexpr char kSelf[] = "/proc/self/exe";
  char path[PATH_MAX];
  const ssize_t size = ::readlink(kSelf, path, sizeof path - 1);
  struct stat running = {}, there = {};
  // After an update, another program has its path, or none.
  if (size < 0 || ::stat(kSelf, &running) < 0) {
    return false;
  }
  path[size] = '\0';
  if (::lstat(path, &there) < 0 || there.st_dev != running.st_dev ||
      there.st_ino != running.st_ino || system_shows(policy, path)) {
    return false;
  }
  plan.binds.push_back({.source = path,
                        .target = join(kProgramDirectory, "agentbox"),
                        .writable = false,
                        .optional = true});
  return true;
}

}  // namespace agentbox::session
