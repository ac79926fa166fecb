// redact() and holds_credential(): what text gives away line by line, without knowing its format.
#include <algorithm>
#include <optional>
#include <string>
#include <string_view>

#include "policy/file_rules.h"

namespace agentbox::policy {

namespace {

constexpr std::size_t kNone = std::string_view::npos;
constexpr std::size_t kLongestKey = 64;

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_space(char c) { return c == ' ' || c == '\t'; }
bool is_key_byte(char c) {
  return is_letter(c) || is_digit(c) || c == '_' || c == '-' || c == '.' || c == '/' || c == '@';
}

std::size_t skip_spaces(std::string_view text, std::size_t at) {
  while (at < text.size() && is_space(text[at])) {
    ++at;
  }
  return at;
}

// Masks a text line by line. Errs on one side only: a key taken for a value is a nuisance, a value
// taken for a key is a leak, so state that is in doubt means "value".
class Redactor {
 public:
  explicit Redactor(std::string_view bytes) : text_(bytes) {}

  std::string run() {
    std::size_t start = 0;
    while (start < text_.size()) {
      std::size_t end = std::min(text_.find('\n', start), text_.size());
      const std::size_t next = end + 1;
      if (end > start && text_[end - 1] == '\r') {
        --end;
      }
      line(start, end);
      start = next;
    }
    return std::move(text_);
  }

 private:
  enum class Inside { kNothing, kPem, kQuotes, kIndented, kContinued };

  std::string_view part(std::size_t from, std::size_t to) const {
    return std::string_view(text_).substr(from, to - from);
  }

  void mask(std::size_t from, std::size_t to) {
    for (std::size_t i = from; i < to; ++i) {
      if (text_[i] != '\r') {
        text_[i] = '*';
      }
    }
  }

  void line(std::size_t start, std::size_t end) {
    const std::size_t first = std::min(skip_spaces(text_, start), end);
    const std::size_t indent = first - start;
    if (part(first, end).find("-----BEGIN") != kNone) {
      inside_ = Inside::kPem;
    }
    switch (inside_) {
      case Inside::kPem:
        if (part(first, end).find("-----END") != kNone) {
          inside_ = Inside::kNothing;
        }
        return mask(first, end);
      case Inside::kQuotes:
        if (closing_quote(first, end) != kNone) {
          inside_ = Inside::kNothing;
        }
        return mask(first, end);
      case Inside::kContinued:
        inside_ = end > first && text_[end - 1] == '\\' ? Inside::kContinued : Inside::kNothing;
        return mask(first, end);
      case Inside::kIndented:
        if (first == end || indent > indent_) {
          return mask(first, end);
        }
        inside_ = Inside::kNothing;
        break;
      case Inside::kNothing:
        break;
    }
    if (first < end) {
      statement(first, end, indent);
    }
  }

  void statement(std::size_t at, std::size_t end, std::size_t indent) {
    const bool may_be_section = indent == 0 && !open_key_;
    open_key_ = false;
    if (part(at, end).find_first_not_of("{}[], \t") == kNone) {
      return;
    }
    if (text_[at] == '#' || text_[at] == ';' || part(at, end).substr(0, 2) == "//") {
      return mask(at + (text_[at] == '/' ? 2 : 1), end);
    }
    if (may_be_section && is_section(part(at, end))) {
      return;
    }
    // "- ", "{" and "[" may stand in front of a key; the indentation that counts is then the key's.
    const std::size_t first = at;
    while (at < end && (text_[at] == '{' || text_[at] == '[' || text_[at] == ',' ||
                        is_space(text_[at]) || part(at, end).substr(0, 2) == "- ")) {
      ++at;
    }
    const std::size_t key = at;
    if (part(at, end).substr(0, 7) == "export ") {
      at = skip_spaces(text_, at + 7);
    }
    const std::size_t value = value_after_key(at, end);
    if (value == kNone) {
      indent_ = indent;
      mask_value(key, end, false);
    } else {
      indent_ = indent + (key - first);
      mask_value(value, end, true);
    }
  }

  static bool is_section(std::string_view line) {
    while (!line.empty() && is_space(line.back())) {
      line.remove_suffix(1);
    }
    std::size_t brackets = 0;
    for (; line.size() >= 2 && line.front() == '[' && line.back() == ']'; ++brackets) {
      line = line.substr(1, line.size() - 2);
    }
    return brackets > 0 && !line.empty() && line.size() <= kLongestKey && is_letter(line[0]) &&
           std::all_of(line.begin(), line.end(), [](char c) { return is_key_byte(c) || c == ' '; });
  }

