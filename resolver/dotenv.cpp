#include "resolver/dotenv.h"

#include <fcntl.h>

#include <algorithm>
#include <utility>

#include "base/encode.h"
#include "base/error.h"
#include "base/file.h"

namespace agentbox::resolver {

namespace {

using base::Error;
using base::Status;

constexpr std::size_t kFileLimit = 1u << 20;
constexpr int kMostNested = 8;
constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";

bool is_blank(char c) { return c == ' ' || c == '\t'; }

bool is_name_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

class Parser {
 public:
  Parser(std::string_view text, std::string_view file, const Lookup& environment)
      : text_(text), file_(base::printable(file)), environment_(environment) {
    if (text_.starts_with(kByteOrderMark)) {
      at_ = kByteOrderMark.size();
    }
  }

  std::vector<EnvEntry> parse() {
    if (text_.find('\0') != std::string_view::npos) {
      fail("a NUL byte in the file", "save it as UTF-8 text");
    }
    while (at_ < text_.size()) {
      skip_blanks();
      if (!at_line_end() && peek() != '#') {
        parse_entry();
      }
      skip_line();
    }
    return std::move(entries_);
  }

 private:
  [[noreturn]] void fail(const std::string& what, std::string hint = {}) const {
    throw Error(Status::kConfiguration,
                file_ + ":" + std::to_string(line_) + ": " +
                    (name_.empty() ? "" : base::printable(name_) + ": ") + what,
                std::move(hint));
  }

  char peek(std::size_t ahead = 0) const {
    return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0';
  }

  // At the end of the text, at LF or at CR LF.
  bool at_line_end() const {
    return at_ >= text_.size() || peek() == '\n' || (peek() == '\r' && peek(1) == '\n');
  }

  void skip_blanks() {
    while (is_blank(peek())) {
      ++at_;
    }
  }

  void skip_line() {
    while (at_ < text_.size() && text_[at_] != '\n') {
      ++at_;
    }
    ++at_;
    ++line_;
    name_.clear();
  }

  std::string_view take_name() {
    const std::size_t start = at_;
    while (is_name_character(peek())) {
      ++at_;
    }
    return text_.substr(start, at_ - start);
  }

  void parse_entry() {
    std::string_view name = take_name();
    if (name == "export" && is_blank(peek())) {
      skip_blanks();
      name = take_name();
    }
    skip_blanks();
    if (!is_variable_name(name) || peek() != '=') {
      // What stands here may be the rest of a value whose quote was forgotten: it is not shown.
      fail("neither NAME=value nor a comment",
           "names hold letters, digits and \"_\" and do not begin with a digit");
    }
    const std::size_t after_equals = ++at_;
    name_ = name;
    EnvEntry entry;
    entry.name = name;
    entry.line = line_;
    uses_.clear();
    whole_reference_ = nullptr;
    pieces_ = 0;
    has_reference_ = false;
    skip_blanks();
    entry.begin = at_;
    switch (peek()) {
      case '"':
        parse_double_quoted();
        entry.end = at_;
        finish_quoted();
        break;
      case '\'':
      case '`':
        parse_literally(peek());
        entry.end = at_;
        finish_quoted();
        break;
      default:
        entry.end = parse_unquoted();
        if (entry.end == entry.begin) {
          entry.begin = entry.end = after_equals;  // a "#" may come next
        }
    }
    entry.uses = std::move(uses_);
    store(std::move(entry));
  }

  void store(EnvEntry entry) {
    Secret value = value_.take();
    if (has_reference_) {
      if (pieces_ != 1 || whole_reference_ == nullptr) {
        fail("a variable that is a reference cannot be a part of a longer value",
             "a value is one reference or none");
      }
      entry.value = *whole_reference_;
    } else if (is_reference(value.reveal())) {
      try {
        entry.value =
            parse_reference(value.reveal(), text_.substr(entry.begin, entry.end - entry.begin));
      } catch (const Error& error) {
        fail(error.what(), error.hint());
      }
    } else {
      const std::string why = near_miss(value.reveal());
      if (!why.empty()) {
        fail(why, "a value that looks like a reference is not passed on as it stands");
      }
      entry.value = std::move(value);
    }
    entries_.push_back(std::move(entry));
  }

