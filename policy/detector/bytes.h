// The classes of bytes that credentials are made of.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace agentbox::policy::detect {

enum ByteClass : std::uint16_t {
  kDigit = 1 << 0,
  kLower = 1 << 1,
  kUpper = 1 << 2,
  kHexLetterLower = 1 << 3,
  kHexLetterUpper = 1 << 4,
  kDash = 1 << 5,
  kUnderscore = 1 << 6,
  kPlusSlash = 1 << 7,  // base64's two
  kEquals = 1 << 8,
  kDot = 1 << 9,
  kTilde = 1 << 10,
  kPercent = 1 << 11,
  kSpace = 1 << 12,    // blank or tab
  kControl = 1 << 13,  // what text does not hold
};

constexpr std::uint16_t kLetter = kLower | kUpper;
constexpr std::uint16_t kAlnum = kLetter | kDigit;
constexpr std::uint16_t kWord = kAlnum | kUnderscore;
constexpr std::uint16_t kHexLower = kDigit | kHexLetterLower;
constexpr std::uint16_t kHexUpper = kDigit | kHexLetterUpper;
constexpr std::uint16_t kHex = kHexLower | kHexUpper;
constexpr std::uint16_t kBase64 = kAlnum | kPlusSlash;
constexpr std::uint16_t kBase64Url = kWord | kDash;

constexpr std::array<std::uint16_t, 256> make_byte_classes() {
  std::array<std::uint16_t, 256> classes = {};
  for (unsigned c = 0; c < 256; ++c) {
    std::uint16_t value = 0;
    const auto add = [&](bool holds, ByteClass which) {
      value = static_cast<std::uint16_t>(value | (holds ? which : 0));
    };
    add(c >= '0' && c <= '9', kDigit);
    add(c >= 'a' && c <= 'z', kLower);
    add(c >= 'A' && c <= 'Z', kUpper);
    add(c >= 'a' && c <= 'f', kHexLetterLower);
    add(c >= 'A' && c <= 'F', kHexLetterUpper);
    add(c == '-', kDash);
    add(c == '_', kUnderscore);
    add(c == '+' || c == '/', kPlusSlash);
    add(c == '=', kEquals);
    add(c == '.', kDot);
    add(c == '~', kTilde);
    add(c == '%', kPercent);
    add(c == ' ' || c == '\t', kSpace);
    // ESC colours terminal output, form feeds and vertical tabs are in old source.
    add((c < 0x20 && (c < '\t' || c > '\r') && c != 0x1b) || c == 0x7f, kControl);
    classes[c] = value;
  }
  return classes;
}

inline constexpr std::array<std::uint16_t, 256> kByteClasses = make_byte_classes();

constexpr bool is(char c, std::uint16_t classes) {
  return (kByteClasses[static_cast<unsigned char>(c)] & classes) != 0;
}

constexpr char lower(char c) { return is(c, kUpper) ? static_cast<char>(c - 'A' + 'a') : c; }

constexpr bool all_are(std::string_view text, std::uint16_t classes) {
  for (const char c : text) {
    if (!is(c, classes)) {
      return false;
    }
  }
  return true;
}

constexpr bool has(std::string_view text, std::uint16_t classes) {
  for (const char c : text) {
    if (is(c, classes)) {
      return true;
    }
  }
  return false;
}

// Whether `text` begins with `lowercase`, whatever the case of its letters.
constexpr bool begins_with(std::string_view text, std::string_view lowercase) {
  if (text.size() < lowercase.size()) {
    return false;
  }
  for (std::size_t i = 0; i < lowercase.size(); ++i) {
    if (lower(text[i]) != lowercase[i]) {
      return false;
    }
  }
  return true;
}

constexpr bool ends_with(std::string_view text, std::string_view lowercase) {
  return text.size() >= lowercase.size() &&
         begins_with(text.substr(text.size() - lowercase.size()), lowercase);
}

constexpr bool contains(std::string_view text, std::string_view lowercase) {
  for (std::size_t i = 0; i + lowercase.size() <= text.size(); ++i) {
    if (begins_with(text.substr(i), lowercase)) {
      return true;
    }
  }
  return false;
}

}  // namespace agentbox::policy::detect
