#include "launcher/session/explain.h"

#include <sys/stat.h>

#include <optional>

#include "base/encode.h"
#include "base/error.h"
#include "base/number.h"
#include "launcher/session/paths.h"
#include "launcher/session/system.h"
#include "policy/content_rules.h"
#include "policy/file_rules.h"
#include "policy/network_rules.h"

namespace agentbox::session {

namespace {

void set_rule(Explanation& explanation, const policy::Pattern* rule) {
  if (rule != nullptr) {
    explanation.rule = rule->text;
    explanation.place = rule->place.text();
  }
}

std::string list(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) {
    text += (text.empty() ? "" : ", ") + name;
  }
  return text.empty() ? "none" : text;
}

Explanation explain_scope(const policy::Scope& scope, const policy::Policy& policy) {
  std::vector<std::string> network;
  for (const policy::Pattern& entry : scope.network ? *scope.network : policy.network) {
    network.push_back(entry.text);
  }
  return {.subject = scope.name,
          .decision = "scope",
          .rule = {},
          .place = scope.place.text(),
          .detail = "secrets: " + list(scope.secrets) + "; may spawn: " + list(scope.spawn) +
                    "; network: " + list(network),
          .detect = {},
          .write_secrets = {}};
}

Explanation explain_host(const std::string& subject, const std::string& host,
                         std::optional<std::uint16_t> port, const policy::Policy& policy) {
  const policy::NetworkRules rules(policy.network);
  const policy::NetworkRule* rule = port ? rules.judge_name(host, *port) : rules.judge_name(host);
  Explanation explanation;
  explanation.subject = subject;
  if (rule == nullptr) {
    explanation.decision = "refused";
    explanation.detail = "no entry of \"network\" names it";
    return explanation;
  }
  explanation.decision = rule->deny ? "refused" : "allowed";
  explanation.detail =
      rule->deny ? "an entry that starts with \"!\" wins over all others"
                 : "reached through the relay; addresses that are local are refused all the same";
  set_rule(explanation, &rule->source);
  return explanation;
}

const char* name_of(policy::WriteSecrets choice) {
  switch (choice) {
    case policy::WriteSecrets::kAllow:
      return "allow";
    case policy::WriteSecrets::kMask:
      return "mask";
    case policy::WriteSecrets::kDeny:
      return "deny";
  }
  return "";
}

Explanation::Choice choice_of(const char* name, const policy::Pattern* rule) {
  return {.choice = name,
          .rule = rule == nullptr ? "" : rule->text,
          .place = rule == nullptr ? "" : rule->place.text()};
}

// `path` in terms of the rules: relative to the project, or of the home with "~/".
void explain_contents(const std::string& path, bool searched, bool writable, Tier tier,
                      const policy::Policy& policy, Explanation& explanation) {
  const policy::ContentRules rules(policy);
  const policy::ContentDecision decision = rules.judge(path);
  if (searched) {
    explanation.detect = choice_of(policy::detect_name(decision.detect), decision.detect_rule);
  }
  if (writable && tier == Tier::kLive) {
    explanation.write_secrets = choice_of(name_of(decision.write_secrets), decision.write_rule);
  }
}

Explanation explain_in_project(const std::string& path, const std::string& subject,
                               const Project& project, const policy::Policy& policy, Tier tier,
                               Asker asker) {
  struct stat status = {};
  const bool directory = asker == Asker::kBox
                             ? path.back() == '/'
                             : ::lstat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode);
  const policy::FileDecision decision =
      policy::FileRules(policy).judge(relative_to(path, project.root), directory);
  const bool masks = tier == Tier::kMasks;
  constexpr const char* kCovered = "covered by a mask: its name is listed, nobody can open it";
  Explanation explanation;
  explanation.subject = subject;
  bool searched = !directory;
  switch (decision.action) {
    case policy::FileAction::kShow:
      explanation.decision = decision.readonly ? "read-only" : "shown";
      explanation.detail = decision.readonly ? "the box may read it, not change it, nor create it"
                                             : "the box may read and change it";
      break;
    case policy::FileAction::kHide:
      searched = false;
      [[fallthrough]];
    case policy::FileAction::kHideUnlessReferences:
      explanation.decision = "hidden";
      explanation.detail = masks ? kCovered : "does not exist in the box, under any name";
      break;
    case policy::FileAction::kHideIfCredential:
      explanation.decision = "hidden if it holds a credential";
      explanation.detail = "judged by its content each time it changes";
      break;
    case policy::FileAction::kRedact:
      searched = false;
      explanation.decision = masks ? "hidden" : "redacted";
      explanation.detail = masks ? std::string(kCovered) + "; masks do not redact in place"
                                 : "same length, every value replaced, read-only";
      break;
  }
  set_rule(explanation, decision.rule != nullptr ? decision.rule : decision.readonly_rule);
  const bool writable = decision.action == policy::FileAction::kShow && !decision.readonly;
  explain_contents(relative_to(path, project.root), searched, writable && !directory, tier, policy,
                   explanation);
  return explanation;
}