  // Where the value begins behind "key=", "key = ", "key: " or "\"key\":", or kNone.
  std::size_t value_after_key(std::size_t at, std::size_t end) const {
    std::size_t i = at;
    const char quote = i < end && (text_[i] == '"' || text_[i] == '\'') ? text_[i] : '\0';
    i += quote != '\0' ? 1 : 0;
    const std::size_t key = i;
    if (i >= end || !(is_letter(text_[i]) || text_[i] == '_' || text_[i] == '@')) {
      return kNone;
    }
    while (i < end && is_key_byte(text_[i])) {
      ++i;
    }
    if (i - key > kLongestKey) {
      return kNone;
    }
    if (quote != '\0') {
      if (i >= end || text_[i] != quote) {
        return kNone;
      }
      ++i;
    }
    i = skip_spaces(text_, i);
    if (i >= end) {
      return kNone;
    }
    if (text_[i] == ':' && (quote != '\0' || i + 1 == end || is_space(text_[i + 1]))) {
      return std::min(skip_spaces(text_, i + 1), end);
    }
    if (text_[i] != '=') {
      return kNone;
    }
    const std::size_t value = std::min(skip_spaces(text_, i + 1), end);
    // "QUJD==" is the end of something in base64, and "QUJD=" may be.
    return part(value, end).find_first_not_of("= \t") == kNone ? kNone : value;
  }

  void mask_value(std::size_t from, std::size_t end, bool has_key) {
    std::size_t to = end;
    while (to > from && is_space(text_[to - 1])) {
      --to;
    }
    if (from == to) {
      open_key_ = has_key;
      return;
    }
    if (opens_block(part(from, to))) {
      inside_ = Inside::kIndented;
      return;
    }
    if (part(from, to).find_first_not_of("{}[], \t") == kNone) {
      open_key_ = true;
      return;
    }
    if (text_[from] == '"' || text_[from] == '\'' || text_[from] == '`') {
      quote_ = std::string(part(from, to).substr(0, 3) == std::string(3, text_[from]) ? 3 : 1,
                           text_[from]);
      const std::size_t inner = from + quote_.size();
      const std::size_t close = closing_quote(inner, to);
      if (close == kNone) {
        inside_ = Inside::kQuotes;
        return mask(from, end);
      }
      mask(inner, close);
      std::size_t rest = close + quote_.size();
      while (rest < to && std::string_view(",}] \t").find(text_[rest]) != kNone) {
        ++rest;
      }
      return mask(rest, end);
    }
    if (text_[to - 1] == '\\') {
      inside_ = Inside::kContinued;
    } else if (text_[to - 1] != ',') {
      inside_ = Inside::kIndented;  // a plain value may go on in lines that are further in
    }
    mask(from, end);
  }

  // A block scalar's header (YAML 1.2.2, 8.1.1).
  static bool opens_block(std::string_view value) {
    return (value[0] == '|' || value[0] == '>') && value.size() <= 3 &&
           value.find_first_not_of("+-123456789", 1) == kNone;
  }

  std::size_t closing_quote(std::size_t from, std::size_t to) const {
    for (std::size_t i = from; i + quote_.size() <= to; ++i) {
      if (text_[i] == '\\' && quote_[0] != '\'') {
        ++i;
      } else if (part(i, to).substr(0, quote_.size()) == quote_) {
        return i;
      }
    }
    return kNone;
  }

