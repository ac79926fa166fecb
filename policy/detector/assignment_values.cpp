// The values that a name can be given: strings, bare words, elements, what an expression falls back
// to.
#include "policy/detector/assignment_reader.h"

namespace agentbox::policy::detect {

// At a quote, after a string's prefix if there is one.
std::optional<Assignment> AssignmentReader::quoted(Way way) {
  std::size_t slashes = 0;
  while (slashes < 3 && peek(slashes) == '\\') {
    ++slashes;
  }
  const char quote = peek(slashes);
  if (!is_quote(quote)) {
    return std::nullopt;
  }
  at_ += slashes + 1;
  if (slashes == 0 && peek() == quote && peek(1) == quote) {  // """
    at_ += 2;
    skip_space();
    const std::size_t begin = at_;
    while (at_ < text_.size() && !(peek() == quote && peek(1) == quote) && !is_line_end(peek())) {
      ++at_;
    }
    return found(begin, at_, way);
  }
  const std::size_t begin = at_;
  while (at_ < text_.size() && at_ - begin <= kLongestValue) {
    const char c = text_[at_];
    if (c == '\\') {
      std::size_t run = 1;
      while (peek(run) == '\\') {
        ++run;
      }
      if (peek(run) == quote && run <= slashes) {
        return found(begin, at_, way);
      }
      at_ += slashes == 0 ? 2 : run;  // an escaped byte belongs to the value
      continue;
    }
    if (c == quote && slashes == 0) {
      const std::string_view value = text_.substr(begin, at_ - begin);
      if (value.size() > 4 && value.starts_with("\\\"") && value.ends_with("\\\"")) {
        return found(begin + 2, at_ - 2, way);  // a string in a string
      }
      return found(begin, at_, way);
    }
    if (is_line_end(c) || is(c, kControl) || (c == quote && slashes > 0)) {
      return std::nullopt;
    }
    ++at_;
  }
  return std::nullopt;
}

// `alone`: the line is one setting, so that all up to a blank is the value.
std::optional<Assignment> AssignmentReader::bare(bool alone) {
  const std::size_t begin = at_;
  while (at_ < text_.size() && at_ - begin <= kLongestValue) {
    const char c = text_[at_];
    if (is(c, kSpace | kControl) || is_line_end(c) || c == '"' || c == '\'' || c == '`') {
      break;
    }
    if (!alone && (c == ',' || c == ';' || c == '&' || c == '<' || c == '>' || c == ')' ||
                   c == ']' || c == '}' || c == '|' || c == '\\')) {
      break;
    }
    if (c == '\\' && (peek(1) == 'n' || peek(1) == 'r' || peek(1) == '"')) {
      break;
    }
    if (alone && c == '$' && (peek(1) == '{' || peek(1) == '(')) {
      break;  // put together from others
    }
    ++at_;
  }
  std::size_t end = at_;
  const bool interpolated = end < text_.size() && text_[end] == '$';
  if (interpolated) {
    return std::nullopt;
  }
  while (end > begin && (text_[end - 1] == ',' || text_[end - 1] == ';')) {
    --end;
  }
  // A sentence goes on, a value ends.
  if (alone) {
    std::size_t next = at_;
    while (next < text_.size() && is(text_[next], kSpace)) {
      ++next;
    }
    const bool ends = next >= text_.size() || is_line_end(text_[next]) ||
                      is(text_[next], kControl) || text_[next] == '#' || text_[next] == '\\' ||
                      text_[next] == ';' || text_[next] == '&' || text_[next] == '|' ||
                      is_quote(text_[next]) || text_[next] == '<' ||
                      text_.substr(next).starts_with("//");
    if (!ends) {
      return found(begin, end, Way::kInline);
    }
  }
  return found(begin, end, alone ? Way::kBare : Way::kInline);
}

std::optional<Assignment> AssignmentReader::element() {
  skip_space();
  if (text_.substr(std::min(at_, text_.size())).starts_with("<![CDATA[")) {
    at_ += 9;
  }
  for (const std::string_view tag : {"<value>", "<string>"}) {
    if (begins_with(text_.substr(std::min(at_, text_.size())), tag)) {
      at_ += tag.size();
    }
  }
  const std::size_t begin = at_;
  while (at_ < text_.size() && peek() != '<' && peek() != ']' && !is_line_end(peek()) &&
         !is(peek(), kControl) && at_ - begin <= kLongestValue) {
    ++at_;
  }
  std::size_t end = at_;
  while (end > begin && is(text_[end - 1], kSpace)) {
    --end;
  }
  return (peek() == '<' && peek(1) == '/') || peek() == ']' ? found(begin, end, Way::kElement)
                                                            : std::nullopt;
}

// ": string = " before a string.
bool AssignmentReader::skip_type() {
  const std::size_t start = at_;
  constexpr std::size_t kMost = 48;
  std::size_t i = at_;
  while (i < text_.size() && i - start < kMost &&
         (is(text_[i], kWord) ||
          std::string_view(" &'<>[].|?*!").find(text_[i]) != std::string_view::npos)) {
    ++i;
  }
  if (i == start || i >= text_.size() || text_[i] != '=' || !is(text_[start], kLetter | kDot)) {
    if (i == start || i >= text_.size() || text_[i] != '=' || text_[start] != '&') {
      return false;
    }
  }
  std::size_t next = i + 1;
  while (next < text_.size() && is(text_[next], kSpace)) {
    ++next;
  }
  if (next >= text_.size() || (!is_quote(text_[next]) && !is(text_[i - 1], kSpace))) {
    return false;
  }
  at_ = next;
  return true;
}

// A string further on in an expression that is used when a variable is not set.
std::optional<Assignment> AssignmentReader::fallback() {
  const std::size_t start = at_;
  constexpr std::size_t kMost = 120;
  for (std::size_t i = start; i + 3 < text_.size() && i - start < kMost && !is_line_end(text_[i]);
       ++i) {
    const std::string_view rest = text_.substr(i);
    if (rest.starts_with("|| ") || rest.starts_with("?? ") || rest.starts_with("or ") ||
        rest.starts_with("?: ") || rest.starts_with("||")) {
      at_ = i + 2;
      skip_blanks();
      if (is_quote(peek())) {
        return quoted(Way::kArgument);
      }
    }
  }
  return std::nullopt;
}

// After the mark of assignment.
std::optional<Assignment> AssignmentReader::value(bool compared) {
  skip_blanks();
  if (is_line_end(peek())) {  // the value on a line of its own
    skip_space();
    if (at_ - name_.end > 1 && is_quote(peek())) {
      return quoted(Way::kQuoted);
    }
    return std::nullopt;
  }
  if ((peek() == '|' || peek() == '>') &&
      (is_line_end(peek(1)) || ((peek(1) == '-' || peek(1) == '+') && is_line_end(peek(2))))) {
    at_ += is_line_end(peek(1)) ? 1 : 2;
    skip_space();
    return bare(true);
  }
  if ((peek() == '[' || peek() == '{') && is_quote(peek(1)) &&
      !begins_with(text_.substr(at_ + 2), "value")) {
    ++at_;
  } else if (peek() == '{') {
    ++at_;
    return companion();  // {"value": "..."}
  }
  const std::size_t slashes = peek() == '\\' ? 1 : 0;
  if (is_quote(peek(slashes)) || (slashes && peek(1) == '\\')) {
    return quoted(compared ? Way::kCompared : Way::kQuoted);
  }
  // A prefix of the string or a call around it: u8"…", String::from("…"), SecretStr("…").
  std::size_t i = 0;
  constexpr std::size_t kMost = 48;
  while (i < kMost && (is(peek(i), kWord | kDot | kSpace) || peek(i) == ':' || peek(i) == '@' ||
                       peek(i) == '&')) {
    ++i;
  }
  std::size_t next = i;
  if (peek(next) == '(') {
    ++next;
  }
  if (next > 0 && is_quote(peek(next)) && !is(peek(0), kDigit)) {
    const bool called = next > i;
    if (called || (i <= 3 && !is(peek(i - 1), kSpace))) {
      const std::string_view callee = text_.substr(at_, i);
      at_ += next;
      const auto argument = quoted(called ? Way::kArgument : Way::kQuoted);
      if (called && (contains(callee, "env") || contains(callee, "get") ||
                     contains(callee, "config") || contains(callee, "var"))) {
        if (peek() == '\'' || peek() == '"') {
          ++at_;
        }
        skip_blanks();
        if (peek() == ',') {
          ++at_;
          skip_blanks();
          return quoted(Way::kArgument);  // what is taken if the first is not there
        }
        return fallback();
      }
      return argument;
    }
  }
  if (contains(text_.substr(at_, 24), "env")) {
    if (const auto otherwise = fallback()) {
      return otherwise;
    }
  }
  return compared ? std::nullopt : bare(starts_line());
}

}  // namespace agentbox::policy::detect