  // One character of a value; CR LF inside quotes is LF.
  void take_character() {
    if (peek() == '\r' && peek(1) == '\n') {
      ++at_;
    }
    line_ += peek() == '\n' ? 1 : 0;
    add(text_.substr(at_, 1));
    ++at_;
  }

  void add(std::string_view piece) {
    value_.append(piece);
    pieces_ = 2;  // not a reference alone
  }

  void parse_literally(char quote) {
    const int start = line_;
    ++at_;
    while (peek() != quote) {
      if (at_ >= text_.size()) {
        line_ = start;
        fail("the quote is not closed");
      }
      take_character();
    }
    ++at_;
  }

  void parse_double_quoted() {
    const int start = line_;
    ++at_;
    while (peek() != '"') {
      if (at_ >= text_.size()) {
        line_ = start;
        fail("the quote is not closed");
      }
      if (peek() == '\\') {
        take_escape();
      } else if (peek() == '$') {
        take_variable(0);
      } else {
        take_character();
      }
    }
    ++at_;
  }

  void take_escape() {
    static constexpr std::string_view kEscapes = "n\nr\rt\t\\\\\"\"$$``";
    for (std::size_t i = 0; i < kEscapes.size(); i += 2) {
      if (peek(1) == kEscapes[i]) {
        add(kEscapes.substr(i + 1, 1));
        at_ += 2;
        return;
      }
    }
    take_character();  // any other backslash is itself
  }

  void finish_quoted() {
    const bool blank = is_blank(peek());
    skip_blanks();
    if (!at_line_end() && !(blank && peek() == '#')) {
      fail("more text after the closing quote", "a quote inside \"…\" is written \\\"");
    }
  }

  // Up to the end of the line or to a "#" after a blank; blanks at the end do not count. A "#"
  // inside a word belongs to the value: references and passwords hold it. Gives its end.
  std::size_t parse_unquoted() {
    std::size_t blanks = 0;
    bool after_blank = at_ > 0 && is_blank(text_[at_ - 1]);
    while (!at_line_end()) {
      const char c = peek();
      if (c == '#' && after_blank) {
        break;
      }
      after_blank = is_blank(c);
      if (after_blank) {
        ++blanks;
        ++at_;
        continue;
      }
      if (blanks > 0) {
        add(text_.substr(at_ - blanks, blanks));
        blanks = 0;
      }
      if (c == '$') {
        take_variable(0);
      } else if (c == '\\' && peek(1) == '$') {
        add("$");
        at_ += 2;
      } else {
        take_character();
      }
    }
    return at_ - blanks;
  }

  // "$NAME", "${NAME}", "${NAME:-default}"; any other "$" is itself. The name is not shown in
  // errors: in a password with a "$" it is a part of the password.
  void take_variable(int depth) {
    ++at_;
    if (peek() == '(') {
      fail("commands in $(…) are not run", "write \\$( for these characters, or use '…'");
    }
    if (peek() != '{') {
      if (!is_name_character(peek()) || (peek() >= '0' && peek() <= '9')) {
        add("$");
        return;
      }
      if (!add_variable(take_name())) {
        fail_unset();
      }
      return;
    }
    ++at_;
    skip_blanks();
    const std::string_view name = take_name();
    skip_blanks();
    if (!is_variable_name(name)) {
      fail_form();
    }
    if (peek() == '}') {
      ++at_;
      if (!add_variable(name)) {
        fail_unset();
      }
      return;
    }
    if (peek() != ':' || peek(1) != '-') {
      fail_form();
    }
    at_ += 2;
    take_default(is_set(name), depth);
    if (is_set(name)) {
      add_variable(name);
    }
  }

