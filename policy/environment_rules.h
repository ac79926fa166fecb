// Which variables of the caller's environment a box may have. Pure, immutable, any thread may ask.
#pragma once

#include <string_view>
#include <vector>

#include "policy/policy.h"

namespace agentbox::policy {

// Whether a variable of this name is likely to hold a credential ("GITHUB_TOKEN", "PGPASSWORD").
bool looks_like_credential(std::string_view variable_name);

// Whether programs load or run what a variable of this name says, or reach something outside the
// box by it ("LD_PRELOAD", "HTTPS_PROXY").
bool steers_programs(std::string_view variable_name);

// Whether a program of `commands` gets the caller's variable of this name: only what says how to
// write text.
bool passes_to_command(std::string_view variable_name);

class EnvironmentRules {
 public:
  explicit EnvironmentRules(const Policy& policy);

  // Never for a name that looks like a credential, whatever the policy says: those come through
  // `secrets`. Names that make programs load code, or lead to a socket outside, pass only if the
  // user's own document or command line spells them out.
  bool passes(std::string_view name) const;

 private:
  std::vector<Pattern> pass_;
};

}  // namespace agentbox::policy
