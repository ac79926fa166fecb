#include "launcher/terminal/escapes.h"

#include <algorithm>
#include <cstring>
#include <optional>

#include "base/number.h"

namespace agentbox::terminal {
namespace {

constexpr unsigned char kEnquiry = 0x05, kBell = 0x07, kShiftOut = 0x0e, kShiftIn = 0x0f;
constexpr unsigned char kCancel = 0x18, kSubstitute = 0x1a, kEscapeByte = 0x1b, kDelete = 0x7f;

bool in(std::string_view set, unsigned char byte) {
  return set.find(static_cast<char>(byte)) != std::string_view::npos;
}

// Printable ASCII and the usual controls: bytes that mean nothing to this filter.
bool is_plain(unsigned char byte) {
  return byte < 0x80 && byte != kEscapeByte && byte != kEnquiry && byte != kShiftOut &&
         byte != kShiftIn;
}

std::optional<std::uint64_t> number(std::string_view text) {
  return base::parse_number(text, 99999);
}

}  // namespace

std::size_t EscapeFilter::feed(std::string_view input, std::span<char> out) {
  out_ = out.data();
  for (std::size_t i = 0; i < input.size();) {
    if (where_ == Where::kText && continuation_ == 0 && !after_c2_) {
      std::size_t end = i;
      while (end < input.size() && is_plain(static_cast<unsigned char>(input[end]))) {
        ++end;
      }
      std::memcpy(out_, input.data() + i, end - i);
      out_ += end - i;
      i = end;
      if (i == input.size()) {
        break;
      }
    }
    take(static_cast<unsigned char>(input[i++]));
  }
  return static_cast<std::size_t>(out_ - out.data());
}

void EscapeFilter::begin(Where where, unsigned char introducer) {
  where_ = where;
  introducer_ = introducer;
  kept_size_ = 0;
}

void EscapeFilter::keep(unsigned char byte) {
  if (kept_size_ == kLongest - 8) {  // with introducer and terminator, still kLongest
    where_ = Where::kDiscard;
    return;
  }
  buffer_.bytes()[kept_size_++] = static_cast<char>(byte);
}

void EscapeFilter::pass_kept(std::string_view terminator) {
  put(kEscapeByte);
  put(introducer_);
  std::memcpy(out_, kept().data(), kept_size_);
  out_ += kept_size_;
  std::memcpy(out_, terminator.data(), terminator.size());
  out_ += terminator.size();
}

void EscapeFilter::take(unsigned char byte) {
  if (byte == kEscapeByte) {
    // Ends a string, too; ST is ESC and a backslash, so the string waits for that.
    if (where_ == Where::kString || where_ == Where::kImage || where_ == Where::kDiscard) {
      take_string(byte);
    } else {
      begin(Where::kEscape, 0);
    }
    after_c2_ = false;
    continuation_ = 0;
    return;
  }
  if (byte == kCancel || byte == kSubstitute) {
    begin(Where::kText, 0);
    put(byte);
    return;
  }
  switch (where_) {
    case Where::kText:
      return take_text(byte);
    case Where::kEscape:
      return take_escape(byte);
    case Where::kControl:
      return take_control(byte);
    case Where::kString:
    case Where::kImage:
    case Where::kDiscard:
      return take_string(byte);
  }
}

// Bytes 0x80 to 0x9f are controls (C1: CSI, OSC, DCS …) to a terminal without UTF-8, and so is
// U+0080 to U+009F to most with it. Nothing but attacks and binary files has them.
void EscapeFilter::take_text(unsigned char byte) {
  if (after_c2_) {
    after_c2_ = false;
    if (byte >= 0xa0 && byte <= 0xbf) {
      put(0xc2);
      put(byte);
      return;
    }
    if (byte >= 0x80 && byte < 0xa0) {
      return;
    }
    put(0xc2);  // not UTF-8 after all
  }
  if (continuation_ > 0 && (byte & 0xc0) == 0x80) {
    --continuation_;
    put(byte);
    return;
  }
  continuation_ = 0;
  if (byte < 0x80) {
    if (byte == kShiftOut) {
      modes_ |= kCharset;
    } else if (byte == kShiftIn) {
      modes_ &= ~kCharset;
    }
    if (byte != kEnquiry) {  // a terminal answers ENQ with a text that its owner chose
      put(byte);
    }
  } else if (byte == 0xc2) {
    after_c2_ = true;
  } else if (byte >= 0xa0) {
    continuation_ = byte >= 0xf0 ? 3 : byte >= 0xe0 ? 2 : byte >= 0xc0 ? 1 : 0;
    put(byte);
  }
}

void EscapeFilter::take_escape(unsigned char byte) {
  if (byte < 0x20) {  // executed at once by a terminal, in the midst of a sequence
    if (byte != kEnquiry) {
      put(byte);
    }
    return;
  }
  if (byte >= 0x80 || byte == kDelete) {
    begin(Where::kText, 0);
    return;
  }
  if (byte < 0x30) {  // intermediate: ESC ( 0
    keep(byte);
    return;
  }
  if (kept_size_ == 0 && byte == '\\' && introducer_ == '\\') {  // of a string, see take_string()
    return begin(Where::kText, 0);
  }
  if (kept_size_ == 0 && byte == '[') {
    return begin(Where::kControl, '[');
  }
  if (kept_size_ == 0 && in("]P_^X", byte)) {
    return begin(in("^X", byte) ? Where::kDiscard : Where::kString, byte);
  }
  if (kept_size_ == 1 && in("()", static_cast<unsigned char>(kept()[0]))) {
    modes_ = byte == 'B' ? modes_ & ~kCharset : modes_ | kCharset;
  } else if (kept_size_ == 0 && (byte == '=' || byte == '>')) {
    modes_ = byte == '=' ? modes_ | kKeypad : modes_ & ~kKeypad;
  } else if (kept_size_ == 0 && byte == 'c') {
    modes_ = 0;
  } else if (kept_size_ == 0 && byte == 'Z') {
    ++queries_;
  }
  put(kEscapeByte);
  std::memcpy(out_, kept().data(), kept_size_);
  out_ += kept_size_;
  put(byte);
  begin(Where::kText, 0);
}

void EscapeFilter::take_control(unsigned char byte) {
  if (byte < 0x20) {
    if (byte != kEnquiry) {
      put(byte);
    }
  } else if (byte >= 0x80) {
    begin(Where::kText, 0);
    take_text(byte);
  } else if (byte < 0x40) {
    keep(byte);
  } else if (byte != kDelete) {
    if (allow_control(byte)) {
      const char final = static_cast<char>(byte);
      pass_kept({&final, 1});
    }
    begin(Where::kText, 0);
  }
}

void EscapeFilter::note_private_modes(std::string_view parameters, bool on) {
  for (std::size_t at = 0; at <= parameters.size();) {
    const std::size_t end = std::min(parameters.find(';', at), parameters.size());
    const auto value = number(parameters.substr(at, end - at));
    const Modes mode = value ? private_mode(static_cast<unsigned>(*value)) : 0;
    // These two are on in a fresh terminal.
    const bool disturbs = mode == kCursorHidden || mode == kNoWrap ? !on : on;
    modes_ = disturbs ? modes_ | mode : modes_ & ~mode;
    at = end + 1;
  }
}

// A control sequence: kept() has its parameters and intermediates.
bool EscapeFilter::allow_control(unsigned char final) {
  const std::string_view text = kept();
  const auto intermediate = std::find_if(text.begin(), text.end(), [](char c) { return c < '0'; });
  const std::string_view parameters =
      text.substr(0, static_cast<std::size_t>(intermediate - text.begin()));
  const std::string_view extra = text.substr(parameters.size());
  const char prefix = !parameters.empty() && parameters[0] >= '<' ? parameters[0] : '\0';
  const bool bare = prefix == '\0' && extra.empty();
  switch (final) {
    case 't': {  // window operations: reports of size, and the stack of titles; no title, no moving
      if (!bare) {
        return false;
      }
      const auto operation = number(parameters.substr(0, parameters.find(';')));
      constexpr std::uint64_t kAllowed[] = {11, 13, 14, 15, 16, 18, 19, 22, 23};
      if (!operation ||
          std::find(std::begin(kAllowed), std::end(kAllowed), *operation) == std::end(kAllowed)) {
        return false;
      }
      queries_ += *operation < 20;
      return true;
    }
    case 'i':  // printer
      return !extra.empty();
    case 'y':  // checksum of a rectangle: reads the screen; ESC [ … $ y is only ever a reply
      return extra.empty();
    case 'c':
      ++queries_;
      return true;
    case 'n':
      queries_ += prefix != '>';
      return true;
    case 'q':
      queries_ += prefix == '>';
      return true;
    case 'p':
      queries_ += extra == "$";
      if (extra == "!") {  // soft reset
        modes_ &= kAlternate | kAlternateOld | kMouse | kPaste | kFocus;
      }
      return true;
    case 'S':
      queries_ += prefix == '?';
      return true;
    case 'x':
    case 'w':
      queries_ += !text.empty();
      return true;
    case 'u':
      if (prefix == '?') {
        ++queries_;
      } else if (prefix == '>' || prefix == '=') {
        modes_ |= kKittyKeyboard;
      } else if (prefix == '<') {
        modes_ &= ~kKittyKeyboard;
      }
      return true;
    case 'h':
    case 'l':
      if (prefix == '?' && extra.empty()) {
        note_private_modes(parameters.substr(1), final == 'h');
      } else if (bare && parameters == "4") {
        modes_ = final == 'h' ? modes_ | kInsert : modes_ & ~kInsert;
      }
      return true;
    case 'm':
      if (prefix == '>') {
        modes_ =
            parameters == ">4" || parameters == ">4;0" ? modes_ & ~kOtherKeys : modes_ | kOtherKeys;
      } else if (bare) {
        modes_ =
            parameters.empty() || parameters == "0" ? modes_ & ~kAttributes : modes_ | kAttributes;
      }
      return true;
    case 'r':
      if (bare) {
        modes_ = parameters.empty() ? modes_ & ~kScrollRegion : modes_ | kScrollRegion;
      }
      return true;
    default:
      return true;
  }
}

void EscapeFilter::take_string(unsigned char byte) {
  if (byte == kEscapeByte || (byte == kBell && introducer_ == ']')) {
    if (where_ == Where::kString) {
      const bool allowed = introducer_ == ']'   ? allow_command()
                           : introducer_ == '_' ? allow_graphics()
                                                : false;
      if (allowed) {
        pass_kept(byte == kBell ? "\a" : "\033\\");
      }
    } else if (where_ == Where::kImage) {
      put(kEscapeByte);
      put('\\');
    }
    if (byte == kEscapeByte) {
      // ST is complete with a backslash; anything else begins the next sequence.
      begin(Where::kEscape, '\\');
    } else {
      begin(Where::kText, 0);
    }
    return;
  }
  if (where_ == Where::kDiscard || byte < 0x20 || byte == kDelete) {
    return;  // controls have no place in a string, and terminals differ about them
  }
  if (where_ == Where::kImage) {
    if (byte < 0x80) {
      put(byte);
    }
    return;
  }
  if (introducer_ == ']') {
    // UTF-8 in a title: all but C1, as in text.
    if (after_c2_) {
      after_c2_ = false;
      if (byte >= 0xa0 && byte <= 0xbf) {
        keep(0xc2);
        keep(byte);
      }
      return;
    }
    if (byte == 0xc2) {
      after_c2_ = true;
      return;
    }
    if (continuation_ > 0 && (byte & 0xc0) == 0x80) {
      --continuation_;
      keep(byte);
      return;
    }
    continuation_ = byte >= 0xf0 ? 3 : byte >= 0xe0 ? 2 : byte >= 0xc0 ? 1 : 0;
    if (byte < 0x80 || byte >= 0xa0) {
      keep(byte);
    }
    return;
  }
  if (byte >= 0x80) {
    where_ = Where::kDiscard;
  } else if (introducer_ == 'P' && byte >= 0x40) {
    keep(byte);
    if (allow_device_string(byte)) {
      pass_kept({});
      where_ = Where::kImage;
    } else {
      where_ = Where::kDiscard;
    }
  } else {
    keep(byte);
  }
}

// An operating system command (OSC).
bool EscapeFilter::allow_command() {
  const std::string_view text = kept();
  const std::string_view head = text.substr(0, text.find(';'));
  const std::string_view rest = head.size() < text.size() ? text.substr(head.size() + 1) : "";
  const auto command = number(head);
  if (!command) {
    return false;
  }
  switch (*command) {
    case 0:  // titles
    case 1:
    case 2:
    case 22:   // pointer shape
    case 99:   // notification (kitty)
    case 133:  // prompt marks
    case 777:  // notification (urxvt)
    case 104:
    case 105:
      return true;
    case 8: {  // hyperlink: parameters ; address. No file:, no scheme that starts a program.
      const std::size_t at = rest.find(';');
      if (at == std::string_view::npos) {
        return false;
      }
      const std::string_view address = rest.substr(at + 1);
      return address.empty() || address.starts_with("https://") || address.starts_with("http://") ||
             address.starts_with("mailto:");
    }
    case 9:  // a notification, or ConEmu's commands, of which only 4 (progress) is harmless
      return rest.starts_with("4;") || rest == "4" ||
             (!rest.empty() && !(rest[0] >= '0' && rest[0] <= '9'));
    case 4:
    case 5:
    case 21:
      break;
    default:
      if ((*command >= 10 && *command <= 19) || (*command >= 110 && *command <= 119)) {
        break;
      }
      return false;
  }
  if (rest.find('?') != std::string_view::npos) {  // colours: the answer is one
    ++queries_;
  } else if (*command < 100) {
    modes_ |= kColours;
  }
  return true;
}

// An application command (APC): kitty's graphics, with the data in the sequence (t=d), not in a
// file or a shared memory object, which the terminal would read and even delete.
bool EscapeFilter::allow_graphics() {
  const std::string_view text = kept();
  if (!text.starts_with('G')) {
    return false;
  }
  std::string_view keys = text.substr(1, std::min(text.find(';'), text.size()) - 1);
  while (!keys.empty()) {
    const std::string_view key = keys.substr(0, keys.find(','));
    if (key.starts_with("t=") && key != "t=d") {
      return false;
    }
    keys.remove_prefix(std::min(key.size() + 1, keys.size()));
  }
  ++queries_;
  return true;
}

// A device control string (DCS), up to its final byte: sixel images, the terminfo query (answered
// in hexadecimal) and synchronized updates pass. Status strings (DECRQSS), user-defined keys, fonts
// and the passthrough of screen and tmux do not.
bool EscapeFilter::allow_device_string(unsigned char final) {
  const std::string_view text = kept().substr(0, kept_size_ - 1);
  if (final == 'q' && text == "+") {
    ++queries_;
    return true;
  }
  if (final == 's') {
    return text == "=1" || text == "=2";
  }
  return final == 'q' && text.find_first_not_of("0123456789;") == std::string_view::npos;
}

}  // namespace agentbox::terminal