  std::string text_;
  Inside inside_ = Inside::kNothing;
  std::size_t indent_ = 0;  // of the key whose value kIndented is
  std::string quote_ = "\"";
  bool open_key_ = false;  // the line before was a key whose value comes in the next lines
};

std::string lowered(std::string_view text) {
  std::string lower(text);
  std::transform(lower.begin(), lower.end(), lower.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  return lower;
}

// Whether there is nothing in the value but names of variables or references, and what joins them.
bool is_reference_only(std::string_view value) {
  if (value.empty() || value == "true" || value == "false" || value == "null") {
    return true;
  }
  if (value.find("://") != kNone && value.find('@') == kNone && is_letter(value.front())) {
    return value.substr(0, 4) != "http";
  }
  std::size_t i = 0;
  while (i < value.size()) {
    if (value.substr(i, 2) == "${" || value.substr(i, 2) == "{{") {
      const std::string_view close = value[i] == '$' ? "}" : "}}";
      const std::size_t end = value.find(close, i);
      // "${TOKEN:-abc}" holds a default, which is a value.
      if (end == kNone ||
          (value[i] == '$' && value.substr(i, end - i).find_first_of(":-") != kNone &&
           value[end - 1] != '-')) {
        return false;
      }
      i = end + close.size();
    } else if (value[i] == '$' && i + 1 < value.size() &&
               (is_letter(value[i + 1]) || value[i + 1] == '_')) {
      for (++i;
           i < value.size() && (is_letter(value[i]) || is_digit(value[i]) || value[i] == '_');) {
        ++i;
      }
    } else if (is_letter(value[i]) || is_digit(value[i])) {
      return false;
    } else {
      ++i;
    }
  }
  return value.find('$') != kNone || value.find("{{") != kNone;
}

// The value that belongs to a name which ends at `at`, in any of: name=v, name: v, "name": "v",
// key="name" value="v".
std::optional<std::string_view> value_behind(std::string_view text, std::size_t at) {
  const std::size_t end = std::min(text.find_first_of("\r\n", at), text.size());
  std::string_view rest = text.substr(at, end - at);
  const auto drop = [&](std::string_view bytes) {
    rest.remove_prefix(std::min(rest.find_first_not_of(bytes), rest.size()));
  };
  drop("\"' \t");
  if (lowered(rest.substr(0, 5)) == "value") {
    rest.remove_prefix(5);
    drop(" \t");
  }
  if (rest.empty() || (rest.front() != '=' && rest.front() != ':')) {
    return std::nullopt;
  }
  rest.remove_prefix(1);
  drop(" \t");
  if (!rest.empty() && (rest.front() == '"' || rest.front() == '\'')) {
    const char quote = rest.front();
    rest.remove_prefix(1);
    return rest.substr(0, rest.find(quote));
  }
  if (rest.substr(0, 2) == "{{") {
    return rest.substr(0, rest.find("}}") == kNone ? kNone : rest.find("}}") + 2);
  }
  return rest.substr(0, rest.find_first_of(" \t,;"));
}

bool holds_named_credential(std::string_view bytes, std::string_view lower) {
  constexpr std::string_view kWords[] = {"password",   "passwd",   "token",   "secret",
                                         "_auth",      "apikey",   "api_key", "authident",
                                         "access_key", "accesskey"};
  for (const std::string_view word : kWords) {
    for (std::size_t at = lower.find(word); at != kNone; at = lower.find(word, at + 1)) {
      std::size_t end = at + word.size();
      while (end < bytes.size() && is_key_byte(bytes[end])) {
        ++end;
      }
      const auto value = value_behind(bytes, end);
      if (value && !is_reference_only(*value)) {
        return true;
      }
    }
  }
  return false;
}

// "https://user:password@host", or a long user name alone, which is how tokens are written.
bool holds_url_password(std::string_view bytes) {
  constexpr std::size_t kShortestToken = 20;
  for (std::size_t at = bytes.find("://"); at != kNone; at = bytes.find("://", at + 1)) {
    const std::string_view rest = bytes.substr(at + 3);
    const std::string_view authority = rest.substr(0, rest.find_first_of("/ \t\r\n\"'"));
    const std::size_t sign = authority.rfind('@');
    if (sign == kNone) {
      continue;
    }
    const std::string_view user = authority.substr(0, sign);
    const std::size_t brace = user.rfind('}');
    const std::size_t colon =
        user.find(':', brace != kNone && user.front() == '$' ? user.find('}') : 0);
    if (colon == kNone ? user.size() >= kShortestToken && !is_reference_only(user)
                       : colon + 1 < user.size() && !is_reference_only(user.substr(colon + 1))) {
      return true;
    }
  }
  return false;
}

bool holds_known_token(std::string_view bytes) {
  constexpr std::string_view kBeginnings[] = {"npm_",   "ghp_",  "gho_", "ghs_", "github_pat_",
                                              "glpat-", "pypi-", "sk-",  "AKIA", "NpmToken."};
  constexpr std::size_t kShortestRest = 16;
  for (const std::string_view beginning : kBeginnings) {
    for (std::size_t at = bytes.find(beginning); at != kNone; at = bytes.find(beginning, at + 1)) {
      const std::size_t start = at + beginning.size();
      std::size_t end = start;
      while (end < bytes.size() && (is_letter(bytes[end]) || is_digit(bytes[end]) ||
                                    bytes[end] == '-' || bytes[end] == '_')) {
        ++end;
      }
      const bool whole = at == 0 || !(is_letter(bytes[at - 1]) || is_digit(bytes[at - 1]));
      const bool digits = std::any_of(bytes.begin() + static_cast<std::ptrdiff_t>(start),
                                      bytes.begin() + static_cast<std::ptrdiff_t>(end), is_digit);
      if (whole && digits && end - start >= kShortestRest) {
        return true;
      }
    }
  }
  return false;
}

}  // namespace

bool holds_credential(std::string_view bytes) {
  return holds_named_credential(bytes, lowered(bytes)) || holds_url_password(bytes) ||
         holds_known_token(bytes) || bytes.find("PRIVATE KEY-----") != kNone;
}

std::string redact(std::string_view bytes) { return Redactor(bytes).run(); }

}  // namespace agentbox::policy
