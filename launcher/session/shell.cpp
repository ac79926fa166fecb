#include "launcher/session/shell.h"

#include <algorithm>
#include <cstdlib>
#include <optional>
#include <sstream>
#include <utility>

#include "audit/id.h"
#include "base/directories.h"
#include "launcher/session/accounts.h"
#include "launcher/session/identity.h"
#include "launcher/session/layers.h"
#include "launcher/session/project.h"
#include "launcher/session/recorder.h"
#include "launcher/session/store.h"

namespace agentbox::session {

namespace {

struct Here {
  Identity identity;
  Project project;
  Layers layers;
  policy::Policy policy;
};

// Nothing where no project is, or where its policy has no secrets for a shell.
std::optional<Here> here() {
  const Identity identity = current_identity();
  Project project;
  try {
    project = find_project(current_directory(), identity.home);
  } catch (const base::Error&) {
    return std::nullopt;  // a home directory, say: no project, and no place to complain
  }
  Layers layers = load_layers(project, {.profiles = {}, .policy_file = {}, .program = {}});
  // Merged before it is known to be trusted, to learn whether a shell is spoken of at all: in most
  // repositories it is not, and consent is nothing that a change of directory should ask for.
  policy::Policy policy = policy::merge(layers.sources, profile_source());
  const auto scope = policy.scopes.find(kShellScope);
  if (scope == policy.scopes.end() || scope->second.secrets.empty()) {
    return std::nullopt;
  }
  policy = effective_policy(project, layers);
  return Here{identity, std::move(project), std::move(layers), std::move(policy)};
}

}  // namespace

std::vector<std::string> shell_variables() {
  std::vector<std::string> names;
  if (const char* list = std::getenv(kShellVariables)) {
    std::istringstream words(list);
    for (std::string name; words >> name;) {
      names.push_back(std::move(name));
    }
  }
  return names;
}

ShellProject shell_project() {
  const std::optional<Here> found = here();
  return found ? ShellProject{found->project.root, found->policy.hash} : ShellProject();
}

std::vector<Released> shell_secrets() {
  const std::optional<Here> found = here();
  if (!found) {
    return {};
  }
  std::vector<Grant> grants =
      collect_grants(found->policy, kShellScope, found->project, found->layers.templates, {});
  std::erase_if(grants, [](const Grant& grant) { return grant.env.empty(); });
  for (Grant& grant : grants) {
    grant.file.clear();
  }
  audit::Record common;
  common.session = audit::new_id();
  common.scope = kShellScope;
  common.chain = kShellScope;
  common.actor = found->identity.name + "/shell";
  common.command = "hook";
  common.policy = found->policy.hash;
  Recorder recorder(base::state_directory() + "/audit", std::move(common));
  resolver::Resolver resolver =
      make_resolver(found->project, Ask::kTerminal,
                    find_account(found->policy.scopes.at(kShellScope), found->project, recorder));
  return release(std::move(grants), resolver, recorder);
}

}  // namespace agentbox::session
