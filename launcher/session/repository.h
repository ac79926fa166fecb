// What git runs of a repository's working tree, beyond what the policy's floor knows by name.
#pragma once

#include <string>

#include "launcher/session/identity.h"
#include "policy/policy.h"

namespace agentbox::session {

// Adds read-only rules for this project: for the hooks and configuration of a git directory under a
// name of its own (a bare repository, or one that a ".git" file points to), and for what git's
// configuration names in the working tree as program, hook or further configuration
// (core.hooksPath = scripts/hooks). What cannot be read is passed over: git does not run it either.
void protect_repository(const std::string& root, const Identity& identity, policy::Policy& policy);

}  // namespace agentbox::session
