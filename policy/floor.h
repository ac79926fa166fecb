// The built-in floor: what is hidden and read-only in every box. docs/policy.md lists it for users.
#pragma once

#include "policy/policy.h"

namespace agentbox::policy {

// A policy with the floor alone.
Policy floor_policy();

}  // namespace agentbox::policy
