// agentbox itself in a box: for `agentbox spawn`, `status` and `mcp`, and in the place of the
// programs of the policy's `commands`.
#pragma once

#include "launcher/box/box.h"
#include "launcher/session/commands.h"
#include "policy/policy.h"

namespace agentbox::session {

// First in PATH where there are commands, else last.
inline constexpr char kProgramDirectory[] = "/run/agentbox/bin";

// Shows the running executable, read-only, in that directory, unless the box sees it at its own
// path. Whether the directory is there then.
bool add_own_program(const policy::Policy& policy, box::Plan& plan);

// Shows the running executable under each command's name in that directory, and where the box sees
// a program of the system under that name, there too: who starts it by its path, or by a link to
// it, asks for the same. Throws base::Error (kFailed) if the executable is gone.
void add_shims(const policy::Policy& policy, const HeldPrograms& commands, box::Plan& plan);

}  // namespace agentbox::session
