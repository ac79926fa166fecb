// The configuration by which each agent program finds the MCP server of its box. Pure.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace agentbox::init {

// A file of the project, by its path relative to the root.
struct File {
  std::string path;
  std::string text;
};

struct Agent {
  std::string name, profile;
  std::string file;    // with the configuration, relative to the root; empty: it is outside
  std::string advice;  // what the user is to do; empty: nothing
};

// Throws base::Error for a name that is none, with the nearest.
const Agent& find_agent(const std::string& name);
std::vector<std::string> agent_names();

// The configuration with the server in it, all else of `existing` kept; nullopt: it is there
// already. Throws base::Error (kConfiguration) for a file that is no JSON without comments, and
// says what to add by hand.
std::optional<std::string> with_server(const Agent& agent,
                                       const std::optional<std::string>& existing);

}  // namespace agentbox::init
