// Keeps a flood of refusals from filling the audit log.
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <unordered_set>

#include "launcher/egress/egress.h"

namespace agentbox::egress {

// In each window the first kListed different refusals pass; repeats and what is beyond are counted
// and become one record at the window's end. A box can ask for a million names a second; each would
// be a synced line. Use from one thread.
class Refusals {
 public:
  using Clock = std::chrono::steady_clock;
  static constexpr std::chrono::seconds kWindow{60};
  static constexpr std::size_t kListed = 64;

  // True if this one is to be reported now.
  bool admit(const Connection& refusal, Clock::time_point now);
  // What was counted, once the window is over (or always, if `end`); nullopt if nothing was.
  std::optional<Connection> summary(Clock::time_point now, bool end = false);

 private:
  std::optional<Clock::time_point> opened_;
  std::unordered_set<std::string> listed_;
  std::size_t counted_ = 0;
};

}  // namespace agentbox::egress
