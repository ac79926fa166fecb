// Reads the index of a pack, which git or somebody else has written.
#pragma once

#include <span>

#include "launcher/history/object_id.h"

namespace agentbox::history {

// Whether the index (gitformat-pack(5), versions 1 and 2) lists one of these SHA-1 ids. `fd`: a
// regular file, open for reading. True also for what cannot be read or understood: what is asked
// for here is whether a pack must be kept from a box. Thread-safe.
bool may_hold_any(int fd, std::span<const ObjectId> ids);

}  // namespace agentbox::history
