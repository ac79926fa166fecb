// When the user is told that something waits, and when asked.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string_view>

#include "launcher/terminal/output.h"
#include "launcher/terminal/prompt.h"
#include "launcher/terminal/questions.h"
#include "launcher/terminal/user_terminal.h"

namespace agentbox::terminal {

// The relay's part that speaks for agentbox itself on the terminal that a command uses. Nothing of
// the user's that is meant for it reaches the command, and of the command's output nothing is shown
// meanwhile. Without Questions, all keys are the command's. Not thread-safe.
class Asking {
 public:
  using Clock = std::chrono::steady_clock;

  // `master` is the command's terminal. All of them outlive this; `questions` may be null.
  Asking(Questions* questions, UserTerminal& terminal, int window, int master)
      : questions_(questions), terminal_(terminal), window_(window), master_(master) {}

  // What the relay waits for, besides its own: a descriptor (or -1), and a time.
  int changed() const { return questions_ == nullptr ? -1 : questions_->changed(); }
  void take_change();
  std::optional<Clock::time_point> due() const { return grow_at_; }

  // Whether the command's output is to be left where it is.
  bool holds_output() const { return wanted_ || prompt_; }
  // Shows what is due, once all of the command's output that was begun is written.
  void go_on(const Output& output);

  // How many of the bytes that were typed are the command's: the first so many. `to_command` is set
  // if the reserved key itself is to follow.
  std::size_t take(std::string_view typed, bool& to_command);

  void redraw();  // the window has another size
  void close();   // the command is gone, or stopped

 private:
  void open(Modes modes);
  void leave();

  Questions* const questions_;
  UserTerminal& terminal_;
  const int window_, master_;
  std::optional<Prompt> prompt_;
  bool wanted_ = false;                       // the key was pressed
  std::uint64_t announced_ = 0;               // the last request that was, by id
  std::optional<Question> announce_;          // the one to be announced
  std::optional<Clock::time_point> grow_at_;  // the command's window gets its size back
  Modes modes_ = 0;
};

}  // namespace agentbox::terminal
