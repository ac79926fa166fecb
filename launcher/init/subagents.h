// The agent programs' own subagents, one for each scope that the first box may start. Pure.
#pragma once

#include <string>
#include <vector>

#include "launcher/init/agents.h"

namespace agentbox::init {

// The files that define a subagent for each of these scopes: it reads the project itself and runs
// commands only by a tool whose boxes have that scope. `scopes`: names as a policy allows them.
// Empty for an agent program that has no such files.
std::vector<File> subagent_files(const Agent& agent, const std::vector<std::string>& scopes);

}  // namespace agentbox::init
