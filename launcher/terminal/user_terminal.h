// The user's own terminal while a command in a box uses it.
#pragma once

#include <termios.h>

#include <optional>
#include <string_view>

#include "launcher/terminal/guard.h"

namespace agentbox::terminal {

// Raw from the constructor to the destructor, but for suspend() … resume(). Afterwards, settings
// and modes are as they were and what the terminal still had to answer is gone, whatever ended this
// process (Guard). Not thread-safe.
class UserTerminal {
 public:
  // `input` and `output` are the terminal, opened for reading and for writing; not owned. In a
  // background job this stops the process until the job is in the foreground (SIGTTOU).
  // Throws base::SystemError.
  UserTerminal(int input, int output);
  ~UserTerminal();
  UserTerminal(const UserTerminal&) = delete;
  UserTerminal& operator=(const UserTerminal&) = delete;

  void suspend();  // back to the user's settings; modes stay
  void resume();   // raw again; throws base::SystemError
  bool suspended() const { return suspended_; }

  // What the command has switched on; and that it asked the terminal something just now.
  void note_modes(Modes modes) { guard_->state().modes.store(modes); }
  // A string sequence (an image) has begun and not ended.
  void note_open_string(bool open) { open_string_ = open; }
  void note_query() { queried_ = true; }

  // Writes a text of agentbox's own; waits for a terminal that is slow.
  void show(std::string_view text) const;
  // Ends an image that the command has begun.
  void end_string();

 private:
  void swallow_answers();

  int input_, output_;
  termios settings_{};
  std::optional<Guard> guard_;
  bool suspended_ = true, queried_ = false, open_string_ = false;
};

}  // namespace agentbox::terminal
