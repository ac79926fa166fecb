// A box of the session, as the nursery keeps it.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>

#include "base/unique_fd.h"
#include "launcher/nursery/admission.h"

namespace agentbox::nursery {

// One box, and the process that runs it.
struct Member {
  Parent identity;
  std::string parent;  // its parent's box; empty for the first one
  std::string command, rule, decision;
  policy::Parameters parameters;  // of its scope; of the identity: also those from above
  bool detached = false;
  base::UniqueFd socket;   // over which it asks
  base::UniqueFd process;  // pidfd of its runner; none for the first box
  pid_t pid = -1;
  std::optional<Clock::time_point> killed_at;  // it has been told to end, and has so long to do it
};

}  // namespace agentbox::nursery
