// What a program switched on in the user's terminal, and how to switch it off.
#pragma once

#include <cstdint>
#include <string_view>

namespace agentbox::terminal {

// Bits, so that they fit a word that is shared with the guard process.
using Modes = std::uint32_t;

// The bits of a set or reset of DEC private mode `number` (xterm ctlseqs, "DECSET"): 0 if the mode
// is not one that would disturb a shell.
Modes private_mode(unsigned number);

inline constexpr Modes kCursorHidden = 1U << 0;    // mode 25, reset
inline constexpr Modes kAlternate = 1U << 1;       // 1049
inline constexpr Modes kAlternateOld = 1U << 2;    // 47, 1047
inline constexpr Modes kMouse = 1U << 3;           // 9, 1000 to 1003, 1005, 1006, 1015, 1016
inline constexpr Modes kFocus = 1U << 4;           // 1004
inline constexpr Modes kPaste = 1U << 5;           // 2004
inline constexpr Modes kCursorKeys = 1U << 6;      // 1
inline constexpr Modes kKeypad = 1U << 7;          // ESC =, 66
inline constexpr Modes kNoWrap = 1U << 8;          // mode 7, reset
inline constexpr Modes kSynchronized = 1U << 9;    // 2026
inline constexpr Modes kKittyKeyboard = 1U << 10;  // CSI > u
inline constexpr Modes kOtherKeys = 1U << 11;      // CSI > 4 m
inline constexpr Modes kAttributes = 1U << 12;     // CSI m
inline constexpr Modes kCharset = 1U << 13;        // ESC ( 0, SO
inline constexpr Modes kScrollRegion = 1U << 14;   // CSI r
inline constexpr Modes kColours = 1U << 15;        // OSC 4, 10, 11, 12
inline constexpr Modes kInsert = 1U << 16;         // CSI 4 h
inline constexpr Modes kReverse = 1U << 17;        // mode 5
inline constexpr Modes kOrigin = 1U << 18;         // mode 6
inline constexpr Modes kColourReports = 1U << 19;  // 2031
inline constexpr Modes kSizeReports = 1U << 20;    // 2048
inline constexpr Modes kEveryMode = (1U << 21) - 1;

struct ModeReset {
  Modes mode;
  std::string_view sequence;
};
// The order matters: drawing resumes first, the screen is left before the cursor is shown.
inline constexpr ModeReset kModeResets[] = {
    {kSynchronized, "\033[?2026l"},
    {kOrigin, "\033[?6l"},
    {kScrollRegion, "\0337\033[r\0338"},
    {kMouse, "\033[?9;1000;1001;1002;1003;1005;1006;1015;1016l"},
    {kFocus, "\033[?1004l"},
    {kPaste, "\033[?2004l"},
    {kColourReports, "\033[?2031l"},
    {kSizeReports, "\033[?2048l"},
    // Each screen has its own stack of keyboard flags: once before the screen is left, once after.
    {kKittyKeyboard, "\033[<16u"},
    {kAlternate, "\033[?1049l"},
    {kAlternateOld, "\033[?1047l\033[?47l"},
    {kKittyKeyboard, "\033[<16u"},
    {kOtherKeys, "\033[>4m"},
    {kCursorKeys, "\033[?1l"},
    {kKeypad, "\033>"},
    {kNoWrap, "\033[?7h"},
    {kInsert, "\033[4l"},
    {kReverse, "\033[?5l"},
    {kCharset, "\033(B\033)B\017"},
    {kColours, "\033]104\033\\\033]110\033\\\033]111\033\\\033]112\033\\"},
    {kAttributes, "\033[m"},
    {kCursorHidden, "\033[?25h"},
};

// Calls write(text) for the sequence of each bit. Does not allocate: the guard uses it.
template <typename Write>
void switch_off(Modes modes, Write write) {
  for (const ModeReset& reset : kModeResets) {
    if (modes & reset.mode) {
      write(reset.sequence);
    }
  }
}

}  // namespace agentbox::terminal
