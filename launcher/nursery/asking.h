// What a box has to say to the nursery, over the socket that stands for it.
#pragma once

#include "base/unique_fd.h"
#include "launcher/broker/spawning.h"

namespace agentbox::nursery {

// Asks for a sibling, for this box's broker. Returns its end of the link
// to the child, over which a refusal comes too (launcher/broker/spawning.h). Does not wait. Throws
// base::SystemError, also when the nursery is gone or has too much to do.
base::UniqueFd ask(int nursery, const broker::SpawnRequest& request, broker::Stdio stdio);

// The box runs: `process` is the pidfd of its first process. Throws base::SystemError.
void announce(int nursery, int process);

// The member of an announcement that no request for a sibling has.
inline constexpr char kRunning[] = "running";

}  // namespace agentbox::nursery
