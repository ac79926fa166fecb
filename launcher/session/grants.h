// From the policy's scope and the user's env files to values in hand, every step on the log first.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "launcher/session/project.h"
#include "launcher/session/recorder.h"
#include "policy/policy.h"
#include "resolver/resolver.h"
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
};

// Texts of templates by absolute path (Layers::templates); one that is not in it is read.
using Templates = std::map<std::string, std::string>;

// Whether a reference reads the user's own environment, files or programs.
bool reaches_user(const resolver::Reference& reference);

struct Released {
  std::string name, env, file;
  resolver::Secret value;
  bool sensitive = true;
};

// What `scope` grants, then what the env files add; a later one takes an earlier one's variable.
// Throws Error: kConfiguration for a malformed reference, file or delivery, kDenied for a reference
// that its author may not use (env://, file://, exec:// from a file inside the project).
std::vector<Grant> collect_grants(const policy::Policy& policy, const std::string& scope,
                                  const Project& project, const Templates& templates,
                                  const std::vector<std::string>& env_files);

// One reference that has to be resolved, for the grant of that name.
struct Wanted {
  std::string name;
  resolver::Reference reference;
};
std::vector<Wanted> wanted(const std::vector<Grant>& grants);

// One Resolution each, in order, every one recorded. Blocks for up to a minute.
std::vector<resolver::Resolution> resolve(const std::vector<Wanted>& all,
                                          resolver::Resolver& resolver, Recorder& recorder);

// Resolves everything, records each resolution, then each release, and syncs the log. Throws Error
// (kConfiguration) that names each reference that failed; nothing is released then.
std::vector<Released> release(std::vector<Grant> grants, resolver::Resolver& resolver,
                              Recorder& recorder);

}  // namespace agentbox::session
