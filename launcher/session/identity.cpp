#include "launcher/session/identity.h"

#include <grp.h>
#include <pwd.h>
#include <unistd.h>

#include <climits>
#include <cstdlib>

#include "base/directories.h"
#include "base/encode.h"
#include "base/error.h"

namespace agentbox::session {

namespace {

// Service accounts have a program there that only says no; agents start $SHELL for their tools.
bool is_shell(const std::string& path) {
  const std::string name = path.substr(path.rfind('/') + 1);
  return name != "nologin" && name != "false" && ::access(path.c_str(), X_OK) == 0;
}

}  // namespace

Identity current_identity() {
  Identity identity;
  identity.uid = ::geteuid();
  identity.gid = ::getegid();
  identity.name = "user";
  identity.group = "user";
  identity.shell = "/bin/sh";
  if (const passwd* entry = ::getpwuid(identity.uid); entry != nullptr) {
    identity.name = entry->pw_name;
    if (is_shell(entry->pw_shell)) {
      identity.shell = entry->pw_shell;
    }
  }
  if (const group* entry = ::getgrgid(identity.gid); entry != nullptr) {
    identity.group = entry->gr_name;
  }
  const std::string home = base::home_directory();
  char resolved[PATH_MAX];
  if (::realpath(home.c_str(), resolved) == nullptr) {
    throw base::Error(base::Status::kFailed,
                      "your home directory " + base::printable(home) + " does not exist",
                      "set HOME to a directory of yours and run the command again");
  }
  identity.home = resolved;
  return identity;
}

}  // namespace agentbox::session
