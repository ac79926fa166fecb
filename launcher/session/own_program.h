// agentbox itself in a box, for `agentbox spawn`, `status` and `mcp`.
#pragma once

#include "launcher/box/box.h"
#include "policy/policy.h"

namespace agentbox::session {

inline constexpr char kProgramDirectory[] = "/run/agentbox/bin";

// Shows the running executable, read-only, in that directory, unless the box sees it at its own
// path. Whether the directory is there then.
bool add_own_program(const policy::Policy& policy, box::Plan& plan);

}  // namespace agentbox::session
