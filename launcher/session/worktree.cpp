#include "launcher/session/worktree.h"

#include <sys/stat.h>

#include <climits>
#include <cstdlib>
#include <string_view>

#include "base/error.h"
#include "base/file.h"
#include "launcher/session/paths.h"

namespace agentbox::session {

namespace {

// One line of a small file, "" if it cannot be read.
std::string first_line(const std::string& path) {
  struct stat status = {};
  if (::lstat(path.c_str(), &status) != 0 || !S_ISREG(status.st_mode) ||
      status.st_size > PATH_MAX) {
    return {};
  }
  std::string text = base::read_file(path, PATH_MAX);
  return text.substr(0, text.find('\n'));
}

std::string resolve(const std::string& directory, const std::string& path) {
  char buffer[PATH_MAX];
  const std::string whole = !path.empty() && path.front() == '/' ? path : join(directory, path);
  return ::realpath(whole.c_str(), buffer) != nullptr ? buffer : "";
}

}  // namespace

std::string common_git_directory(const std::string& root) {
  constexpr std::string_view kPrefix = "gitdir: ";
  const std::string link = first_line(join(root, ".git"));
  if (link.substr(0, kPrefix.size()) != kPrefix) {
    return {};
  }
  const std::string own = resolve(root, link.substr(kPrefix.size()));
  if (own.empty()) {
    return {};
  }
  const std::string back = first_line(join(own, "gitdir"));
  const std::string common_link = first_line(join(own, "commondir"));
  if (back.empty() || common_link.empty() ||
      resolve(own, back) != resolve(root, ".git")) {
    return {};
  }
  const std::string common = resolve(own, common_link);
  // The worktree's own part must be where git keeps it, and the directory be a git directory.
  if (common.empty() || parent(own) != join(common, "worktrees") ||
      first_line(join(common, "HEAD")).empty()) {
    return {};
  }
  return common;
}

}  // namespace agentbox::session
