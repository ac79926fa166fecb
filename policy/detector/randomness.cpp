#include "policy/detector/randomness.h"

#include <array>
#include <cmath>
#include <cstdlib>

#include "policy/detector/bytes.h"

namespace agentbox::policy::detect {

namespace {

// For each letter the letters that often follow it in words, bit 0 for "a": the 269 pairs that make
// 95 % of those in documentation and source text.
constexpr std::uint32_t kFamiliar[26] = {
    0x1bebd6e, 0x1164915, 0x01e4d95, 0x0164919, 0x1efb97f, 0x01e4931, 0x0166991,
    0x00a4111, 0x2aef87f, 0x0000000, 0x0040110, 0x11cc919, 0x014d913, 0x03c6d7d,
    0x07efd6f, 0x11ec991, 0x0100000, 0x13efd7d, 0x11ccdb5, 0x11ed9bd, 0x00eb97f,
    0x0004111, 0x0066191, 0x0088114, 0x00c8000, 0x0000010,
};

bool are_familiar(char first, char second) {
  return (kFamiliar[lower(first) - 'a'] >> (lower(second) - 'a') & 1) != 0;
}

}  // namespace

double strangeness(std::string_view value) {
  std::size_t compared = 0, strange = 0;
  for (std::size_t i = 1; i < value.size(); ++i) {
    const char a = value[i - 1], b = value[i];
    const bool letters = is(a, kLetter) && is(b, kLetter);
    if (letters && is(a, kLower) && is(b, kUpper)) {
      // A word may begin here; where words do so at every other letter, the pairs around show it.
      continue;
    }
    if (letters) {
      ++compared;
      strange += !are_familiar(a, b);
    } else if ((is(a, kLetter) && is(b, kDigit)) || (is(a, kDigit) && is(b, kLetter))) {
      ++compared;
      ++strange;
    }
  }
  return compared == 0 ? 0 : static_cast<double>(strange) / static_cast<double>(compared);
}

double entropy(std::string_view value) {
  if (value.empty()) {
    return 0;
  }
  std::array<std::uint16_t, 256> counts = {};
  for (const char c : value) {
    ++counts[static_cast<unsigned char>(c)];
  }
  double bits = 0;
  for (const std::uint16_t count : counts) {
    if (count != 0) {
      const double part = static_cast<double>(count) / static_cast<double>(value.size());
      bits -= part * std::log2(part);
    }
  }
  return bits;
}

bool is_sequence(std::string_view value) {
  static constexpr std::string_view kRows[] = {"qwertyuiopasdfghjklzxcvbnm"};
  std::size_t steps = 0, pairs = 0;
  for (std::size_t i = 1; i < value.size(); ++i) {
    const char a = lower(value[i - 1]), b = lower(value[i]);
    if (!is(a, kAlnum) && a == b) {
      ++steps;
    }
    ++pairs;
    if (!is(a, kAlnum) || !is(b, kAlnum)) {
      continue;
    }
    const int step = b - a;
    bool follows = step >= -1 && step <= 1;
    follows = follows || (a == '9' && (b == '0' || b == 'a')) || (a == 'z' && b == '0');
    for (const std::string_view row : kRows) {
      const std::size_t place = row.find(a);
      follows = follows || (place + 1 < row.size() && row[place + 1] == b);
    }
    steps += follows;
  }
  return pairs > 0 && steps * 4 >= pairs * 3;
}

bool is_jumbled(std::string_view value) {
  std::size_t changes = 0;
  for (std::size_t i = 0; i < value.size(); ++i) {
    if (!is(value[i], kAlnum)) {
      return false;
    }
    changes += i > 0 && is(value[i], kLetter) && is(value[i - 1], kLetter) &&
               is(value[i], kUpper) != is(value[i - 1], kUpper);
  }
  constexpr std::size_t kLeast = 8;
  // "findNextOnigMatch": short words change it as often.
  constexpr double kWords = 0.15;
  return value.size() >= kLeast && changes * 3 >= value.size() && strangeness(value) >= kWords;
}

bool looks_random(std::string_view value, double least_strangeness) {
  constexpr std::size_t kLeast = 12, kEnough = 512;
  if (value.size() < kLeast) {
    return false;
  }
  value = value.substr(0, kEnough);
  const double least_entropy = value.size() < 16 ? 2.6 : value.size() < 24 ? 2.8 : 3.0;
  return entropy(value) >= least_entropy && strangeness(value) >= least_strangeness &&
         !is_sequence(value);
}

}  // namespace agentbox::policy::detect
