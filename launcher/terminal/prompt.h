// A question of agentbox's own on the user's terminal, while the command's output is held back.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "launcher/terminal/keys.h"
#include "launcher/terminal/modes.h"
#include "launcher/terminal/questions.h"
#include "launcher/terminal/user_terminal.h"

namespace agentbox::terminal {

// The line that says that something waits: on the last row, the cursor back where it was.
std::string announcement(const Question& question, unsigned rows, unsigned columns);

// On a screen of its own from the constructor to close(). Not thread-safe.
class Prompt {
 public:
  enum class Reply {
    kNone,
    kYes,
    kNo,
    kLater,
    kKey,  // the reserved key once more: it is for the command
  };

  // Draws. `modes`: what the command has switched on. Without a question, says that nothing waits.
  Prompt(UserTerminal& terminal, Modes modes, unsigned rows, unsigned columns,
         std::optional<Question> question);

  // What was typed. The first quarter of a second, or until the terminal has answered all that the
  // command may have asked it, does not count.
  Reply take(std::string_view typed);
  // The command's screen again, or an empty one that it has to draw anew: needs_redraw().
  void close();
  bool needs_redraw() const { return alternate_; }

  const std::optional<Question>& question() const { return question_; }

 private:
  using Clock = std::chrono::steady_clock;

  std::string body(unsigned rows, unsigned columns);

  UserTerminal& terminal_;
  const Modes modes_;
  const bool alternate_;
  const std::optional<Question> question_;
  bool shown_ = true;  // whole: else it cannot be answered here
  PlainKeys keys_;
  const Clock::time_point open_since_ = Clock::now();
};

}  // namespace agentbox::terminal
