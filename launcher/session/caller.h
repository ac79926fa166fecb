// The box that has asked for this one, at the other end of the link (launcher/broker/spawning.h).
#pragma once

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/unique_fd.h"
#include "launcher/box/box.h"

namespace agentbox::session {

// Not thread-safe.
class Caller {
 public:
  // `session` is readable when the box has to end for the session's sake. A detached box tells its
  // caller that it has started, and is then alone.
  Caller(base::UniqueFd link, int session, nlohmann::json receipt, bool detached);

  void started();
  void ended(int wait_status);
  // Why there is no box; what names things outside of boxes is left to the log.
  void refused(const base::Error& error);

  // Readable when listen() has something to do; the first is -1 for a detached box.
  int link() const { return link_.get(); }
  int session() const { return session_; }
  // Whether the caller or the session is gone.
  bool gone() const;
  // Does what the caller says. `terminal` is the PTY's master, or -1. False: the box has to end.
  bool listen(box::Box& box, int terminal) const;

 private:
  void say(const nlohmann::json& message) const;

  base::UniqueFd link_;
  int session_;
  nlohmann::json receipt_;
  bool detached_;
};

}  // namespace agentbox::session
