// What the policy's scope and the user's env files give to a command.
#pragma once

#include <chrono>
#include <map>
#include <string>
#include <variant>
#include <vector>

#include "launcher/session/project.h"
#include "policy/policy.h"
#include "resolver/cache.h"
#include "resolver/reference.h"
#include "resolver/secret.h"
#include "resolver/template.h"

namespace agentbox::session {

// One thing that the command is to receive.
struct Grant {
  std::string name;       // what the log and the masker call it
  std::string env, file;  // where it goes; either may be empty, not both
  // A reference, a template of several, or a value that stood in an env file.
  std::variant<resolver::Reference, resolver::Template, resolver::Secret> source;
  std::string rule;       // "agentbox.json:9:5", ".env:3"
  bool sensitive = true;  // a literal of an env file that does not look like a credential is not
  std::chrono::seconds refresh{0};  // how often to look again while the command runs; 0: not
  resolver::CacheTerms terms = {};
};

// Texts of templates by absolute path (Layers::templates); one that is not in it is read.
using Templates = std::map<std::string, std::string>;

// Whether a reference reads the user's own environment, files or programs.
bool reaches_user(const resolver::Reference& reference);
// Whether its store is not on this machine, so that a cache has a use.
bool on_network(const resolver::Reference& reference);

// What `scope` grants, then what the env files add; a later one takes an earlier one's variable.
// Throws Error: kConfiguration for a malformed reference, file or delivery, kDenied for a reference
// that its author may not use (env://, file://, exec://, sops:/// from a file inside the project).
std::vector<Grant> collect_grants(const policy::Policy& policy, const std::string& scope,
                                  const Project& project, const Templates& templates,
                                  const std::vector<std::string>& env_files);

}  // namespace agentbox::session
