#include "launcher/init/subagents.h"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace agentbox::init {

namespace {

// YAML's double-quoted strings and TOML's basic strings both take what JSON writes for the plain
// characters of these texts.
std::string quoted(const std::string& text) { return nlohmann::json(text).dump(); }

std::string description(const std::string& scope) {
  return "Runs commands with the secrets, files and hosts of the scope " + scope + ".";
}

std::string instructions(const std::string& scope, const std::string& tool) {
  return "You work on a task that needs the scope " + scope +
         ".\n"
         "Run commands with " +
         tool +
         ": each one runs in a box of its own with that scope's secrets, which\n"
         "stand in its environment or in files. You do not see their values: output comes back\n"
         "masked. Never try to print, encode or copy them. Report what the task asked for.\n";
}

// https://code.claude.com/docs/en/sub-agents: a server of its own, which ends with the subagent.
File claude(const std::string& scope) {
  const std::string server = "agentbox-" + scope;
  // As Claude Code names the tools of a server.
  std::string tool = "mcp__" + server + "__run_scoped";
  std::replace(tool.begin(), tool.end(), '.', '_');
  return {".claude/agents/" + scope + ".md",
          "---\n"
          "name: " +
              quoted(scope) + "\ndescription: " + quoted(description(scope)) +
              "\ntools: " + quoted("Read, Grep, Glob, " + tool) +
              "\nmcpServers:\n"
              "  - " +
              quoted(server) +
              ":\n"
              "      command: \"agentbox\"\n"
              "      args: [\"mcp\", \"--scope\", " +
              quoted(scope) + "]\n---\n\n" + instructions(scope, tool)};
}

// What has no servers of its own for each subagent is told which scope to name.
std::string instructions_with_scope(const std::string& scope) {
  return instructions(scope, "the tool run_scoped of the server agentbox, with the scope " + scope);
}

// https://developers.openai.com/codex/subagents: `mcp_servers` in such a file starts none (0.169).
File codex(const std::string& scope) {
  return {".codex/agents/" + scope + ".toml",
          "name = " + quoted(scope) + "\ndescription = " + quoted(description(scope)) +
              "\ndeveloper_instructions = " + quoted(instructions_with_scope(scope)) + "\n"};
}

// https://opencode.ai/docs/agents
File opencode(const std::string& scope) {
  return {".opencode/agents/" + scope + ".md", "---\ndescription: " + quoted(description(scope)) +
                                                   "\nmode: subagent\n"
                                                   "tools:\n"
                                                   "  bash: false\n"
                                                   "  edit: false\n"
                                                   "  write: false\n"
                                                   "---\n\n" +
                                                   instructions_with_scope(scope)};
}

}  // namespace

std::vector<File> subagent_files(const Agent& agent, const std::vector<std::string>& scopes) {
  std::vector<File> files;
  for (const std::string& scope : scopes) {
    if (agent.name == "claude") {
      files.push_back(claude(scope));
    } else if (agent.name == "codex") {
      files.push_back(codex(scope));
    } else if (agent.name == "opencode") {
      files.push_back(opencode(scope));
    }
  }
  return files;
}

}  // namespace agentbox::init
