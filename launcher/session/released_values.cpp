#include "launcher/session/released_values.h"

#include "launcher/values/session_key.h"

namespace agentbox::session {

ReleasedValues::ReleasedValues() : known_(values::SessionKey().view()) {}

void ReleasedValues::add(const std::vector<session::Released>& released) {
  for (const session::Released& one : released) {
    if (one.sensitive) {
      std::uint32_t source = 0;
      {
        const std::lock_guard lock(mutex_);
        source = static_cast<std::uint32_t>(names_.size());
        names_.push_back("secret " + one.name);
      }
      known_.add(one.value.reveal(), one.key(), source);
    }
  }
}

std::size_t ReleasedValues::reach() const {
  return known_.empty() ? 0 : known_.snapshot()->reach();
}

void ReleasedValues::find(std::string_view text,
                          std::vector<view::Secrets::Finding>& findings) const {
  thread_local std::vector<values::Match> matches;
  matches.clear();
  known_.snapshot()->find(text, matches);
  if (matches.empty()) {
    return;
  }
  const std::lock_guard lock(mutex_);
  for (const values::Match& match : matches) {
    findings.push_back({match.offset, match.length, names_.at(match.source)});
  }
}

}  // namespace agentbox::session
