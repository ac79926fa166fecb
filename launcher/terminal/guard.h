// A small process that puts the user's terminal right if this one is killed.
#pragma once

#include <sys/types.h>
#include <termios.h>

#include <atomic>

#include "launcher/terminal/modes.h"

namespace agentbox::terminal {

// Shared with the guard process, which reads it once this process is gone.
struct GuardState {
  std::atomic<bool> active;  // the terminal is in raw mode on our behalf
  std::atomic<Modes> modes;  // what the command has switched on in it
};

// The guard is a fork(2) without SIGCHLD, in a session of its own, so that no signal of the
// terminal reaches it and job control does not bind it (tcsetattr(3) from a foreign session is
// allowed). It sleeps on this process's pidfd. The destructor ends it. Use from one thread; other
// threads may exist. Throws base::SystemError.
class Guard {
 public:
  // `terminal` is not owned; `settings` are what it is to be restored to.
  Guard(int terminal, const termios& settings);
  ~Guard();
  Guard(const Guard&) = delete;
  Guard& operator=(const Guard&) = delete;

  GuardState& state() { return *state_; }

 private:
  GuardState* state_;
  pid_t process_;
};

}  // namespace agentbox::terminal
