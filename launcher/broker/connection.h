// One connection from a box: bytes in, answers out, within bounds.
#pragma once

#include <chrono>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "base/unique_fd.h"
#include "launcher/broker/frame.h"

namespace agentbox::broker {

using Clock = std::chrono::steady_clock;

// How many requests may come: one allowance for all connections of a box. Not thread-safe.
class Allowance {
 public:
  // False: there have been too many.
  bool take(Clock::time_point now);

 private:
  double tokens_ = kBurst;
  Clock::time_point filled_ = Clock::now();

  static constexpr double kBurst = 100;
  static constexpr double kPerSecond = 50;
};

// Not thread-safe.
class Connection {
 public:
  // Answers a message and the descriptors that came with it. nullopt: the answer is posted later.
  using Answer = std::function<std::optional<nlohmann::json>(
      const std::string& message, std::vector<base::UniqueFd> descriptors)>;

  explicit Connection(base::UniqueFd fd) : fd_(std::move(fd)) {}

  // Reads what is there and answers it. False: close the connection.
  bool on_readable(const Answer& answer, Allowance& allowance, Clock::time_point now);
  // Sends what the peer takes, then goes on with what had been read. False: close the connection.
  bool on_writable(const Answer& answer, Allowance& allowance, Clock::time_point now);
  // Sends what was not asked for just now. False: close the connection.
  bool post(const nlohmann::json& message, Clock::time_point now);
  // While it waits for something of its own, its silence is no reason to close it.
  void keep(bool waits, Clock::time_point now);

  int fd() const { return fd_.get(); }
  // Nothing is read while an answer waits, so that a peer that does not read holds no memory.
  bool wants_write() const { return !out_.empty(); }
  bool waits() const { return waits_; }
  Clock::time_point deadline() const { return deadline_; }

 private:
  bool answer_pending(const Answer& answer, Allowance& allowance, Clock::time_point now);
  bool flush();
  void set_deadline(Clock::time_point now);

  base::UniqueFd fd_;
  FrameReader in_;
  std::vector<base::UniqueFd> descriptors_;  // of the message that has begun
  std::string out_;
  bool busy_ = false;   // a message or an answer is on its way
  bool waits_ = false;  // for its children
  Clock::time_point deadline_ = Clock::now() + kIdle;

  static constexpr std::chrono::seconds kPatience{5};
  static constexpr std::chrono::minutes kIdle{5};
  static constexpr std::size_t kMostUnread = 1 << 20;  // bytes
};

}  // namespace agentbox::broker
