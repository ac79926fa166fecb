// Where a verb that runs in a box finds its broker.
#pragma once

#include <string>

namespace agentbox::cli {

// The path of this box's broker; empty outside a box. Known by its place, too: some MCP clients
// pass only a few variables on to their servers.
std::string find_box_socket();

}  // namespace agentbox::cli
