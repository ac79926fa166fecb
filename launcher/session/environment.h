// The environment that the command starts with.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "launcher/session/identity.h"
#include "launcher/session/release.h"
#include "policy/policy.h"

namespace agentbox::session {

// Of the caller's variables those that the policy passes, then the fixed ones (HOME, USER, PATH,
// …), then what the policy sets. No secret among them.
std::map<std::string, std::string> plain_environment(const policy::Policy& policy,
                                                     const Identity& identity,
                                                     const std::string& path,
                                                     const std::string& working_directory);

// For a program of `commands`: of the caller's variables those that passes_to_command() names, then
// the fixed ones, then what the policy sets but steers_programs().
std::map<std::string, std::string> command_environment(const policy::Policy& policy,
                                                       const Identity& identity,
                                                       const std::string& path,
                                                       const std::string& working_directory);

// "NAME=value\0…" with the released variables, which replace plain ones of the same name.
resolver::Secret environment_block(const std::map<std::string, std::string>& plain,
                                   const std::vector<Released>& released);

}  // namespace agentbox::session
