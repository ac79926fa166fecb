#include "policy/detector/assignment.h"

#include <algorithm>

#include "policy/detector/bytes.h"

namespace agentbox::policy::detect {

namespace {

using Way = Assignment::Way;

bool is_quote(char c) { return c == '"' || c == '\'' || c == '`'; }
bool is_line_end(char c) { return c == '\n' || c == '\r'; }

class Reader {
 public:
  Reader(std::string_view text, Name name)
      : text_(text.substr(0, std::min(text.size(), name.end + kLongestGap + kLongestValue))),
        name_(name),
        at_(name.end) {}

  std::optional<Assignment> read();

 private:
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

std::string_view Reader::line_before() const {
  constexpr std::size_t kMost = 160;
  std::size_t begin = name_.begin;
  while (begin > 0 && name_.begin - begin < kMost && !is_line_end(text_[begin - 1])) {
    --begin;
  }
  return text_.substr(begin, name_.begin - begin);
}

// Whether nothing but marks and words of assignment stand before the name on its line.
bool Reader::starts_line() const {
  std::string_view line = line_before();
  static constexpr std::string_view kWords[] = {"export ", "set ", "env ",  "arg ",        "- ",
                                                "# ",      "#",    "//",    "+ ",          "+",
                                                "setx ",   "> ",   "$env:", "declare -x ", "; "};
  bool more = true;
  while (more) {
    more = false;
    while (!line.empty() && (is(line[0], kSpace) || is_quote(line[0]))) {
      line.remove_prefix(1);
      more = true;
    }
    for (const std::string_view word : kWords) {
      if (begins_with(line, word)) {
        line.remove_prefix(word.size());
        more = true;
      }
    }
  }
  return line.empty();
}

// At a quote, after a string's prefix if there is one.
std::optional<Assignment> Reader::quoted(Way way) {
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
    if (is_line_end(c) || (c == quote && slashes > 0)) {
      return std::nullopt;
    }
    ++at_;
  }
  return std::nullopt;
}

// `alone`: the line is one setting, so that all up to a blank is the value.
std::optional<Assignment> Reader::bare(bool alone) {
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
    const bool ends = next >= text_.size() || is_line_end(text_[next]) || text_[next] == '#' ||
                      text_[next] == '\\' || text_[next] == ';' || text_[next] == '&' ||
                      text_[next] == '|' || is_quote(text_[next]) || text_[next] == '<' ||
                      text_.substr(next).starts_with("//");
    if (!ends) {
      return found(begin, end, Way::kInline);
    }
  }
  return found(begin, end, alone ? Way::kBare : Way::kInline);
}

std::optional<Assignment> Reader::element() {
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
         at_ - begin <= kLongestValue) {
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
bool Reader::skip_type() {
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
std::optional<Assignment> Reader::fallback() {
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
std::optional<Assignment> Reader::value(bool compared) {
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

// The name is itself a value: of "name", with the value beside it.
std::optional<Assignment> Reader::companion() {
  const std::size_t start = at_;
  if (peek() == ',') {
    ++at_;
  }
  skip_space();
  if (peek() == '-' || peek() == '<') {
    return std::nullopt;
  }
  skip_quote();
  if (!skip_word("value") && !skip_word("defaultvalue") && !skip_word("stringvalue")) {
    at_ = start;
    return std::nullopt;
  }
  skip_quote();
  skip_blanks();
  if (peek() != ':' && peek() != '=') {
    return std::nullopt;
  }
  ++at_;
  skip_blanks();
  return is_quote(peek()) || peek() == '\\' ? quoted(Way::kQuoted) : bare(peek(0) != '<');
}

// Of files whose lines are a name, a blank and a value.
bool is_setting(std::string_view name) {
  return begins_with(name, "requirepass") || begins_with(name, "masterauth") ||
         begins_with(name, "_authtoken") || begins_with(name, "bindpw") ||
         begins_with(name, "rootpw");
}

// A value parted from the name by blanks alone.
std::optional<Assignment> Reader::word() {
  if (is_quote(peek())) {
    const std::string_view name = text_.substr(name_.begin, name_.end - name_.begin);
    std::string_view line = line_before();
    const bool option = name.starts_with("-") || line.ends_with("-");
    const bool sql = begins_with(name, "password") &&
                     (contains(line, "user") || contains(line, "role") || contains(line, "with"));
    const bool directive = contains(line, "env ") || contains(line, "set") ||
                           contains(line, "define ") || (peek() != '`' && starts_line());
    const bool symbol = before() == ':';  // of a Lisp's map
    return option || sql || directive || symbol || is_setting(name) ? quoted(Way::kWord)
                                                                    : std::nullopt;
  }
  const std::string_view line = line_before();
  const std::string_view name = text_.substr(name_.begin, name_.end - name_.begin);
  std::string_view lead = line;
  while (!lead.empty() && is(lead[0], kSpace)) {
    lead.remove_prefix(1);
  }
  const bool option = name.starts_with("-") && name.size() > 5;
  static constexpr std::string_view kDirectives[] = {"env ",     "arg ",     "setenv ",
                                                     "set -x ",  "set -gx ", "setx ",
                                                     "set -ux ", "set -lx ", "passenv "};
  const bool directive = std::any_of(std::begin(kDirectives), std::end(kDirectives),
                                     [&](std::string_view d) { return begins_with(lead, d); });
  const bool setting = lead.empty() && is_setting(name);
  if (!option && !directive && !setting) {
    return std::nullopt;
  }
  auto read = bare(directive || setting);
  if (read) {
    read->way = Way::kWord;
  }
  return read;
}

std::optional<Assignment> Reader::read() {
  const std::size_t after_name = at_;
  const bool in_quotes = follows_quote() || (before() == '.' && is_quote(before(2)));
  bool closed = false;
  std::size_t slashes = 0;
  while (slashes < 3 && peek(slashes) == '\\') {
    ++slashes;
  }
  if (is_quote(peek(slashes))) {
    at_ += slashes + 1;
    closed = true;
    if (peek() == ']' || peek() == ')') {
      const bool indexed = peek() == ']';
      ++at_;
      if (!indexed) {  // ("NAME") and no more: a question for it
        if (contains(text_.substr(at_ - std::min<std::size_t>(at_, 90), 90), "env")) {
          return fallback();
        }
        return std::nullopt;
      }
    }
  } else if (slashes > 0) {
    return std::nullopt;
  } else if (peek() == ']' && (before() == '[' || before() == '\'')) {
    ++at_;
  } else if (peek() == '?' && peek(1) == ':') {
    ++at_;
  } else if (peek() == '[') {  // an array's length
    std::size_t length = 1;
    while (is(peek(length), kDigit)) {
      ++length;
    }
    if (peek(length) != ']') {
      return std::nullopt;
    }
    at_ += length + 1;
  }
  const std::size_t gap = at_;
  skip_blanks();
  const bool blank = at_ > gap;
  switch (peek()) {
    case ':':
      if (peek(1) == ':') {
        return std::nullopt;
      }
      ++at_;
      if (peek() == '=') {
        ++at_;
      } else {
        skip_blanks();
        if (!closed && skip_type()) {
          return value(false);
        }
      }
      return value(false);
    case '=': {
      ++at_;
      const bool compared = peek() == '=';
      while (peek() == '=' || peek() == '>' || peek() == '~') {
        ++at_;
      }
      return value(compared);
    }
    case '!':
    case '?':
    case '+':
    case '|':
      if (peek(1) == '=') {
        const bool compared = peek() == '!';
        at_ += peek(2) == '=' ? 3 : 2;
        return value(compared);
      }
      return std::nullopt;
    case '<':
      if (text_.substr(at_).starts_with("</key>")) {  // a property list's; the next has the value
        at_ += 6;
        skip_space();
        return text_.substr(std::min(at_, text_.size())).starts_with("<string>") ? element()
                                                                                 : std::nullopt;
      }
      return std::nullopt;
    case '>':
      if (!blank && (before() == '<' || before() == ':' || closed)) {
        ++at_;
        return element();
      }
      return std::nullopt;
    case ',':
      if (closed) {
        if (const auto beside = companion()) {
          return beside;
        }
        ++at_;
        skip_space();
        return is_quote(peek()) || peek() == '\\' ? quoted(Way::kArgument) : fallback();
      }
      return std::nullopt;
    case '(':
      if (!closed) {
        ++at_;
        skip_space();
        return is_quote(peek()) ? quoted(Way::kArgument) : std::nullopt;
      }
      return std::nullopt;
    case '{':
      if (closed && contains(line_before(), "variable")) {
        const std::string_view block = text_.substr(at_, kLongestGap);
        const std::size_t end = block.find("\n}");
        const std::size_t given = block.substr(0, end).find("default");
        if (given != block.npos) {
          at_ += given + 7;
          skip_blanks();
          if (peek() == '=') {
            ++at_;
            skip_blanks();
            return quoted(Way::kQuoted);
          }
        }
        return std::nullopt;
      }
      if (!blank && is_quote(peek(1))) {
        ++at_;
        return quoted(Way::kQuoted);
      }
      return std::nullopt;
    default:
      break;
  }
  if (is_line_end(peek()) || (closed && blank) || in_quotes) {
    return companion();
  }
  if (blank && at_ > after_name) {
    return word();
  }
  return std::nullopt;
}

}  // namespace

Name name_around(std::string_view text, std::size_t begin, std::size_t end) {
  Name name{begin, end};
  const auto belongs = [](char c) { return is(c, kWord | kDash | kDot); };
  while (name.begin > 0 && begin - name.begin < kLongestName && belongs(text[name.begin - 1])) {
    --name.begin;
  }
  while (name.end < text.size() && name.end - end < kLongestName && belongs(text[name.end])) {
    ++name.end;
  }
  while (name.end > end && (text[name.end - 1] == '.' || text[name.end - 1] == '-')) {
    --name.end;
  }
  return name;
}

std::optional<Assignment> read_assignment(std::string_view text, Name name) {
  return Reader(text, name).read();
}

}  // namespace agentbox::policy::detect
