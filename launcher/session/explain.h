// "Why?": which rule decides, and where it stands.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "launcher/session/project.h"
#include "launcher/session/tier.h"
#include "policy/policy.h"

namespace agentbox::session {

struct Explanation {
  std::string subject;   // what was asked
  std::string decision;  // "hidden", "allowed", …
  std::string rule;      // the pattern, empty if none names it
  std::string place;     // file:line:column
  std::string detail;    // what that means in a box

  // What the policy says of a file's contents; without a rule it is the default.
  struct Choice {
    std::string choice, rule, place;
  };
  // "redact": what follows where a secret is found in it. Only of what is searched.
  std::optional<Choice> detect;
  // "mask": what follows where the box writes a value into it that it was given.
  std::optional<Choice> write_secrets;
};

// For whom: the user, or a box, for which no file is looked at: whether a hidden one exists is not
// for it to learn. A path that ends in a slash is a directory then.
enum class Asker { kUser, kBox };

// `subject` is a scope's name, "host[:port]", or a path (absolute, "~/…", or relative to where the
// user stands). Throws Error for one that is none of these.
Explanation explain(const Project& project, const std::string& home, const policy::Policy& policy,
                    const std::string& subject, Tier tier, Asker asker = Asker::kUser);

// The absolute path that `subject` names for explain().
std::string explained_path(const std::string& subject, const Project& project,
                           const std::string& home);

}  // namespace agentbox::session
