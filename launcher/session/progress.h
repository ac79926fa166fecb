// A line about work that takes long, on a terminal.
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <thread>

namespace agentbox::session {

// Shows a text on standard error from 300 ms after its construction to its destruction, and leaves
// nothing behind. Its thread has the signal mask of its maker's.
class Progress {
 public:
  // Called from the thread, ten times a second: what to show, without control characters. Nothing
  // is shown while it is empty.
  explicit Progress(std::function<std::string()> text);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

 private:
  void show();

  const std::function<std::string()> text_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool done_ = false;
  std::thread thread_;
};

}  // namespace agentbox::session
