#include "launcher/broker/connection.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

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
    deadline_ = now + kIdle;
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
    out_ = frame(answer(*message));
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
  const ssize_t n = ::recv(fd_.get(), buffer, sizeof buffer, 0);
  if (n < 0) {
    return errno == EAGAIN || errno == EINTR;
  }
  if (n == 0) {
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
