#include "policy/detector/base64.h"

#include <cstdint>

#include "policy/detector/bytes.h"

namespace agentbox::policy::detect {

std::string decode_base64(std::string_view text, std::size_t limit) {
  std::string out;
  std::uint32_t bits = 0;
  int held = 0;
  for (const char c : text) {
    std::uint32_t value = 0;
    if (is(c, kUpper)) {
      value = static_cast<std::uint32_t>(c - 'A');
    } else if (is(c, kLower)) {
      value = static_cast<std::uint32_t>(c - 'a' + 26);
    } else if (is(c, kDigit)) {
      value = static_cast<std::uint32_t>(c - '0' + 52);
    } else if (c == '+' || c == '-') {
      value = 62;
    } else if (c == '/' || c == '_') {
      value = 63;
    } else if (c == '=') {
      break;
    } else {
      return {};
    }
    bits = bits << 6 | value;
    held += 6;
    if (held >= 8) {
      held -= 8;
      if (out.size() == limit) {
        break;
      }
      out += static_cast<char>(bits >> held & 0xff);
    }
  }
  return out;
}

}  // namespace agentbox::policy::detect
