// How git sees files: asked of git itself, which alone knows all its rules.
#pragma once

#include <string>
#include <vector>

#include "launcher/scan/report.h"

namespace agentbox::scan {

struct GitAnswer {
  std::vector<GitState> states;  // of each path, in order
  // Where each path's repository stands, as its number in `repositories`; that of the root, which
  // may be in a repository that begins above it, is -1.
  std::vector<int> repositories;
  std::vector<GitFailure> failures;
};

// `repositories`: the directories below `root` that hold a ".git", sorted; "" is the root itself.
// `paths`: files, no two alike. Both are relative to `root`, which is absolute. Two commands for
// each repository that holds one of the paths, whatever their number. Git runs nothing that the
// repository names (hooks, file system monitor), fetches and writes nothing. Throws
// base::SystemError if it cannot be started.
GitAnswer ask_git(const std::string& root, const std::vector<std::string>& repositories,
                  const std::vector<std::string>& paths);

// The line for the .gitignore in `repository` that names this one file, for good. Pure.
std::string ignore_line(const std::string& repository, const std::string& path);

}  // namespace agentbox::scan
