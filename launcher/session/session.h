// A session: one `agentbox run` from start to exit.
#pragma once

#include <string>
#include <vector>

#include "policy/parameters.h"

namespace agentbox::session {

struct RunRequest {
  std::vector<std::string> profiles;
  std::string policy_file;
  std::string scope = "main";
  policy::Parameters parameters;  // for the variables of the scope's references
  std::vector<std::string> env_files;
  bool masking = true;
  bool fresh = false;         // a home that is thrown away at the end
  bool review = false;        // what the command changes in the project goes into a layer
  std::string view = "auto";  // "live", "masks": see choose_tier()
  bool messages = false;      // the output is JSON, a message a line; there is never a terminal
  bool quiet = false;         // no line about the session on a terminal
  std::vector<std::string> command;
};

// Runs the command in a box and returns the exit status for agentbox itself (DESIGN section 10).
// Throws base::Error before the command has started, or when the session had to be ended because
// a record could not be written. Call from the main thread of a single-threaded process.
int run(const RunRequest& request);

}  // namespace agentbox::session
