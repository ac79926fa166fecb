#include "launcher/session/commands.h"

#include <limits.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstdlib>
#include <memory>

#include "base/encode.h"
#include "base/error.h"
#include "launcher/session/paths.h"
#include "launcher/session/program.h"
#include "launcher/session/system.h"
#include "launcher/session/worktree.h"
#include "policy/file_rules.h"

namespace agentbox::session {

namespace {

using base::Error;
using base::Status;

std::string real_path(const std::string& path) {
  char buffer[PATH_MAX];
  return ::realpath(path.c_str(), buffer) != nullptr ? buffer : std::string();
}

std::string search_path() {
  const char* path = std::getenv("PATH");
  return path == nullptr ? "" : path;
}

// What all boxes see and none can write.
Visible trusted(const policy::Policy& policy, const Identity& identity, const Project& project) {
  return [&policy, home = std::make_shared<policy::HomeRules>(policy), user = identity.home,
          root = project.root, git = common_git_directory(project.root)](const std::string& path) {
    const auto is_trusted = [&](const std::string& one) {
      if (one.empty() || is_below(one, root) || (!git.empty() && is_below(one, git))) {
        return false;
      }
      if (is_below(one, user)) {
        return home->judge(relative_to(one, user)) == policy::HomeAccess::kRead;
      }
      return system_shows(policy, one);
    };
    return is_trusted(path) && is_trusted(real_path(path));
  };
}

}  // namespace

HeldPrograms find_commands(const policy::Policy& policy, const Identity& identity,
                           const Project& project) {
  HeldPrograms found;
  const Visible visible = trusted(policy, identity, project);
  for (const auto& [name, command] : policy.commands) {
    const std::string what = command.place.text() + ": command \"" + base::printable(name) + "\": ";
    if (name == "agentbox") {
      throw Error(Status::kConfiguration, what + "this name is taken",
                  "boxes start others with `agentbox spawn`; see \"spawn\"");
    }
    HeldProgram held;
    held.name = name;
    try {
      held.path = real_path(find_program(name, search_path(), "/", visible));
    } catch (const Error& error) {
      throw Error(
          Status::kConfiguration, what + error.what(),
          "install it where boxes see it and none can write (/usr, or a directory of "
          "\"system\" or \"home.read\" that is in your PATH), or take the command out of the "
          "policy");
    }
    struct stat status = {};
    base::check(::stat(held.path.c_str(), &status), "look at", held.path);
    held.device = status.st_dev;
    held.inode = status.st_ino;
    held.changed = status.st_ctim;
    found.emplace(name, std::move(held));
  }
  return found;
}

void require_unchanged(const HeldProgram& program) {
  struct stat status = {};
  if (::lstat(program.path.c_str(), &status) == 0 && status.st_dev == program.device &&
      status.st_ino == program.inode && status.st_ctim.tv_sec == program.changed.tv_sec &&
      status.st_ctim.tv_nsec == program.changed.tv_nsec && S_ISREG(status.st_mode)) {
    return;
  }
  throw Error(Status::kCannotRun,
              base::printable(program.name) +
                  " is no longer the program that it was when the session started",
              "if it was updated, start the session again");
}

std::string trusted_path(const policy::Policy& policy, const Identity& identity,
                         const Project& project) {
  return visible_path(search_path(), trusted(policy, identity, project));
}

}  // namespace agentbox::session
