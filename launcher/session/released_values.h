// The values that one session's box was given, as its views look for them in what it writes.
#pragma once

#include <deque>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "launcher/session/release.h"
#include "launcher/values/known_values.h"
#include "launcher/view/secrets.h"

namespace agentbox::session {

// Thread-safe. Outlives the views that use it.
class ReleasedValues final : public view::Released {
 public:
  ReleasedValues();  // throws base::Error if memory cannot be locked

  void add(const std::vector<session::Released>& released);

  std::size_t reach() const override;
  void find(std::string_view text, std::vector<view::Secrets::Finding>& findings) const override;

 private:
  values::KnownValues known_;
  mutable std::mutex mutex_;
  std::deque<std::string> names_;  // none is ever moved
};

}  // namespace agentbox::session
