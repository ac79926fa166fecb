#include "resolver/injection.h"

#include <algorithm>
#include <optional>

#include "base/encode.h"
#include "base/error.h"

namespace agentbox::resolver {

namespace {

constexpr std::size_t kNone = std::string_view::npos;
constexpr std::string_view kBare = "op://";

bool is_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

std::string_view trim(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t");
  return first == kNone ? std::string_view()
                        : text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

class Parser {
 public:
  Parser(std::string_view text, const std::string& file, const Lookup& variables)
      : text_(text), file_(base::printable(file)), variables_(variables) {}

  Template parse() {
    while (at_ < text_.size()) {
      const std::string_view rest = text_.substr(at_);
      if (rest.starts_with("{{")) {
        take_enclosed();
      } else if (rest.starts_with(kBare) && may_begin()) {
        take_bare();
      } else if (rest.front() == '$') {
        literal_ += take_variable();
      } else {
        literal_ += rest.front();
        ++at_;
      }
    }
    finish_literal();
    return std::move(pieces_);
  }

 private:
  [[noreturn]] void fail(std::size_t at, const std::string& what, const std::string& hint) const {
    const std::string_view before = text_.substr(0, at);
    throw base::Error(base::Status::kConfiguration,
                      file_ + ":" +
                          std::to_string(1 + std::count(before.begin(), before.end(), '\n')) +
                          ": " + what,
                      hint);
  }

  void finish_literal() {
    if (!literal_.empty()) {
      pieces_.emplace_back(std::move(literal_));
      literal_.clear();
    }
  }

  // "{{ op://… }}" or "{{ "text" }}".
  void take_enclosed() {
    const std::size_t start = at_;
    std::size_t inner = text_.find_first_not_of(" \t", at_ + 2);
    if (inner != kNone && text_[inner] == '"') {
      take_quoted(inner);
      return;
    }
    const std::size_t close = text_.find("}}", at_ + 2);
    if (close == kNone) {
      fail(start, "\"{{\" is not closed", "write {{ op://vault/item/field }}");
    }
    // "}}}" closes a variable first, if one is open; otherwise the last brace is the text's own.
    const std::string_view inside = text_.substr(start + 2, close - start - 2);
    const std::size_t variable = inside.rfind("${");
    const bool open = variable != kNone && inside.find('}', variable) == kNone;
    const std::size_t end = open && text_.substr(close, 3) == "}}}" ? close + 1 : close;
    const std::string expanded = expand(at_ + 2, end);
    const std::string_view reference = trim(expanded);
    if (!is_reference(reference)) {
      fail(start, "\"{{ … }}\" holds no reference",
           "for text that is to stay as it is, write {{ \"{{ … }}\" }}");
    }
    add(start, reference, trim(text_.substr(start + 2, end - start - 2)));
    at_ = end + 2;
  }

  void take_quoted(std::size_t quote) {
    const std::size_t start = at_;
    std::string text;
    std::size_t i = quote + 1;
    for (; i < text_.size() && text_[i] != '"'; ++i) {
      i += text_[i] == '\\' && text_.substr(i + 1, 1) == "\"" ? 1 : 0;
      text += text_[i];
    }
    const std::size_t close = text_.find_first_not_of(" \t", std::min(i + 1, text_.size()));
    if (close == kNone || text_.substr(close, 2) != "}}") {
      fail(start, "the text in {{ \"…\" }} is not closed", "a quote inside it is written \\\"");
    }
    literal_ += text;
    at_ = close + 2;
  }

  // Not within a word: "ref+op://…" is another tool's.
  bool may_begin() const {
    return at_ == 0 ||
           !(is_word(text_[at_ - 1]) || std::string_view("-+\\.").find(text_[at_ - 1]) != kNone);
  }

  void take_bare() {
    const std::size_t start = at_;
    std::string reference(kBare);
    at_ += kBare.size();
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (c == '$') {
        reference += take_variable();
      } else if (is_word(c) || std::string_view("-?./=&").find(c) != kNone) {
        reference += c;
        ++at_;
      } else {
        break;
      }
    }
    add(start, reference, text_.substr(start, at_ - start));
  }

  // `shown`: as it stands in the template, without the variables' values.
  void add(std::size_t at, std::string_view reference, std::string_view shown) {
    finish_literal();
    try {
      pieces_.emplace_back(parse_reference(reference, shown));
    } catch (const base::Error& error) {
      fail(at, error.what(), error.hint());
    }
  }

  std::string expand(std::size_t from, std::size_t to) {
    std::string expanded;
    at_ = from;
    while (at_ < to) {
      if (text_[at_] == '$') {
        expanded += take_variable();
      } else {
        expanded += text_[at_++];
      }
    }
    return expanded;
  }

  // What the variable at `at_` stands for; a "$" that begins none is itself.
  std::string take_variable() {
    const std::size_t start = at_++;
    if (at_ < text_.size() && text_[at_] == '{') {
      const std::size_t close = text_.find('}', at_);
      const std::string_view inner =
          close == kNone ? std::string_view() : text_.substr(at_ + 1, close - at_ - 1);
      const std::size_t given = inner.find(":-");
      const std::string_view name = trim(inner.substr(0, given));
      if (!is_variable_name(name)) {
        return "$";
      }
      at_ = close + 1;
      if (const auto value = variables_(name)) {
        return std::string(*value);
      }
      if (given == kNone) {
        fail_unset(start);
      }
      return std::string(inner.substr(given + 2));
    }
    std::size_t end = at_;
    while (end < text_.size() && is_word(text_[end])) {
      ++end;
    }
    const std::string_view name = text_.substr(at_, end - at_);
    if (!is_variable_name(name)) {
      return "$";
    }
    at_ = end;
    const auto value = variables_(name);
    if (!value) {
      fail_unset(start);
    }
    return std::string(*value);
  }

  // Without the name: what follows a "$" may be a part of a password that was meant to stay.
  [[noreturn]] void fail_unset(std::size_t at) const {
    fail(
        at, "a variable that stands here is not set",
        "set it, give a default with ${NAME:-…}, or write {{ \"$\" }} for a \"$\" that is to stay");
  }

  const std::string_view text_;
  const std::string file_;
  const Lookup& variables_;
  std::size_t at_ = 0;
  std::string literal_;
  Template pieces_;
};

}  // namespace

Template parse_injection(std::string_view text, const std::string& file, const Lookup& variables) {
  return Parser(text, file, variables).parse();
}

}  // namespace agentbox::resolver
