// A notice on the user's desktop.
#pragma once

#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace agentbox::session {

// By notify-send(1) of the system's own directories, with an environment of what it needs to find
// the desktop and nothing else. Thread-safe.
class Notice {
 public:
  Notice();
  ~Notice();
  Notice(const Notice&) = delete;
  Notice& operator=(const Notice&) = delete;

  // Whether there is a desktop and a program to reach it.
  bool possible() const { return !program_.empty(); }
  // Returns at once; at most one at a time, others are left out. Text without markup.
  void show(const std::string& title, const std::string& text);

 private:
  std::string program_;
  std::vector<std::string> environment_;
  std::mutex mutex_;
  std::thread running_;
  bool busy_ = false;
};

}  // namespace agentbox::session
