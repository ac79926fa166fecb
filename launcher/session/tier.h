// Which of the two ways a session's files are shown: the live view, or masks where it cannot be
// had.
#pragma once

#include <string>
#include <string_view>

#include "policy/policy.h"

namespace agentbox::session {

enum class Tier { kLive, kMasks };

// The errno of opening /dev/fuse; 0: a live view can be had.
int fuse_error();
// What to do about it.
std::string fuse_mend(int error);

// `asked` is "auto", "live" or "masks" (--view). Throws Error: kDenied for masks where the policy
// wants the live view, kConfiguration where the live view is wanted and cannot be had, where masks
// would not hold (user namespaces of the box's own), or with a `layer` (--review).
Tier choose_tier(const policy::Policy& policy, std::string_view asked, bool layer);

// "live view", "masks".
const char* tier_name(Tier tier);

}  // namespace agentbox::session
