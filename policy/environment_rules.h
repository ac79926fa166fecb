// Which variables of the caller's environment a box may have. Pure, immutable, any thread may ask.
#pragma once

#include <string_view>
#include <vector>

#include "policy/policy.h"

namespace agentbox::policy {

// Whether a variable of this name is likely to hold a credential ("GITHUB_TOKEN", "PGPASSWORD").
bool looks_like_credential(std::string_view variable_name);

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
