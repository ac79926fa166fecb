// One command in a sibling box, for the tool `run_scoped`: its output is collected, and told while
// it comes.
#pragma once

#include <cstddef>
#include <string>

#include "launcher/broker/spawning.h"
#include "launcher/mcp/server.h"

namespace agentbox::mcp {

// Of standard output and of errors, each; more is left out and said to be.
inline constexpr std::size_t kMostOutput = 128 << 10;  // bytes

// Runs it to its end over the broker at that socket. The output is masked by the supervisor. Ends
// the child when the call is cancelled. Throws base::Error as broker::Child does.
ToolResult run_scoped(const std::string& socket_path, const broker::SpawnRequest& request,
                      Call& call);

}  // namespace agentbox::mcp
