#include "launcher/egress/refusals.h"

namespace agentbox::egress {

bool Refusals::admit(const Connection& refusal, Clock::time_point now) {
  if (!opened_) {
    opened_ = now;
  }
  std::string key = refusal.subject + '\n' + refusal.reason;
  if (listed_.contains(key) || listed_.size() == kListed) {
    ++counted_;
    return false;
  }
  listed_.insert(std::move(key));
  return true;
}

std::optional<Connection> Refusals::summary(Clock::time_point now, bool end) {
  if (!opened_ || (!end && now - *opened_ < kWindow)) {
    return std::nullopt;
  }
  opened_.reset();
  listed_.clear();
  if (counted_ == 0) {
    return std::nullopt;
  }
  Connection summary;
  summary.subject = "*";
  summary.reason =
      std::to_string(counted_) + " more refusals within a minute, repeated or too many to list";
  counted_ = 0;
  return summary;
}

}  // namespace agentbox::egress
