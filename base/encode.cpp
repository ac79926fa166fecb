#include "base/encode.h"

#include <cstdint>
#include <cstdio>

namespace agentbox::base {

namespace {

// Length of the well-formed UTF-8 sequence at the front of `text`, 0 if there is none;
// `point` receives the code point.
std::size_t sequence(std::string_view text, std::uint32_t& point) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(0);
  std::size_t length = 0;
  std::uint32_t least = 0;
  if (first < 0x80) {
    point = first;
    return 1;
  }
  if ((first & 0xe0) == 0xc0) {
    length = 2, least = 0x80, point = first & 0x1fu;
  } else if ((first & 0xf0) == 0xe0) {
    length = 3, least = 0x800, point = first & 0x0fu;
  } else if ((first & 0xf8) == 0xf0) {
    length = 4, least = 0x10000, point = first & 0x07u;
  } else {
    return 0;
  }
  if (text.size() < length) {
    return 0;
  }
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) {
      return 0;
    }
    point = point << 6 | (byte(i) & 0x3fu);
  }
  const bool surrogate = point >= 0xd800 && point <= 0xdfff;
  return point < least || point > 0x10ffff || surrogate ? 0 : length;
}

// Controls (C0, DEL, C1), line separators and the marks that reorder text (Unicode TR 9).
bool unsafe(std::uint32_t point) {
  return point < 0x20 || (point >= 0x7f && point < 0xa0) || point == 0x061c ||
         (point >= 0x200b && point <= 0x200f) || (point >= 0x2028 && point <= 0x202e) ||
         (point >= 0x2066 && point <= 0x2069) || point == 0xfeff;
}

}  // namespace

std::string hex(std::string_view bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  text.reserve(bytes.size() * 2);
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

std::string printable(std::string_view bytes) {
  std::string text;
  text.reserve(bytes.size());
  char escape[16];
  while (!bytes.empty()) {
    std::uint32_t point = 0;
    const std::size_t length = sequence(bytes, point);
    if (length == 0 || (point < 0x80 && unsafe(point))) {
      std::snprintf(escape, sizeof escape, "\\x%02x", static_cast<unsigned char>(bytes[0]));
      text += escape;
      bytes.remove_prefix(1);
      continue;
    }
    if (unsafe(point)) {
      std::snprintf(escape, sizeof escape, "\\u{%x}", point);
      text += escape;
    } else {
      text += bytes.substr(0, length);
    }
    bytes.remove_prefix(length);
  }
  return text;
}

bool is_utf8(std::string_view bytes) {
  while (!bytes.empty()) {
    std::uint32_t point = 0;
    const std::size_t length = sequence(bytes, point);
    if (length == 0) {
      return false;
    }
    bytes.remove_prefix(length);
  }
  return true;
}

}  // namespace agentbox::base
