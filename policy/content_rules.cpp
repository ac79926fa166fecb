#include "policy/content_rules.h"

#include <algorithm>

#include "policy/content_glob.h"

namespace agentbox::policy {

namespace {

std::vector<std::string_view> split(std::string_view path) {
  std::vector<std::string_view> components;
  while (!path.empty()) {
    const std::size_t slash = std::min(path.find('/'), path.size());
    if (slash > 0) {
      components.push_back(path.substr(0, slash));
    }
    path.remove_prefix(std::min(slash + 1, path.size()));
  }
  return components;
}

template <typename Choice>
std::vector<ContentRules::Rule<Choice>> rules(const std::vector<ChoiceFor<Choice>>& given) {
  std::vector<ContentRules::Rule<Choice>> rules;
  for (const ChoiceFor<Choice>& choice : given) {
    rules.push_back({content_glob(choice.pattern), choice.pattern, choice.choice});
  }
  return rules;
}

// A choice for a directory holds for all in it.
bool names(const Glob& glob, const std::vector<std::string_view>& components) {
  for (std::size_t count = 1; count < components.size(); ++count) {
    if (glob.matches(components, count, Case::kExact)) {
      return true;
    }
  }
  return !glob.directories_only() && !glob.below_only() &&
         glob.matches(components, components.size(), Case::kExact);
}

// The last word; but a repository's is not taken if it is weaker than the user's own.
template <typename Choice>
const ContentRules::Rule<Choice>* choose(const std::vector<ContentRules::Rule<Choice>>& rules,
                                         const std::vector<std::string_view>& components) {
  const ContentRules::Rule<Choice>* repository = nullptr;
  for (const ContentRules::Rule<Choice>& rule : rules) {
    const bool asked = repository == nullptr || rule.pattern.layer == Layer::kUser;
    if (!asked || !names(rule.glob, components)) {
      continue;
    }
    if (repository != nullptr) {
      return rule.choice > repository->choice ? &rule : repository;
    }
    if (rule.pattern.layer != Layer::kRepository) {
      return &rule;
    }
    repository = &rule;
  }
  return repository;
}

}  // namespace

const char* detect_name(Detect choice) {
  switch (choice) {
    case Detect::kOff:
      return "off";
    case Detect::kReport:
      return "report";
    case Detect::kRedact:
      return "redact";
    case Detect::kDeny:
      return "deny";
  }
  return "";
}

ContentRules::ContentRules(const Policy& policy)
    : detect_(rules(policy.files.detect)), write_secrets_(rules(policy.files.write_secrets)) {}

ContentDecision ContentRules::judge(std::string_view path) const {
  const std::vector<std::string_view> components = split(path);
  ContentDecision decision;
  if (components.empty()) {
    return decision;
  }
  if (const auto* rule = choose(detect_, components)) {
    decision.detect = rule->choice;
    decision.detect_rule = &rule->pattern;
  }
  if (const auto* rule = choose(write_secrets_, components)) {
    decision.write_secrets = rule->choice;
    decision.write_rule = &rule->pattern;
  }
  return decision;
}

}  // namespace agentbox::policy
