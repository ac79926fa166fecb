#include "policy/detector/wording.h"

#include <algorithm>
#include <charconv>
#include <string>

#include "policy/detector/bytes.h"
#include "policy/detector/randomness.h"

namespace agentbox::policy::detect {

namespace {

std::size_t count_of(std::string_view value, std::uint16_t classes) {
  return static_cast<std::size_t>(
      std::count_if(value.begin(), value.end(), [&](char c) { return is(c, classes); }));
}

// A word, an abbreviation or a small number: "addsub", "CBC", "SHA256", "x86", "128".
bool is_word_or_number(std::string_view part) {
  const auto letter = [](char c) { return is(c, kLetter); };
  const std::string_view word(
      part.data(),
      static_cast<std::size_t>(std::find_if_not(part.begin(), part.end(), letter) - part.begin()));
  const std::string_view number = part.substr(word.size());
  constexpr std::size_t kLongestNumber = 4, kShortWord = 5, kLongestWord = 20;
  if (number.size() > kLongestNumber || !all_are(number, kDigit) || word.size() > kLongestWord) {
    return false;
  }
  const bool one_case = all_are(word, kUpper) || all_are(word, kLower);
  const bool capital = word.size() > 1 && all_are(word.substr(1), kLower);
  constexpr std::size_t kAcronym = 8;  // "KxECDHE"
  return (word.size() <= kShortWord && (one_case || capital)) || strangeness(word) < 0.35 ||
         (number.empty() && word.size() <= kAcronym && has(word, kUpper));
}

}  // namespace

bool is_identifier(std::string_view value) {
  if (!all_are(value, kWord | kDash | kDot | kPlusSlash) || has(value.substr(0, 1), kDigit)) {
    return false;
  }
  const bool words = has(value, kUnderscore | kDash | kDot | kPlusSlash) ||
                     (has(value, kLower) && has(value.substr(1), kUpper));
  return words && count_of(value, kDigit) <= 3 && strangeness(value) < 0.3;
}

bool is_constant(std::string_view value) {
  const bool pointer = value.starts_with("^");
  if (pointer) {
    value.remove_prefix(1);
  }
  constexpr std::size_t kMostDigits = 4;
  if (value.empty() || !all_are(value, kWord) || count_of(value, kDigit) > kMostDigits ||
      is(value[0], kDigit)) {
    return false;
  }
  return pointer || (all_are(value, kUpper | kDigit | kUnderscore) && has(value, kUnderscore) &&
                     is_parted_words(value));
}

bool is_parted_words(std::string_view value) {
  std::size_t parts = 0, letters = 0;
  while (!value.empty()) {
    const auto* const end =
        std::find_if_not(value.begin(), value.end(), [](char c) { return is(c, kAlnum); });
    const std::string_view part = value.substr(0, static_cast<std::size_t>(end - value.begin()));
    value.remove_prefix(part.size());
    if (!part.empty()) {
      ++parts;
      letters += count_of(part, kLetter);
      if (!is_word_or_number(part)) {
        return false;
      }
    }
    if (!value.empty()) {
      if (!is(value[0], kUnderscore | kDash | kDot) && value[0] != ':' && value[0] != '/') {
        return false;
      }
      value.remove_prefix(1);
    }
  }
  return parts >= 2 && letters >= 4;
}

bool is_marked_word(std::string_view value) {
  while (!value.empty() && !is(value.front(), kAlnum)) {
    value.remove_prefix(1);
  }
  while (!value.empty() && !is(value.back(), kAlnum)) {
    value.remove_suffix(1);
  }
  return std::all_of(value.begin(), value.end(),
                     [](char c) {
                       return is(c, kLetter | kUnderscore | kDash | kDot) ||
                              std::string_view("/:|@*").find(c) != std::string_view::npos;
                     }) &&
         strangeness(value) < 0.25;
}

bool is_sentence(std::string_view value) {
  return has(value, kSpace) && !(value.size() >= 40 && entropy(value) >= 4.5 &&
                                 value.size() - count_of(value, kAlnum | kSpace) >= 6);
}

bool is_word_list(std::string_view value, std::size_t least) {
  return value.size() <= 256 && all_are(value, kLower | kSpace) &&
         static_cast<std::size_t>(std::count(value.begin(), value.end(), ' ')) + 1 >= least;
}

bool is_expression(std::string_view value) {
  for (const std::string_view mark : {"->", "::", "=>", "&&", "||", "^.", "+#"}) {
    if (value.find(mark) != value.npos) {
      return true;
    }
  }
  const std::size_t sum = value.find('+');
  if (sum != value.npos && sum > 0 && all_are(value.substr(0, sum), kWord) &&
      all_are(value.substr(sum + 1), kDigit)) {
    return true;  // "FIRST_PASSWORD+1"
  }
  const std::size_t open = value.find_first_of("([");
  if (open == value.npos) {
    return false;
  }
  const std::string_view callee = value.substr(0, open);
  return value.find_first_of(")]", open) != value.npos || (open > 0 && strangeness(callee) < 0.3) ||
         open == 0;
}

bool is_quoted_expression(std::string_view value) {
  const std::size_t open = value.find_first_of("([");
  if (open == value.npos || open < 3 || !all_are(value.substr(0, open), kWord | kDot) ||
      count_of(value.substr(0, open), kDigit) > 1) {
    return false;
  }
  const std::size_t close = value.find(value[open] == '(' ? ')' : ']', open);
  return close != value.npos && strangeness(value.substr(0, open)) < 0.5 &&
         (close + 1 == value.size() ||
          std::string_view(".[(,)").find(value[close + 1]) != std::string_view::npos);
}

bool is_template(std::string_view value) {
  for (std::size_t at = value.find('%'); at != value.npos; at = value.find('%', at + 1)) {
    const std::string_view rest = value.substr(at + 1);
    const bool verb = !rest.empty() && std::string_view("sdvqiux").find(rest[0]) != rest.npos &&
                      (rest.size() == 1 || !is(rest[1], kAlnum)) &&
                      (at == 0 || !is(value[at - 1], kDigit));
    std::string others(value.substr(0, at));
    others += rest.substr(std::min<std::size_t>(1, rest.size()));
    if (verb && strangeness(others) < 0.35 && !has(others, kDigit)) {
      return true;
    }
  }
  for (std::size_t at = value.find('{'); at != value.npos; at = value.find('{', at + 1)) {
    const std::size_t close = value.find('}', at);
    if (close == value.npos) {
      break;
    }
    const std::string_view name = value.substr(at + 1, close - at - 1);
    constexpr std::size_t kShort = 4;
    if (!name.empty() && all_are(name, kWord | kDot) &&
        (name.size() <= kShort || (strangeness(name) < 0.35 && count_of(name, kDigit) <= 1))) {
      return true;
    }
  }
  return false;
}

bool is_garbled(std::string_view value) {
  for (std::size_t i = 0; i < value.size(); ++i) {
    const auto byte = static_cast<unsigned char>(value[i]);
    if (byte < 0x80) {
      continue;
    }
    const std::size_t more = byte >= 0xf0 ? 3 : byte >= 0xe0 ? 2 : byte >= 0xc2 ? 1 : 0;
    if (more == 0 || byte > 0xf4 || i + more >= value.size()) {
      return true;
    }
    for (std::size_t k = 1; k <= more; ++k) {
      if ((static_cast<unsigned char>(value[i + k]) & 0xc0) != 0x80) {
        return true;
      }
    }
    i += more;
  }
  return false;
}

bool is_record(std::string_view value) {
  const bool date = value.size() >= 10 && all_are(value.substr(0, 4), kDigit) && value[4] == '-' &&
                    all_are(value.substr(5, 2), kDigit) && value[7] == '-' &&
                    all_are(value.substr(8, 2), kDigit) &&
                    (value.size() == 10 || value[10] == 'T' || value[10] == ' ');
  const bool user =
      std::count(value.begin(), value.end(), ':') >= 5 && value.find(":/") != value.npos;
  const bool address =
      value.find('@') != value.npos && std::all_of(value.begin(), value.end(), [](char c) {
        return is(c, kLetter | kDot | kDash) || c == '@';
      });
  return date || user || address;
}

bool is_escaped_words(std::string_view value) {
  std::string plain;
  while (value.size() >= 4 && value.starts_with("\\x")) {
    unsigned byte = 0;
    const auto [end, error] = std::from_chars(value.data() + 2, value.data() + 4, byte, 16);
    if (error != std::errc() || end != value.data() + 4) {
      return false;
    }
    plain += static_cast<char>(byte);
    value.remove_prefix(4);
  }
  return value.empty() && !plain.empty() && all_are(plain, kWord | kDash | kDot | kSpace) &&
         strangeness(plain) < 0.35;
}

}  // namespace agentbox::policy::detect
