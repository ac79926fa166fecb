// Who answers for this session, and how it is recorded.
#pragma once

#include <atomic>
#include <chrono>
#include <string>

#include "launcher/approvals/queue.h"
#include "launcher/control/server.h"
#include "launcher/session/notice.h"
#include "launcher/session/recorder.h"
#include "launcher/terminal/questions.h"

namespace agentbox::session {

// The queue of one session, with the three ways to its user: the terminal (as terminal::Questions),
// `agentbox approve` over the control socket, and a notice on the desktop, which only informs.
class Approvals : public terminal::Questions {
 public:
  // `user` is the name for the log. `terminal`: the relay will ask in the session's own terminal.
  // Keeps a reference to `recorder`.
  Approvals(std::string user, bool terminal, Recorder& recorder);

  // Nobody may wait in the queue any more.
  ~Approvals() override { queue_.close(); }
  Approvals(const Approvals&) = delete;
  Approvals& operator=(const Approvals&) = delete;

  // For whom a box's request has to wait: from any thread, see approvals::Queue::decide().
  approvals::Queue& queue() { return queue_; }

  // "pending" {"attend": bool} gives {"requests": […]} and with `attend` says that somebody is
  // there to answer; "answer" {"id": N, "yes": bool} answers one. They keep a reference to this.
  void add_to(control::Handlers& handlers);

  int changed() const override { return queue_.changed(); }
  std::optional<terminal::Question> first() override;
  void answer(std::uint64_t id, bool yes) override;

 private:
  bool attended() const;
  void record(const approvals::Pending& pending, approvals::Outcome outcome,
              const std::string& actor);

  const std::string user_;
  const bool terminal_;
  Recorder& recorder_;
  Notice notice_;
  std::atomic<std::chrono::steady_clock::rep> attended_until_ = 0;
  approvals::Queue queue_;
};

}  // namespace agentbox::session
