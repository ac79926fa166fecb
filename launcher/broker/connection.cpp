#include "launcher/broker/connection.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

#include "base/passing.h"

namespace agentbox::broker {

bool Allowance::take(Clock::time_point now) {
  const double passed = std::chrono::duration<double>(now - filled_).count();
  tokens_ = std::min(kBurst, tokens_ + passed * kPerSecond);
  filled_ = now;
  if (tokens_ < 1) {
    return false;
  }
  tokens_ -= 1;
  return true;
}

// The time for a message counts from its first byte: one byte every four seconds is no progress.
void Connection::set_deadline(Clock::time_point now) {
  const bool busy = in_.pending() || !out_.empty();
  if (!busy) {
    deadline_ = waits_ ? Clock::time_point::max() : now + kIdle;
  } else if (!busy_) {
    deadline_ = now + kPatience;
  }
  busy_ = busy;
}

bool Connection::answer_pending(const Answer& answer, Allowance& allowance, Clock::time_point now) {
  while (out_.empty()) {
    const auto message = in_.next();
    if (!message) {
      return !in_.broken();
    }
    if (!allowance.take(now)) {
      return false;
    }
    const auto answered = answer(*message, std::exchange(descriptors_, {}));
    if (!answered) {
      continue;
    }
    out_ = frame(*answered);
    // The next message, and its answer, have their own time.
    busy_ = false;
    if (!flush()) {
      return false;
    }
  }
  return true;
}

bool Connection::on_readable(const Answer& answer, Allowance& allowance, Clock::time_point now) {
  char buffer[16384];
  const ssize_t n = base::receive_passing(fd_.get(), buffer, descriptors_);
  if (n < 0) {
    return errno == EAGAIN;
  }
  if (n == 0 || descriptors_.size() > base::kMostPassed) {
    return false;
  }
  in_.add({buffer, static_cast<std::size_t>(n)});
  const bool keep = answer_pending(answer, allowance, now);
  set_deadline(now);
  return keep;
}

bool Connection::on_writable(const Answer& answer, Allowance& allowance, Clock::time_point now) {
  const bool keep = flush() && answer_pending(answer, allowance, now);
  set_deadline(now);
  return keep;
}

bool Connection::post(const nlohmann::json& message, Clock::time_point now) {
  out_ += frame(message);
  const bool sent = flush() && out_.size() <= kMostUnread;
  set_deadline(now);
  return sent;
}

void Connection::keep(bool waits, Clock::time_point now) {
  waits_ = waits;
  set_deadline(now);
}

// False: the peer is gone.
bool Connection::flush() {
  while (!out_.empty()) {
    const ssize_t n = ::send(fd_.get(), out_.data(), out_.size(), MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) {
      continue;
    }
    if (n < 0) {
      return errno == EAGAIN;
    }
    out_.erase(0, static_cast<std::size_t>(n));
  }
  return true;
}

}  // namespace agentbox::broker
