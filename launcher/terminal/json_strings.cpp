#include "launcher/terminal/json_strings.h"

#include <sodium.h>

#include <cstdint>
#include <cstring>
#include <optional>

namespace agentbox::terminal {
namespace {

// Wiped, as far as its own memory goes: room for the longest is made before.
class Buffer {
 public:
  explicit Buffer(std::size_t room) { text.reserve(room); }
  ~Buffer() { sodium_memzero(text.data(), text.size()); }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;

  std::string text;
};

std::optional<std::uint32_t> code_unit(std::string_view digits) {
  std::uint32_t value = 0;
  if (digits.size() < 4) {
    return std::nullopt;
  }
  for (const char c : digits.substr(0, 4)) {
    const int digit = c >= '0' && c <= '9'   ? c - '0'
                      : c >= 'a' && c <= 'f' ? c - 'a' + 10
                      : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                             : -1;
    if (digit < 0) {
      return std::nullopt;
    }
    value = value << 4 | static_cast<std::uint32_t>(digit);
  }
  return value;
}

void append_utf8(std::uint32_t code, std::string& out) {
  const auto put = [&](std::uint32_t byte) { out += static_cast<char>(byte); };
  if (code < 0x80) {
    put(code);
  } else if (code < 0x800) {
    put(0xc0 | code >> 6);
    put(0x80 | (code & 0x3f));
  } else if (code < 0x10000) {
    put(0xe0 | code >> 12);
    put(0x80 | (code >> 6 & 0x3f));
    put(0x80 | (code & 0x3f));
  } else {
    put(0xf0 | code >> 18);
    put(0x80 | (code >> 12 & 0x3f));
    put(0x80 | (code >> 6 & 0x3f));
    put(0x80 | (code & 0x3f));
  }
}

// What stands between the quotes, without escapes. False: not as RFC 8259 has it.
bool decode(std::string_view text, std::string& out) {
  static constexpr std::string_view kLetters = "\"\\/bfnrt", kMeant = "\"\\/\b\f\n\r\t";
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\') {
      out += text[i];
      continue;
    }
    if (++i == text.size()) {
      return false;
    }
    if (const std::size_t letter = kLetters.find(text[i]); letter != std::string_view::npos) {
      out += kMeant[letter];
      continue;
    }
    const auto unit = text[i] == 'u' ? code_unit(text.substr(i + 1)) : std::nullopt;
    if (!unit) {
      return false;
    }
    i += 4;
    std::uint32_t code = *unit;
    if (code >= 0xd800 && code < 0xdc00 && text.substr(i + 1, 2) == "\\u") {
      const auto low = code_unit(text.substr(i + 3));
      if (low && *low >= 0xdc00 && *low < 0xe000) {
        code = 0x10000 + ((code - 0xd800) << 10) + (*low - 0xdc00);
        i += 6;
      }
    }
    append_utf8(code, out);
  }
  return true;
}

void append_encoded(std::string_view text, std::string& out) {
  static constexpr char kDigits[] = "0123456789abcdef";
  out += '"';
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (byte < 0x20) {
      out += "\\u00";
      out += kDigits[byte >> 4];
      out += kDigits[byte & 15];
    } else {
      out += c;
    }
  }
  out += '"';
}

// Where the string that begins at `start` ends, past its closing quote; npos: it does not.
std::size_t end_of_string(std::string_view text, std::size_t start) {
  for (std::size_t i = start + 1; i < text.size(); ++i) {
    if (text[i] == '\\') {
      ++i;
    } else if (text[i] == '"') {
      return i + 1;
    }
  }
  return std::string_view::npos;
}

void rewrite(std::string_view line, const MaskSet& masks, std::string& out) {
  std::size_t done = 0;
  for (std::size_t quote = line.find('"'); quote != std::string_view::npos;
       quote = line.find('"', done)) {
    const std::size_t end = end_of_string(line, quote);
    if (end == std::string_view::npos) {
      break;
    }
    out.append(line.substr(done, quote - done));
    const std::string_view literal = line.substr(quote, end - quote);
    done = end;
    Buffer plain(literal.size());
    std::string masked;
    if (literal.find('\\') != std::string_view::npos &&
        decode(literal.substr(1, literal.size() - 2), plain.text)) {
      Masker masker(masks, false);
      masker.feed(plain.text, masked);
      masker.finish(masked);
    }
    if (masked == plain.text) {  // nothing found, or not looked at
      out.append(literal);
    } else {
      append_encoded(masked, out);
    }
    sodium_memzero(masked.data(), masked.size());
  }
  out.append(line.substr(done));
}

}  // namespace

void JsonStrings::pass(std::string_view text, Masker& next, std::string& out) {
  Buffer rewritten(2 * text.size() + 256);
  rewrite(text, masks_, rewritten.text);
  next.feed(rewritten.text, out);
}

void JsonStrings::feed(std::string_view input, Masker& next, std::string& out) {
  while (!input.empty()) {
    const std::size_t newline = input.find('\n');
    const bool whole = newline != std::string_view::npos;
    const std::string_view part = input.substr(0, whole ? newline + 1 : input.size());
    input.remove_prefix(part.size());
    if (passing_ || part.size() > kLongestMessage - size_) {
      next.feed(held_.reveal().substr(0, size_), out);
      next.feed(part, out);
      size_ = 0;
      passing_ = !whole;
    } else {
      std::memcpy(held_.bytes().data() + size_, part.data(), part.size());
      size_ += part.size();
      if (whole) {
        pass(held_.reveal().substr(0, size_), next, out);
        size_ = 0;
      }
    }
  }
}

void JsonStrings::finish(Masker& next, std::string& out) {
  pass(held_.reveal().substr(0, size_), next, out);
  size_ = 0;
}

}  // namespace agentbox::terminal
