#include "launcher/nursery/ledger.h"

#include "base/directories.h"

namespace agentbox::nursery {

using nlohmann::json;

Ledger::Ledger(const Config& config) : config_(config), log_(base::state_directory() + "/audit") {}

void Ledger::record(const Member& member, const char* outcome, const std::string& reason) {
  audit::Record record;
  record.event = "spawn";
  record.subject = member.identity.of_command ? "command:" + member.command : std::string();
  record.session = config_.session;
  record.box = member.identity.box;
  record.parent = member.parent;
  record.scope = member.identity.scope;
  record.chain = member.identity.chain;
  record.parameters = policy::text_of(member.parameters);
  record.command = member.command;
  record.rule = member.rule;
  record.actor = config_.actor;
  record.policy = config_.policy.hash;
  record.outcome = outcome;
  record.reason = reason;
  log_.append(record);
}

void Ledger::record_refusal(const Member& parent, const broker::SpawnRequest& request,
                            const std::string& reason) {
  Member none;
  none.identity = {.box = {},
                   .scope = request.scope,
                   .chain = parent.identity.chain + "/" + request.scope,
                   .depth = 0,
                   .of_command = !request.command.empty()};
  none.parent = parent.identity.box;
  none.command = request.arguments.front();
  record(none, "refused", reason);
}

json Ledger::hosts(const policy::Scope& scope) const {
  json hosts = json::array();
  for (const policy::Pattern& host : scope.network ? *scope.network : config_.policy.network) {
    hosts.push_back(host.text);
  }
  return hosts;
}

json Ledger::receipt(const Member& member) const {
  const policy::Scope& scope = config_.policy.scopes.at(member.identity.scope);
  return {{"session", config_.session},     {"parent", member.parent},
          {"child", member.identity.box},   {"scope", member.identity.scope},
          {"chain", member.identity.chain}, {"parameters", member.parameters},
          {"policy", config_.policy.hash},  {"rule", member.rule},
          {"decision", member.decision},    {"secrets", scope.secrets},
          {"network", hosts(scope)}};
}

json Ledger::question(const Member& parent, const broker::SpawnRequest& request,
                      const policy::Parameters& parameters) const {
  const policy::Scope& scope = config_.policy.scopes.at(request.scope);
  return {{"box", parent.identity.box},
          {"chain", parent.identity.chain},
          {"scope", scope.name},
          {"parameters", policy::text_of(parameters)},
          {"fixed", policy::text_of(parent.identity.parameters)},
          {"reason", request.reason},
          {"rule", scope.place.text()},
          {"command", request.arguments},
          {"secrets", scope.secrets},
          {"hosts", hosts(scope)},
          {"session", scope.approve == policy::Approve::kSession}};
}

}  // namespace agentbox::nursery
