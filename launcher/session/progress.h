// A line about work that takes long, on a terminal.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <mutex>
#include <string>
#include <thread>

namespace agentbox::session {

// Shows the count on standard error from 300 ms after its construction to its destruction, and
// leaves nothing behind. Its thread has the signal mask of its maker's.
class Progress {
 public:
  // `what` must hold no control characters.
  explicit Progress(std::string what);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  std::atomic<std::size_t>& count() { return count_; }

 private:
  void show();

  const std::string what_;
  std::atomic<std::size_t> count_{0};
  std::mutex mutex_;
  std::condition_variable changed_;
  bool done_ = false;
  std::thread thread_;
};

}  // namespace agentbox::session
