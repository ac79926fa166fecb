// Blocking look-ups, away from the serving thread.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "launcher/egress/upstream.h"

namespace agentbox::egress {

// At most kThreads at once, the rest wait their turn; a thread ends when nothing waits. The threads
// are detached because getaddrinfo(3) cannot be interrupted, and a session must not wait for a dead
// name server in order to end.
class Lookups {
 public:
  static constexpr unsigned kThreads = 8;

  explicit Lookups(std::function<Resolution(const std::string&)> resolve);
  // After this no `done` is called any more, and none is running.
  ~Lookups();
  Lookups(const Lookups&) = delete;
  Lookups& operator=(const Lookups&) = delete;

  // `done` is called from another thread, and must not block.
  void start(std::string host, std::function<void(Resolution)> done);

 private:
  struct State;
  static void work(const std::shared_ptr<State>& state);
  std::shared_ptr<State> state_;
};

}  // namespace agentbox::egress
