#include "launcher/session/prepared.h"

#include "audit/id.h"
#include "base/encode.h"
#include "base/error.h"
#include "base/nearest.h"
#include "launcher/session/home.h"
#include "launcher/session/repository.h"

namespace agentbox::session {

namespace {

std::string program_name(const RunRequest& request) {
  if (request.command.empty()) {
    return {};
  }
  const std::string& command = request.command.front();
  return command.substr(command.rfind('/') + 1);
}

void check_scope(const policy::Policy& policy, const std::string& scope) {
  if (policy.scopes.count(scope) != 0) {
    return;
  }
  std::vector<std::string> names;
  for (const auto& [name, unused] : policy.scopes) {
    names.push_back(name);
  }
  const std::string near = base::nearest(scope, names);
  throw base::Error(base::Status::kConfiguration,
                    "the policy has no scope \"" + base::printable(scope) + "\"",
                    near.empty() ? "leave --scope out for \"main\", or name one that the policy has"
                                 : "did you mean \"" + near + "\"?");
}

}  // namespace

Prepared::Prepared(const RunRequest& request)
    : identity(current_identity()),
      project(find_project(current_directory(), identity.home)),
      layers(load_layers(project, {.profiles = request.profiles,
                                   .policy_file = request.policy_file,
                                   .program = program_name(request)})),
      unbound(effective_policy(project, layers)) {
  check_scope(unbound, request.scope);
  parameters = bind_parameters(unbound.scopes.at(request.scope), request.parameters, {});
  policy = bound_policy(unbound, request.scope, parameters);
  check_home(policy, identity);
  protect_repository(project.root, identity, policy);
  commands = find_commands(policy, identity, project);
}

Prepared::Prepared(const Prepared& first, const std::string& scope,
                   const policy::Parameters& values)
    : identity(first.identity),
      project(first.project),
      layers(first.layers),
      unbound(first.unbound),
      parameters(values),
      policy(first.policy),
      commands(first.commands) {
  // The first box's policy is the written one with more in it: what protects its repository.
  policy.secrets = unbound.secrets;
  policy.scopes = unbound.scopes;
  policy = bound_policy(policy, scope, parameters);
}

Place first_place(const std::string& scope) {
  return {.session = audit::new_id(), .box = audit::new_id(), .parent = {}, .chain = scope};
}

audit::Record common_record(const Prepared& prepared, const RunRequest& request,
                            const Place& place) {
  audit::Record record;
  record.session = place.session;
  record.box = place.box;
  record.parent = place.parent;
  record.scope = request.scope;
  record.chain = place.chain;
  record.parameters = policy::text_of(prepared.parameters);
  const std::string program = program_name(request);
  record.command = request.command.empty() ? "" : request.command.front();
  record.actor = prepared.identity.name + "/" + (program.empty() ? "agentbox" : program);
  record.policy = prepared.policy.hash;
  return record;
}

}  // namespace agentbox::session
