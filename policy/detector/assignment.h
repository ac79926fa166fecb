// Reading "name = value" around a keyword, in whatever language: the many ways in which files, code
// and commands give a value to a name.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

namespace agentbox::policy::detect {

struct Assignment {
  enum class Way {
    kQuoted,    // a string literal
    kBare,      // not quoted, on a line that is only this setting
    kInline,    // not quoted, within something else: a query, a log line, a connection string
    kArgument,  // a string literal handed to what the name calls, or wrapped in a call
    kWord,      // parted by a blank: an option, a directive
    kElement,   // XML
    kCompared,  // a string literal it is compared with
  };

  std::size_t name_begin = 0, name_end = 0;
  std::size_t begin = 0, end = 0;  // of the value
  Way way = Way::kBare;
};

constexpr std::size_t kLongestName = 80;     // bytes
constexpr std::size_t kLongestValue = 1200;  // bytes
constexpr std::size_t kLongestGap = 512;     // bytes between a name and its value

// The name that holds text[begin, end), from its first to its last byte.
struct Name {
  std::size_t begin = 0, end = 0;
};
Name name_around(std::string_view text, std::size_t begin, std::size_t end);

// What is assigned to the name. Looks at most kLongestGap + kLongestValue bytes ahead, and a line
// back.
std::optional<Assignment> read_assignment(std::string_view text, Name name);

}  // namespace agentbox::policy::detect
