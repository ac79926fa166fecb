#include "base/directories.h"

#include <pwd.h>
#include <unistd.h>

#include <cstdlib>

#include "base/error.h"

namespace agentbox::base {

namespace {

std::string xdg(const char* variable, const char* fallback) {
  const char* value = std::getenv(variable);
  const std::string root =
      value != nullptr && value[0] == '/' ? value : home_directory() + "/" + fallback;
  return root + "/agentbox";
}

}  // namespace

std::string home_directory() {
  std::string home;
  if (const char* value = std::getenv("HOME"); value != nullptr && value[0] == '/') {
    home = value;
  } else if (const passwd* entry = ::getpwuid(::geteuid()); entry != nullptr) {
    home = entry->pw_dir;
  } else {
    throw Error(Status::kFailed, "your home directory is unknown",
                "set HOME to an absolute path and run the command again");
  }
  while (home.size() > 1 && home.back() == '/') {
    home.pop_back();
  }
  return home;
}

std::string config_directory() { return xdg("XDG_CONFIG_HOME", ".config"); }

std::string state_directory() { return xdg("XDG_STATE_HOME", ".local/state"); }

}  // namespace agentbox::base
