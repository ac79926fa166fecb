// Secrets for a user's own shell: what `agentbox hook` gives on entering a project.
#pragma once

#include <string>
#include <vector>

#include "launcher/session/release.h"

namespace agentbox::session {

// The scope of a policy whose variables a shell gets.
inline constexpr char kShellScope[] = "shell";

// Names a shell has from here, separated by blanks. No box gets a variable that stands in it, but
// by its own scope.
inline constexpr char kShellVariables[] = "AGENTBOX_SHELL_VARIABLES";

// The names in that variable; none of them is passed on by plain_environment().
std::vector<std::string> shell_variables();

struct ShellProject {
  std::string root;    // empty: no project here has secrets for a shell
  std::string policy;  // the effective policy's hash: a changed one is a reason to load again
};

// What the shell's working directory asks for; cheap, resolves nothing. Throws base::Error where
// the policy cannot be read, or names secrets for shells and is not trusted (kDenied).
ShellProject shell_project();

// Resolves and records the variables of the shell scope. Throws base::Error; nothing is released
// then. Secrets of the scope that are delivered as files only are left out.
std::vector<Released> shell_secrets();

}  // namespace agentbox::session
