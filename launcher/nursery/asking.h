// How a box's broker asks the nursery for a sibling.
#pragma once

#include "base/unique_fd.h"
#include "launcher/broker/spawning.h"

namespace agentbox::nursery {

// Sends the request over the socket that stands for the asking box, and returns its end of the link
// to the child, over which a refusal comes too (launcher/broker/spawning.h). Does not wait. Throws
// base::SystemError, also when the nursery is gone or has too much to do.
base::UniqueFd ask(int nursery, const broker::SpawnRequest& request, broker::Stdio stdio);

}  // namespace agentbox::nursery
