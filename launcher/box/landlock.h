// Landlock, the second wall: landlock(7). Definitions of newer kernels than the headers' are here.
#pragma once

namespace agentbox::box {

// The kernel's Landlock ABI version, or 0 if it has none or it is switched off.
// Throws SystemError if the kernel will not say (a container's filter): a wall is not left out by
// guess.
int landlock_abi();

}  // namespace agentbox::box
