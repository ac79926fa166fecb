#include "launcher/session/mask_keeper.h"

#include <utility>

namespace agentbox::session {

std::vector<std::string> MaskKeeper::learn(const std::vector<Released>& released) {
  std::vector<std::string> too_short;
  if (!on_) {
    return too_short;
  }
  const std::lock_guard lock(mutex_);
  terminal::MaskSet next;
  for (const Known& one : known_) {
    next.add(one.name, one.value);
  }
  for (const Released& one : released) {
    if (!one.sensitive) {
      continue;
    }
    if (next.add(one.name, one.value)) {
      resolver::SecretBuilder copy;
      copy.append(one.value.reveal());
      known_.push_back({one.name, copy.take()});
    } else {
      too_short.push_back(one.name);
    }
  }
  next.compile();
  set_.replace(std::move(next));
  return too_short;
}

}  // namespace agentbox::session
