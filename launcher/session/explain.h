// "Why?": which rule decides, and where it stands.
#pragma once

#include <string>
#include <vector>

#include "launcher/session/project.h"
#include "policy/policy.h"

namespace agentbox::session {

struct Explanation {
  std::string subject;   // what was asked
  std::string decision;  // "hidden", "allowed", …
  std::string rule;      // the pattern, empty if none names it
  std::string place;     // file:line:column
  std::string detail;    // what that means in a box
};

// For whom: the user, or a box, for which no file is looked at: whether a hidden one exists is not
// for it to learn. A path that ends in a slash is a directory then.
enum class Asker { kUser, kBox };

// `subject` is a scope's name, "host[:port]", or a path (absolute, "~/…", or relative to where the
// user stands). Throws Error for one that is none of these.
Explanation explain(const Project& project, const std::string& home, const policy::Policy& policy,
                    const std::string& subject, Asker asker = Asker::kUser);

}  // namespace agentbox::session
