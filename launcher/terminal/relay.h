// Moves bytes between the user and the command, masked, until the command is gone.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "base/unique_fd.h"
#include "launcher/terminal/masker.h"
#include "launcher/terminal/questions.h"

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

// A PTY is for a user whose input and output are both terminals; pipes are for all else.
struct Streams {
  int user_input = 0, user_output = 1, user_error = 2;  // not owned
  base::UniqueFd terminal;                              // PTY master; or
  base::UniqueFd input, output, error;                  // pipes
  bool messages = false;  // each line of the output is JSON (json_strings.h)
};

// Gives the command's terminal the user's settings (erase character, UTF-8 …) and window size. To
// be called before the command runs: later it may have settings of its own. A `user_input` that is
// no terminal is left alone. Throws base::SystemError.
void adopt_settings(int user_input, int terminal);

// Blocks until the command has ended and its output is drained; returns its wait status. With a
// PTY: raw mode, window size, SIGTSTP/SIGCONT both ways; the user's terminal is restored on every
// way out, also when this process is killed (a small guard process sees to that). When the command
// stops, so does this process's whole process group, as after Ctrl-Z in a shell. What the command
// leaves running in its terminal or pipes is not waited for.
// SIGINT, SIGTERM, SIGHUP, SIGQUIT and SIGTSTP sent to this process go on to the command; a second
// SIGTERM 5 s or more after the first kills it. A user who closes standard output or error closes
// the command's pipe, too.
// Must run in the main thread; signals it handles (those above, SIGCONT, SIGWINCH) must be blocked
// in all others. SIGPIPE is ignored meanwhile. Throws base::Error; whatever `process` throws
// passes.
// With `questions` and a user at a terminal, Ctrl-] is taken out of what the user types: it leads to
// the first of them (docs/approvals.md).
int relay(Streams streams, Process& process, const MaskSet& masks, Questions* questions = nullptr);

}  // namespace agentbox::terminal
