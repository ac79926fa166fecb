// Hands records to the session without making the relay wait for the disk under its log.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>

#include "launcher/egress/egress.h"

namespace agentbox::egress {

// Calls `connected` for one record after another, in order, from one thread, which starts with the
// first record. The queue is bounded by who fills it: one record a connection, a few refusals.
class Reports {
 public:
  explicit Reports(std::function<void(const Connection&)> connected);
  ~Reports();
  Reports(const Reports&) = delete;
  Reports& operator=(const Reports&) = delete;

  // `done`, if given, is told whether the call returned; false if it threw. It is called from the
  // reporting thread and must not block.
  void add(Connection connection, std::function<void(bool)> done = nullptr);
  // Delivers what is waiting and ends the thread; records that come later are dropped.
  void finish();

 private:
  void run();

  std::function<void(const Connection&)> connected_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::pair<Connection, std::function<void(bool)>>> waiting_;
  bool ended_ = false;
  std::thread thread_;
};

}  // namespace agentbox::egress
