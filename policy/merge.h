// The layers put on top of each other, before anything is checked across them.
#pragma once

#include <vector>

#include "policy/policy.h"

namespace agentbox::policy {

// A document with the profiles that it stands on, each once, bases first.
std::vector<Document> resolve_profiles(const std::vector<Pattern>& names,
                                       const ProfileSource& profile_source);

// The names of the profiles that the user chose: on the command line or in a document of their own.
std::vector<Pattern> user_profiles(const Sources& sources);

class Merger {
 public:
  Merger();  // the floor

  void add(const Document& document, Layer layer);

  // From here on the repository's layer can not exceed what the user's document fixes.
  void set_caps(const Document& user);

  const Policy& policy() const { return policy_; }

  // Gives every scope its network, checks names and cycles, and adds the hash. Throws base::Error.
  Policy finish();

 private:
  void add_network(const std::vector<Pattern>& network, Layer layer);
  bool capped(const Pattern& entry) const;

  Policy policy_;
  Document user_;  // empty, if the user has none
  std::vector<Pattern> network_cap_;
};

// The scope "main" where no document has one: with every secret if there are no scopes at all.
Scope main_scope(const Policy& policy);

}  // namespace agentbox::policy
