// What a box may write into a file that leads git to another directory. Pure.
#pragma once

#include <string_view>

#include "launcher/view/view.h"
#include "policy/policy.h"

namespace agentbox::view {

// Whether `text`, as a whole file, links a worktree below the project to its part of the project's
// git directory (gitrepository-layout(5)), as git writes it: one line, nothing that git could read
// as another path. False for all if `worktrees` names no git directory.
bool is_link_text(policy::LinkFile kind, std::string_view text, const Worktrees& worktrees);

}  // namespace agentbox::view
