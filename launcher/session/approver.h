// Carries the nursery's questions to the session's queue of approvals, and the answers back.
#pragma once

#include <atomic>
#include <list>
#include <string>
#include <thread>

#include "base/unique_fd.h"
#include "launcher/approvals/queue.h"

namespace agentbox::session {

// Each question waits on a thread of its own: the queue lets few wait, and the nursery asks no
// faster than boxes may be started.
class Approver {
 public:
  // `socket` is nursery::Nursery::approvals(), not owned. The threads have the caller's signal
  // mask. Throws base::SystemError.
  Approver(int socket, approvals::Queue& queue);
  // Closes the queue: whoever waits is told no.
  ~Approver();
  Approver(const Approver&) = delete;
  Approver& operator=(const Approver&) = delete;

 private:
  struct Waiter {
    std::atomic<bool> done = false;
    std::thread thread;
  };

  void run();
  void decide(const std::string& question);

  const int socket_;
  approvals::Queue& queue_;
  base::UniqueFd stop_;
  std::list<Waiter> waiters_;  // of the thread below
  std::thread thread_;
};

}  // namespace agentbox::session
