// A box that another box has asked for: runs in a process of its own, forked by the nursery.
#pragma once

#include "launcher/nursery/nursery.h"
#include "launcher/session/prepared.h"
#include "launcher/session/session.h"

namespace agentbox::session {

// Runs it from start to end, as the first box of the session was, but with a home that is thrown
// away, and output that is always masked. `first` and `prepared` are the first box's. Returns the
// exit status; what goes wrong is told to the caller and on the log.
int run_sibling(const RunRequest& first, const Prepared& prepared, nursery::Order order);

}  // namespace agentbox::session
