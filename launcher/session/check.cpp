#include "launcher/session/check.h"

#include <algorithm>
#include <set>

#include "base/directories.h"
#include "launcher/session/accounts.h"
#include "launcher/session/leases.h"
#include "launcher/session/prepared.h"
#include "launcher/session/recorder.h"
#include "launcher/session/release.h"
#include "launcher/session/store.h"

namespace agentbox::session {

namespace {

// The request's scope, resolved for `checked`.
void check_scope(const Prepared& prepared, const RunRequest& request, const Place& place,
                 std::vector<Checked>& checked) {
  const std::vector<Grant> grants = collect_grants(prepared.policy, request.scope, prepared.project,
                                                   prepared.layers.templates, request.env_files);
  Recorder recorder(base::state_directory() + "/audit", common_record(prepared, request, place));
  resolver::Resolver resolver = make_resolver(
      prepared.project, Ask::kTerminal,
      find_account(prepared.policy.scopes.at(request.scope), prepared.project, recorder));
  const Leases leases(resolver, recorder);
  const std::vector<Wanted> all = wanted(grants);
  const std::vector<resolver::Resolution> resolutions = resolve(all, resolver, recorder);
  for (std::size_t i = 0; i < all.size(); ++i) {
    Checked one;
    one.scope = request.scope;
    one.name = all[i].name;
    one.reference = all[i].reference.text;
    one.backend = resolutions[i].backend;
    one.latency = resolutions[i].latency;
    if (const auto* value = std::get_if<resolver::Value>(&resolutions[i].answer)) {
      one.version = value->version;
    } else {
      const auto& failed = std::get<resolver::Failed>(resolutions[i].answer);
      one.error = failed.message;
      one.hint = failed.hint;
    }
    checked.push_back(std::move(one));
  }
}

bool can_bind(const policy::Scope& scope, const policy::Parameters& parameters) {
  return std::all_of(scope.params.begin(), scope.params.end(),
                     [&](const auto& parameter) { return parameters.count(parameter.first) != 0; });
}

}  // namespace

std::vector<Checked> check(RunRequest request) {
  const bool with_commands = request.scope.empty();
  if (with_commands) {
    request.scope = RunRequest().scope;
  }
  const Prepared prepared(request);
  Place place = first_place(request.scope);
  std::vector<Checked> checked;
  check_scope(prepared, request, place, checked);
  std::set<std::string> others;
  for (const auto& [name, command] : prepared.policy.commands) {
    if (with_commands && command.scope != request.scope) {
      others.insert(command.scope);
    }
  }
  request.env_files.clear();  // commands get nothing of them
  for (const std::string& scope : others) {
    const policy::Scope& its = prepared.unbound.scopes.at(scope);
    if (!can_bind(its, prepared.parameters)) {
      continue;  // the first box cannot run what has it
    }
    request.scope = scope;
    place.chain = scope;
    const Prepared own(prepared, scope, policy::bind_parameters(its, {}, prepared.parameters));
    check_scope(own, request, place, checked);
  }
  return checked;
}

}  // namespace agentbox::session
