// What the nursery's process does.
#pragma once

#include <sys/types.h>

#include <span>

#include "base/unique_fd.h"
#include "launcher/nursery/nursery.h"

namespace agentbox::nursery {

// Makes a forked process one of its own: it dies with its `parent`, has no terminal, and of the
// descriptors nothing but 0, 1, 2 and those, which get other numbers. Throws base::SystemError.
void settle_in(pid_t parent, std::span<base::UniqueFd* const> kept);

// Serves until the other end of `first`, the first box's socket, is closed and all boxes have
// ended. What needs the user's approval is asked over `approvals`.
void serve(const Config& config, base::UniqueFd first, base::UniqueFd approvals);

}  // namespace agentbox::nursery
