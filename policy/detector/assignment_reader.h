// The reader behind read_assignment(): where it stands in the text after a name.
#pragma once

#include <algorithm>
#include <optional>
#include <string_view>

#include "policy/detector/assignment.h"
#include "policy/detector/bytes.h"

namespace agentbox::policy::detect {

inline bool is_quote(char c) { return c == '"' || c == '\'' || c == '`'; }
inline bool is_line_end(char c) { return c == '\n' || c == '\r'; }

class AssignmentReader {
 public:
  AssignmentReader(std::string_view text, Name name)
      : text_(text.substr(0, std::min(text.size(), name.end + kLongestGap + kLongestValue))),
        name_(name),
        at_(name.end) {}

  std::optional<Assignment> read();

 private:
  using Way = Assignment::Way;

  char peek(std::size_t ahead = 0) const {
    return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\n';
  }
  char before(std::size_t back = 1) const {
    return name_.begin >= back ? text_[name_.begin - back] : '\n';
  }
  void skip_blanks() {
    constexpr std::size_t kMost = 64;
    for (std::size_t i = 0; i < kMost && at_ < text_.size() && is(peek(), kSpace); ++i) {
      ++at_;
    }
  }
  // Blanks, and line ends with them.
  void skip_space() {
    constexpr std::size_t kMost = 160;
    for (std::size_t i = 0;
         i < kMost && at_ < text_.size() && (is(peek(), kSpace) || is_line_end(peek())); ++i) {
      ++at_;
    }
  }
  bool skip_quote() {
    std::size_t slashes = 0;
    while (slashes < 3 && peek(slashes) == '\\') {
      ++slashes;
    }
    if (is_quote(peek(slashes))) {
      at_ += slashes + 1;
      return true;
    }
    return false;
  }
  bool skip_word(std::string_view lowercase) {
    if (begins_with(text_.substr(std::min(at_, text_.size())), lowercase) &&
        !is(peek(lowercase.size()), kWord)) {
      at_ += lowercase.size();
      return true;
    }
    return false;
  }

  std::string_view line_before() const;
  bool starts_line() const;
  bool follows_quote() const { return is_quote(before()); }

  std::optional<Assignment> found(std::size_t begin, std::size_t end, Way way) const {
    if (begin >= end || end - begin > kLongestValue) {
      return std::nullopt;
    }
    return Assignment{name_.begin, name_.end, begin, end, way};
  }

  std::optional<Assignment> quoted(Way way);
  std::optional<Assignment> bare(bool alone);
  std::optional<Assignment> element();
  std::optional<Assignment> value(bool compared);
  std::optional<Assignment> companion();
  std::optional<Assignment> word();
  std::optional<Assignment> fallback();
  bool skip_type();

  std::string_view text_;
  Name name_;
  std::size_t at_;
};

}  // namespace agentbox::policy::detect
