#include "policy/detector/assignment_reader.h"

namespace agentbox::policy::detect {

namespace {

// Of files whose lines are a name, a blank and a value.
bool is_setting(std::string_view name) {
  return begins_with(name, "requirepass") || begins_with(name, "masterauth") ||
         begins_with(name, "_authtoken") || begins_with(name, "bindpw") ||
         begins_with(name, "rootpw");
}

}  // namespace

std::string_view AssignmentReader::line_before() const {
  constexpr std::size_t kMost = 160;
  std::size_t begin = name_.begin;
  while (begin > 0 && name_.begin - begin < kMost && !is_line_end(text_[begin - 1]) &&
         !is(text_[begin - 1], kControl)) {
    --begin;
  }
  return text_.substr(begin, name_.begin - begin);
}

// Whether nothing but marks and words of assignment stand before the name on its line.
bool AssignmentReader::starts_line() const {
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

// The name is itself a value: of "name", with the value beside it.
std::optional<Assignment> AssignmentReader::companion() {
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

// A value parted from the name by blanks alone.
std::optional<Assignment> AssignmentReader::word() {
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

std::optional<Assignment> AssignmentReader::read() {
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
  const bool element_value = blank && before() == '<';  // <password value="…"/>
  if (is_line_end(peek()) || (closed && blank) || in_quotes || element_value) {
    return companion();
  }
  if (blank && at_ > after_name) {
    return word();
  }
  return std::nullopt;
}

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
  return AssignmentReader(text, name).read();
}

}  // namespace agentbox::policy::detect
