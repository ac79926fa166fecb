// Resolves what a session would, and starts nothing.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "launcher/session/session.h"

namespace agentbox::session {

struct Checked {
  std::string scope;
  std::string name;       // of the secret or variable
  std::string reference;  // as written
  std::string backend, version;
  std::chrono::microseconds latency{0};
  std::string error;  // empty: it can be had
  std::string hint;
};

// One entry a reference of the request's scope and the env files; each resolution is recorded. An
// empty scope: "main", then those of the policy's `commands`, which the same launch needs. Uses the
// request's profiles, policy file, scope, env files and command (for the default profile). Throws
// base::Error where the policy itself is wrong or refused.
std::vector<Checked> check(RunRequest request);

}  // namespace agentbox::session
