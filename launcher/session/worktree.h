// Linked git worktrees: their objects and refs live in another directory.
#pragma once

#include <string>

namespace agentbox::session {

// The common git directory ("/path/main/.git") that `root`/.git points to, or "" if `root` is no
// linked worktree. It counts only when that directory names this worktree in turn
// (gitrepository-layout(5), "worktrees/<id>/gitdir"): a .git file alone is the repository's word, and
// would open any directory of the user's to the box.
std::string common_git_directory(const std::string& root);

}  // namespace agentbox::session
