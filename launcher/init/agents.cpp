#include "launcher/init/agents.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/encode.h"
#include "base/error.h"
#include "base/nearest.h"

namespace agentbox::init {

namespace {

using base::Error;
using base::Status;
// Keeps the order of the keys that were there.
using Json = nlohmann::ordered_json;

const std::vector<Agent>& agents() {
  static const std::vector<Agent> all = {
      {"claude", "claude", ".mcp.json", ""},
      {"codex", "codex", "",
       "Codex reads its servers from your own ~/.codex/config.toml. Add there:\n"
       "\n"
       "    [mcp_servers.agentbox]\n"
       "    command = \"agentbox\"\n"
       "    args = [\"mcp\"]\n"},
      {"gemini", "gemini", ".gemini/settings.json", ""},
      {"opencode", "opencode", "opencode.json", ""},
  };
  return all;
}

// Where the server's entry stands, and what it is.
struct Entry {
  const char* list;
  Json server;
};

Entry entry_of(const Agent& agent) {
  if (agent.name == "opencode") {
    return {"mcp", {{"type", "local"}, {"command", {"agentbox", "mcp"}}, {"enabled", true}}};
  }
  return {"mcpServers", {{"command", "agentbox"}, {"args", {"mcp"}}}};
}

[[noreturn]] void refuse(const Agent& agent, const Entry& entry, const std::string& why) {
  throw Error(Status::kConfiguration, agent.file + " " + why + ", so it is left as it is",
              "add by hand: \"" + std::string(entry.list) +
                  "\": {\"agentbox\": " + entry.server.dump() + "}");
}

}  // namespace

const Agent& find_agent(const std::string& name) {
  for (const Agent& agent : agents()) {
    if (agent.name == name) {
      return agent;
    }
  }
  const std::string near = base::nearest(name, agent_names());
  throw Error(
      Status::kFailed, "there is no agent \"" + base::printable(name) + "\" here",
      near.empty() ? "choose claude, codex, gemini or opencode" : "did you mean \"" + near + "\"?");
}

std::vector<std::string> agent_names() {
  std::vector<std::string> names;
  for (const Agent& agent : agents()) {
    names.push_back(agent.name);
  }
  return names;
}

std::optional<std::string> with_server(const Agent& agent,
                                       const std::optional<std::string>& existing) {
  const Entry entry = entry_of(agent);
  Json document = Json::object();
  if (existing && existing->find_first_not_of(" \t\r\n") != std::string::npos) {
    document = Json::parse(*existing, nullptr, false);
    if (document.is_discarded()) {
      refuse(agent, entry, "is no JSON, or holds comments that would be lost");
    }
    if (!document.is_object()) {
      refuse(agent, entry, "holds no JSON object");
    }
  }
  if (!document.contains(entry.list)) {
    document[entry.list] = Json::object();
  }
  Json& servers = document[entry.list];
  if (!servers.is_object()) {
    refuse(agent, entry, "has a \"" + std::string(entry.list) + "\" that is no object");
  }
  if (servers.contains("agentbox")) {
    return std::nullopt;
  }
  servers["agentbox"] = entry.server;
  return document.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace agentbox::init
