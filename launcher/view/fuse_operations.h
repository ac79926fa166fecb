// The table of libfuse's low-level callbacks; their `userdata` is a FileServer.
#pragma once

#include <fuse_lowlevel.h>

namespace agentbox::view {

// Largest read or write in one request.
inline constexpr unsigned kMostBytes = 1 << 20;

const fuse_lowlevel_ops& fuse_operations();

}  // namespace agentbox::view
