// The supervisor's end of the nursery's line: its questions go to the session's queue of approvals,
// and the boxes it tells of into the roster.
#pragma once

#include <atomic>
#include <cstdint>
#include <list>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <vector>

#include "base/unique_fd.h"
#include "launcher/approvals/queue.h"
#include "launcher/control/roster.h"

namespace agentbox::session {

// Each question waits on a thread of its own: the queue lets few wait, and the nursery asks no
// faster than boxes may be started.
class Liaison {
 public:
  // `socket` is nursery::Nursery::liaison(), not owned. The threads have the caller's signal mask.
  // Throws base::SystemError.
  Liaison(int socket, approvals::Queue& queue, control::Roster& roster);
  // Closes the queue, so that whoever waits is told no, and takes the boxes out of the roster.
  ~Liaison();
  Liaison(const Liaison&) = delete;
  Liaison& operator=(const Liaison&) = delete;

 private:
  struct Waiter {
    std::uint64_t question = 0, request = 0;  // the nursery's number, and the queue's
    std::atomic<bool> done = false;
    std::thread thread;
  };

  void run();
  void take(const nlohmann::json& said, std::vector<base::UniqueFd> passed);
  void ask(const nlohmann::json& said);
  void withdraw(std::uint64_t question);
  void answer(std::uint64_t question, const approvals::Decision& decision) const;
  void enter(const nlohmann::json& said);
  void send(const nlohmann::json& message) const;

  const int socket_;
  approvals::Queue& queue_;
  control::Roster& roster_;
  base::UniqueFd stop_;
  // Of the thread below.
  std::list<Waiter> waiters_;
  std::map<std::string, control::Roster::Place> places_;
  std::thread thread_;
};

}  // namespace agentbox::session
