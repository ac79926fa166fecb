// The first process of a box: it runs the set-up, then starts the command and watches it.
#pragma once

#include <vector>

#include "launcher/box/setup.h"

namespace agentbox::box {

// Runs in the clone, never returns. `control` and `launch` are its ends of the two sockets, `proc`
// the outer /proc. No allocation, no locks, no exceptions from here on.
[[noreturn]] void run_init(Context& context, const std::vector<Step>& steps, int control,
                           int launch, int proc);

}  // namespace agentbox::box
