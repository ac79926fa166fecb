// What of the machine every box sees: the read-only system, and a small /etc of its own.
#pragma once

#include "launcher/box/box.h"
#include "launcher/session/identity.h"
#include "policy/policy.h"

namespace agentbox::session {

// Adds the system's directories, the chosen entries of /etc, and the generated files (passwd, group,
// hosts, resolv.conf, nsswitch.conf) to the plan; also what the policy's `system` names. Throws
// Error for a `system` path that is not absolute or would show a home directory, /proc, /sys, /run,
// /dev or the whole root.
void add_system(const Identity& identity, const policy::Policy& policy, box::Plan& plan);

// Whether add_system shows this absolute path.
bool system_shows(const policy::Policy& policy, const std::string& path);

}  // namespace agentbox::session
