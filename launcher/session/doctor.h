// Tries for real what agentbox needs of a machine.
#pragma once

#include <string>
#include <vector>

namespace agentbox::session {

struct Finding {
  enum class State { kOk, kMissing, kOptional } state = State::kOk;
  std::string name;    // "user namespaces"
  std::string detail;  // what was seen
  std::string mend;    // what to type, empty if nothing is to be done
};

// Builds a box, mounts a view, opens the log and so on; never throws for what it examines. kMissing:
// no session can start. kOptional: a wall or a comfort is absent, and the detail says what that means.
std::vector<Finding> examine();

}  // namespace agentbox::session
