// What a process of the nursery keeps of the one that it was forked from.
#pragma once

#include <sys/types.h>

#include <span>

#include "base/unique_fd.h"

namespace agentbox::nursery {

// Makes a forked process one of its own: it dies with its `parent`, has no terminal, and of the
// descriptors nothing but 0, 1, 2 and those, which get other numbers. Throws base::SystemError.
void settle_in(pid_t parent, std::span<base::UniqueFd* const> kept);

}  // namespace agentbox::nursery
