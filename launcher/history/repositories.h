// The repositories that a box sees in a project.
#pragma once

#include <string>
#include <vector>

#include "policy/file_rules.h"

namespace agentbox::history {

// Git directories in the tree at `root` (absolute), as absolute paths, in order: `.git`, those of
// submodules and nested repositories, bare ones under any name. What `files` hides is left out.
// Walks the tree's names; throws base::Error if that cannot be done.
std::vector<std::string> find_repositories(const std::string& root, const policy::FileRules& files,
                                           unsigned threads);

// Whether `path` is a directory that git would take for a git directory (gitrepository-layout(5)).
bool is_repository(const std::string& path);

}  // namespace agentbox::history
