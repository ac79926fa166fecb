#include "launcher/session/released_values.h"

#include "launcher/values/session_key.h"
#include "launcher/values/write_guard.h"

namespace agentbox::session {

ReleasedValues::ReleasedValues() : known_(values::SessionKey().view()) {}

void ReleasedValues::add(const std::vector<session::Released>& released) {
  for (const session::Released& one : released) {
    if (one.sensitive) {
      const std::lock_guard lock(mutex_);
      names_.push_back("secret " + one.name);
      known_.add(one.value.reveal(), one.env, static_cast<std::uint32_t>(names_.size() - 1));
    }
  }
}

std::size_t ReleasedValues::reach() const {
  return known_.empty() ? 0 : known_.snapshot()->reach();
}

void ReleasedValues::check(std::uint64_t offset, std::string_view before, std::string_view bytes,
                           std::string& masked, std::vector<Hit>& hits) const {
  // What stands before is told as a write of its own: whoever wrote it, the value is the box's.
  values::WriteGuard guard(known_, values::WriteGuard::Choice::kMask);
  guard.check(offset - before.size(), {before.data(), before.size()});
  const values::WriteGuard::Result result = guard.check(offset, {bytes.data(), bytes.size()});
  if (result.hits.empty()) {
    return;
  }
  masked.assign(result.bytes.data(), result.bytes.size());
  const std::lock_guard lock(mutex_);
  for (const values::WriteGuard::Hit& hit : result.hits) {
    hits.push_back({hit.offset, hit.written, names_.at(hit.source)});
  }
}

}  // namespace agentbox::session
