// Moves bytes between the user and the command, masked, until the command is gone.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "base/unique_fd.h"
#include "launcher/terminal/masker.h"

namespace agentbox::terminal {

// The command as the relay sees it (a box; a test's own process).
class Process {
 public:
  enum class Change { kStopped, kContinued, kExited };
  struct Event {
    Change change;
    int status;  // as waitpid(2) gives it
  };
  virtual ~Process() = default;
  virtual int event_descriptor() const = 0;  // readable: next_event() has something
  virtual std::optional<Event> next_event() = 0;
  virtual void signal(int number) = 0;
};

struct Streams {
  int user_input = 0, user_output = 1, user_error = 2;  // not owned
  base::UniqueFd terminal;              // PTY master; or
  base::UniqueFd input, output, error;  // pipes
};

// Blocks until the command has ended and its output is drained; returns its wait status. With a
// PTY: raw mode, window size, SIGTSTP/SIGCONT both ways; the user's terminal is restored on every
// way out, also when this process is killed (a small watcher process sees to that). SIGINT, SIGTERM,
// SIGHUP and SIGQUIT sent to this process go on to the command; a second SIGTERM 5 s later kills.
// Must run in the main thread; signals it handles must be blocked in all others.
int relay(Streams streams, Process& process, const MaskSet& masks);

}  // namespace agentbox::terminal
