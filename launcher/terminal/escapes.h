// Keeps a box from reprogramming the user's terminal: drops the few escape sequences that reach
// beyond the screen (docs/terminal.md lists them), passes all others, across any split of reads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "launcher/terminal/modes.h"
#include "resolver/secret.h"

namespace agentbox::terminal {

// One stream towards one terminal (ECMA-48; xterm ctlseqs). Every ESC is judged, also inside a
// string that is being passed: what this class and a terminal may read differently is never how a
// sequence slips by. Works before the masker, so that a dropped sequence in the middle of a value
// does not hide the value. Not thread-safe.
class EscapeFilter {
 public:
  // Sequences longer than this are dropped, but for images (sixel), which pass as they come.
  static constexpr std::size_t kLongest = 8192;  // bytes

  // Writes what passes to `out`, which holds at least room_for(input.size()) bytes; returns its
  // length. An unfinished sequence waits for the next call (and is dropped if there is none).
  static constexpr std::size_t room_for(std::size_t size) { return 2 * size + kLongest; }
  std::size_t feed(std::string_view input, std::span<char> out);

  // What the sequences that passed have left switched on.
  Modes modes() const { return modes_; }
  // How many sequences passed that a terminal answers by typing.
  std::uint64_t queries() const { return queries_; }
  // Whether the stream stands inside an image: ESC \ ends it.
  bool inside_string() const { return where_ == Where::kImage; }

 private:
  enum class Where { kText, kEscape, kControl, kString, kImage, kDiscard };

  void take(unsigned char byte);
  void take_text(unsigned char byte);
  void take_escape(unsigned char byte);
  void take_control(unsigned char byte);
  void take_string(unsigned char byte);
  void begin(Where where, unsigned char introducer);
  void keep(unsigned char byte);
  void pass_kept(std::string_view terminator);
  bool allow_control(unsigned char final);
  bool allow_command();
  bool allow_graphics();
  bool allow_device_string(unsigned char final);
  void note_private_modes(std::string_view parameters, bool on);
  std::string_view kept() const { return buffer_.reveal().substr(0, kept_size_); }

  void put(unsigned char byte) { *out_++ = static_cast<char>(byte); }

  Where where_ = Where::kText;
  unsigned char introducer_ = 0;  // of the string: ']' OSC, 'P' DCS, '_' APC, '^' PM, 'X' SOS
  int continuation_ = 0;          // UTF-8 bytes that must follow
  bool after_c2_ = false;         // UTF-8 lead byte of U+0080 to U+00BF, not passed yet
  char* out_ = nullptr;
  resolver::Secret buffer_{kLongest};  // parameters and text; a value may be among them
  std::size_t kept_size_ = 0;
  Modes modes_ = 0;
  std::uint64_t queries_ = 0;
};

}  // namespace agentbox::terminal
