#include "policy/commands_reader.h"

#include <utility>

#include "policy/command_rules.h"
#include "policy/reading.h"

namespace agentbox::policy {

namespace {

using Kind = JsonNode::Kind;

constexpr Key<Command> kCommandKeys[] = {
    {"scope",
     [](const JsonNode& node, const std::string& path, Command& command) {
       command.scope = read_string(node, path);
       check_name(command.scope, node.place, "the scope");
     }},
    {"args",
     [](const JsonNode& node, const std::string& path, Command& command) {
       command.args = read_list(node, path);
       for (const Pattern& rule : *command.args) {
         check_argument_rule(rule);
       }
     }},
    {"description",
     [](const JsonNode& node, const std::string& path, Command&) { ignore_string(node, path); }},
};

}  // namespace

void read_commands(const JsonNode& node, const std::string& path, Document& document) {
  expect(node, Kind::kObject, path, "an object of commands");
  for (const JsonNode::Member& member : node.members) {
    check_name(member.name, member.place, "the command");
    const std::string own = dotted(path, member.name);
    Command command;
    command.name = member.name;
    command.place = member.place;
    read_object<Command>(member.value, own, kCommandKeys, command);
    if (command.scope.empty()) {
      refuse(member.place, in_quotes(own) + " has no scope",
             "say in which scope it runs: \"scope\": \"NAME\"");
    }
    document.commands.emplace(member.name, std::move(command));
  }
}

std::map<std::string, std::vector<std::string>> command_keys() {
  return {{"commands.*", names_of<Command>(kCommandKeys)}};
}

}  // namespace agentbox::policy
