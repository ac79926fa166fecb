// What the nursery's process does.
#pragma once

#include "base/unique_fd.h"
#include "launcher/nursery/nursery.h"

namespace agentbox::nursery {

// Serves until the other end of `first`, the first box's socket, is closed and all boxes have
// ended. `supervisor` is the other end of
// Nursery::liaison().
void serve(const Config& config, base::UniqueFd first, base::UniqueFd supervisor);

}  // namespace agentbox::nursery
