// The tools of `agentbox mcp`: what an agent in a box may ask of its supervisor.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "launcher/broker/spawning.h"
#include "launcher/mcp/server.h"

namespace agentbox::mcp {

// Asks the broker of this box: broker::call() without the socket. Throws base::Error. Called from
// several threads.
using Ask = std::function<Json(const std::string& method, const Json& params)>;

// Runs a command in a sibling box: run_scoped() of this room.
using Spawn = std::function<ToolResult(const broker::SpawnRequest& request, Call& call)>;

// No tool gives a value away: the broker has none to give.
std::vector<Tool> box_tools(const Ask& ask, const Spawn& spawn);

// run_scoped alone, and for that scope alone, which is none of its arguments.
std::vector<Tool> scope_tools(const std::string& scope, const Spawn& spawn);

}  // namespace agentbox::mcp