Explanation explain_in_home(const std::string& path, const std::string& subject,
                            const std::string& home, const policy::Policy& policy, Tier tier) {
  Explanation explanation;
  explanation.subject = subject;
  bool writable = true;
  switch (policy::HomeRules(policy).judge(relative_to(path, home))) {
    case policy::HomeAccess::kScratch:
      explanation.decision = "scratch";
      explanation.detail = "the box sees a private home here, not yours";
      break;
    case policy::HomeAccess::kAncestor:
      explanation.decision = "partly";
      explanation.detail = "only what \"home\" lists below it is yours";
      break;
    case policy::HomeAccess::kRead:
      writable = false;
      explanation.decision = "read-only";
      explanation.detail = "your own, listed in \"home\": {\"read\"}";
      break;
    case policy::HomeAccess::kWrite:
      explanation.decision = "shown";
      explanation.detail = "your own, listed in \"home\": {\"write\"}";
      break;
  }
  explain_contents("~/" + relative_to(path, home), false, writable, tier, policy, explanation);
  return explanation;
}

bool looks_like_host(const std::string& host) {
  return host.find('.') != std::string::npos || host == "localhost";
}

}  // namespace

std::string explained_path(const std::string& subject, const Project& project,
                           const std::string& home) {
  if (subject == "~" || subject.rfind("~/", 0) == 0) {
    return subject.size() < 3 ? home : join(home, subject.substr(2));
  }
  std::string path = subject;
  if (path.rfind("./", 0) == 0) {
    path.erase(0, 2);
  }
  if (path.empty() || path == ".") {
    return project.working_directory;
  }
  return path.front() == '/' ? path : join(project.working_directory, path);
}

Explanation explain(const Project& project, const std::string& home, const policy::Policy& policy,
                    const std::string& subject, Tier tier, Asker asker) {
  if (const auto scope = policy.scopes.find(subject); scope != policy.scopes.end()) {
    return explain_scope(scope->second, policy);
  }
  const std::string path = explained_path(subject, project, home);
  struct stat status = {};
  const bool exists = asker == Asker::kUser && ::lstat(path.c_str(), &status) == 0;
  if (!exists && subject.find('/') == std::string::npos) {
    const std::size_t colon = subject.rfind(':');
    const auto host = policy::canonical_host(subject.substr(0, colon));
    const auto port = colon == std::string::npos
                          ? std::nullopt
                          : base::parse_number(subject.substr(colon + 1), 65535);
    if (host && (port || (colon == std::string::npos && looks_like_host(*host) &&
                          subject.front() != '.'))) {
      return explain_host(subject, *host,
                          port ? std::optional(static_cast<std::uint16_t>(*port)) : std::nullopt,
                          policy);
    }
  }
  if (is_below(path, project.root)) {
    return explain_in_project(path, subject, project, policy, tier, asker);
  }
  if (is_below(path, home)) {
    return explain_in_home(path, subject, home, policy, tier);
  }
  const bool shown = system_shows(policy, path);
  Explanation explanation;
  explanation.subject = subject;
  explanation.decision = shown ? "read-only" : "absent";
  explanation.detail = shown ? "part of the system that every box sees"
                             : "outside the project, the home and the system: no box sees it";
  return explanation;
}

}  // namespace agentbox::session