  // The text up to the "}" that belongs to it, added unless `skip`.
  void take_default(bool skip, int depth) {
    if (depth >= kMostNested) {
      fail("${…:-…} nested too deeply");
    }
    SecretBuilder kept;
    const int pieces = pieces_;
    const Reference* const whole = whole_reference_;
    const bool has_reference = has_reference_;
    if (skip) {
      std::swap(kept, value_);
      ++skipping_;
    }
    while (peek() != '}') {
      if (at_line_end()) {
        fail("${ is not closed");
      }
      if (peek() == '$') {
        take_variable(depth + 1);
      } else if (peek() == '\\') {
        take_escape();
      } else {
        take_character();
      }
    }
    ++at_;
    if (skip) {
      std::swap(kept, value_);
      --skipping_;
      pieces_ = pieces;
      whole_reference_ = whole;
      has_reference_ = has_reference;
    }
  }

  [[noreturn]] void fail_unset() const {
    fail("the value refers to a variable that is not set",
         "set it above this line, write ${NAME:-default}, or put a value with a \"$\" in '…'");
  }

  [[noreturn]] void fail_form() const {
    fail("only ${NAME} and ${NAME:-default} are known", "put a value with a \"$\" in '…'");
  }

  const EnvEntry* find(std::string_view name) const {
    const auto last = std::find_if(entries_.rbegin(), entries_.rend(),
                                   [&](const EnvEntry& entry) { return entry.name == name; });
    return last == entries_.rend() ? nullptr : &*last;
  }

  // As in a shell, ":-" takes an empty variable for an unset one.
  bool is_set(std::string_view name) const {
    if (const EnvEntry* entry = find(name)) {
      const Secret* literal = std::get_if<Secret>(&entry->value);
      return literal == nullptr || !literal->empty();
    }
    return !environment_(name).value_or(std::string_view()).empty();
  }

  bool add_variable(std::string_view name) {
    if (skipping_ == 0) {
      uses_.emplace_back(name);
    }
    if (const EnvEntry* entry = find(name)) {
      if (const Secret* literal = std::get_if<Secret>(&entry->value)) {
        add(literal->reveal());
      } else {
        has_reference_ = true;
        whole_reference_ = &std::get<Reference>(entry->value);
        ++pieces_;
      }
      return true;
    }
    const std::optional<std::string_view> value = environment_(name);
    if (value) {
      add(*value);
    }
    return value.has_value() || skipping_ > 0;  // what is not used need not exist
  }

  std::string_view text_;
  std::string file_;
  const Lookup& environment_;
  std::size_t at_ = 0;
  int line_ = 1;
  std::vector<EnvEntry> entries_;

  // The entry in hand.
  std::string name_;
  SecretBuilder value_;
  std::vector<std::string> uses_;
  int pieces_ = 0;  // 1: one variable alone
  bool has_reference_ = false;
  int skipping_ = 0;  // defaults that are read but not used, one in the other
  const Reference* whole_reference_ = nullptr;
};

}  // namespace

Lookup lookup_in(const char* const* environment) {
  return [environment](std::string_view name) -> std::optional<std::string_view> {
    for (const char* const* entry = environment; *entry != nullptr; ++entry) {
      const std::string_view variable = *entry;
      if (variable.size() > name.size() && variable[name.size()] == '=' &&
          variable.starts_with(name)) {
        return variable.substr(name.size() + 1);
      }
    }
    return std::nullopt;
  };
}

std::vector<EnvEntry> parse_dotenv(const Secret& text, std::string_view file,
                                   const Lookup& environment) {
  std::vector<EnvEntry> last;
  for (EnvEntry& entry : parse_dotenv_whole(text, file, environment)) {
    const auto earlier = std::find_if(last.begin(), last.end(),
                                      [&](const EnvEntry& one) { return one.name == entry.name; });
    if (earlier != last.end()) {
      *earlier = std::move(entry);
    } else {
      last.push_back(std::move(entry));
    }
  }
  return last;
}

std::vector<EnvEntry> parse_dotenv_whole(const Secret& text, std::string_view file,
                                         const Lookup& environment) {
  return Parser(text.reveal(), file, environment).parse();
}

std::vector<EnvEntry> read_dotenv(const std::string& path, const Lookup& environment) {
  const base::UniqueFd fd = base::open_at(AT_FDCWD, path, O_RDONLY | O_NOCTTY);
  return parse_dotenv(read_secret(fd.get(), kFileLimit, path), path, environment);
}

}  // namespace agentbox::resolver
