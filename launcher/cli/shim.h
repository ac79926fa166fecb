// agentbox in a box, in the place of a program of the policy's `commands`.
#pragma once

#include <string>

#include "launcher/cli/verbs.h"

namespace agentbox::cli {

// The command whose place this process's executable has; empty outside of boxes, and for agentbox
// under its own name. By the file that runs: neither argv[0] nor the environment has a say.
std::string shim_name();

// Has the command run in its own scope, from here, and returns its exit status.
int shim(const std::string& name, const Arguments& arguments);

}  // namespace agentbox::cli
