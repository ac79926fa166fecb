// What a user types, told apart from what a terminal says by itself. Pure.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace agentbox::terminal {

// The key that is agentbox's own: Ctrl-], also as terminals send it when a program has asked for
// more telling keys (kitty's keyboard protocol; xterm's modifyOtherKeys).
struct KeyPress {
  std::size_t begin = 0, length = 0;  // bytes
};
std::optional<KeyPress> find_reserved_key(std::string_view input);
inline constexpr char kReservedKey = '\x1d';
inline constexpr char kReservedKeyName[] = "Ctrl-]";

// Takes the plain keys out of what comes from a terminal: escape sequences (its answers to queries,
// reports of the mouse, function keys) and pasted text are left out, across any split of reads. So
// nothing that a box made the terminal say passes for a key.
class PlainKeys {
 public:
  std::string feed(std::string_view input);
  // Whether the terminal has answered the question for its primary attributes (ESC [ c): it answers
  // in order, so all that was asked before has been answered, too.
  bool attributes_answered() const { return answered_; }

 private:
  enum class Where { kPlain, kEscape, kControl, kShift, kString, kStringEscape, kReport };

  void end_control(char final, std::string& keys);

  Where where_ = Where::kPlain;
  std::string parameters_;  // of a control sequence; its first bytes
  int left_ = 0;            // characters of a mouse report
  bool pasting_ = false, answered_ = false;
};

}  // namespace agentbox::terminal
