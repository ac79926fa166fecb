// One box of a session and what is special about it; all else is the same for each.
#pragma once

#include <cstdint>

#include "launcher/session/caller.h"
#include "launcher/session/prepared.h"
#include "launcher/session/session.h"

namespace agentbox::session {

struct Seat {
  Place place;
  int nursery = -1;  // to ask for siblings (nursery::ask); -1: it may have none
  int liaison = -1;  // the nursery's line to the supervisor (Liaison); the first box's
  // Of the policy's `commands`, to run in it.
  const HeldProgram* program = nullptr;
  Caller* caller = nullptr;  // none: the user at the standard streams
  bool terminal = false;     // the command gets a PTY, of this size if there is a caller:
  std::uint16_t rows = 0, columns = 0;
};

// Runs the box from start to end; see run().
int run_seated(const RunRequest& request, const Prepared& prepared, const Seat& seat);

}  // namespace agentbox::session
