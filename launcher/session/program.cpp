#include "launcher/session/program.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <cstdlib>
#include <string_view>
#include <vector>

#include "base/encode.h"
#include "base/error.h"
#include "launcher/session/paths.h"

namespace agentbox::session {

namespace {

using base::Error;
using base::Status;

std::vector<std::string> split(const std::string& search_path) {
  std::vector<std::string> entries;
  for (std::size_t from = 0; from <= search_path.size();) {
    const std::size_t to = std::min(search_path.find(':', from), search_path.size());
    // A relative entry (also the empty one) would let a repository put its program first.
    if (to > from && search_path[from] == '/') {
      entries.push_back(search_path.substr(from, to - from));
    }
    from = to + 1;
  }
  return entries;
}

bool is_file(const std::string& path) {
  struct stat status = {};
  return ::stat(path.c_str(), &status) == 0 && S_ISREG(status.st_mode);
}

std::string real_path(const std::string& path) {
  char buffer[PATH_MAX];
  return ::realpath(path.c_str(), buffer) != nullptr ? buffer : path;
}

}  // namespace

std::string find_program(const std::string& name, const std::string& search_path,
                         const std::string& working_directory, const Visible& visible) {
  std::string found;
  if (name.find('/') != std::string::npos) {
    found = name.front() == '/' ? name : join(working_directory, name);
    if (!is_file(found)) {
      throw Error(Status::kNotFound, base::printable(name) + ": no such file");
    }
  } else {
    bool denied = false;
    for (const std::string& directory : split(search_path)) {
      const std::string candidate = join(directory, name);
      if (!is_file(candidate)) {
        continue;
      }
      if (::access(candidate.c_str(), X_OK) != 0) {
        denied = true;
      } else if (visible(candidate) && visible(real_path(candidate))) {
        found = candidate;
        break;
      } else if (found.empty()) {
        found = candidate;  // not shown: only if there is no other is that worth an error
      }
    }
    if (found.empty()) {
      throw Error(denied ? Status::kCannotRun : Status::kNotFound,
                  base::printable(name) + (denied ? ": found in PATH but not executable"
                                                  : ": command not found in PATH"),
                  denied ? "" : "install it, or give its path: agentbox run -- /path/to/" +
                                    base::printable(name));
    }
  }
  if (::access(found.c_str(), X_OK) != 0) {
    throw Error(Status::kCannotRun, base::printable(found) + " is not executable",
                "chmod +x it, or name the interpreter: agentbox run -- sh " + base::printable(name));
  }
  for (const std::string& path : {found, real_path(found)}) {
    if (!visible(path)) {
      throw Error(Status::kNotFound,
                  base::printable(name) + " is " + base::printable(path) +
                      ", which the box does not show",
                  "list its directory in your policy: \"home\": {\"read\": [\"…\"]} for one below "
                  "your home directory, \"system\": [\"" +
                      base::printable(parent(path)) + "\"] for any other");
    }
  }
  return found;
}

std::string visible_path(const std::string& search_path, const Visible& visible) {
  std::vector<std::string> kept;
  for (const std::string& directory : split(search_path)) {
    if (visible(directory) && std::find(kept.begin(), kept.end(), directory) == kept.end()) {
      kept.push_back(directory);
    }
  }
  std::string text;
  for (const std::string& directory : kept) {
    text += (text.empty() ? "" : ":") + directory;
  }
  return text.empty() ? "/usr/local/bin:/usr/bin:/bin" : text;
}

}  // namespace agentbox::session
