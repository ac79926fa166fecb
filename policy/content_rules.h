// Judges what happens when a secret is met in a file's contents, by the effective policy.
#pragma once

#include <string_view>
#include <vector>

#include "policy/glob.h"
#include "policy/policy.h"

namespace agentbox::policy {

// As `files.detect` writes it.
const char* detect_name(Detect choice);

struct ContentDecision {
  Detect detect = Detect::kRedact;
  const Pattern* detect_rule = nullptr;  // null: the default
  WriteSecrets write_secrets = WriteSecrets::kMask;
  const Pattern* write_rule = nullptr;
};

// Thread-safe once made.
class ContentRules {
 public:
  // Throws base::Error (kConfiguration) for a pattern that cannot be read.
  explicit ContentRules(const Policy& policy);
  // The decisions point into it.
  ContentRules(const ContentRules&) = delete;
  ContentRules& operator=(const ContentRules&) = delete;

  // What happens to a file, by its path relative to the project's root, in which a secret is found
  // and into which the box writes one. Asked when contents are met, not at each lookup.
  ContentDecision judge(std::string_view path) const;

  template <typename Choice>
  struct Rule {
    Glob glob;
    Pattern pattern;
    Choice choice;
  };

 private:
  std::vector<Rule<Detect>> detect_;  // the last word first
  std::vector<Rule<WriteSecrets>> write_secrets_;
};

}  // namespace agentbox::policy
