// holds_only_references(): whether a file whose name promises secrets has none to hide.
#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "policy/file_rules.h"

namespace agentbox::policy {

namespace {

constexpr std::size_t kNone = std::string_view::npos;
constexpr std::size_t kMostBytes = 256 * 1024;
constexpr std::size_t kLongestWord = 32;  // of a comment: longer ones may be keys that were retired

// The schemes of docs/secrets.md that name a secret in a store. `env`, `file` and `exec` are not
// among them: those name a thing of this machine, and nobody commits them in place of a secret.
constexpr std::string_view kSchemes[] = {"op://",        "vault://",   "doppler://",
                                         "infisical://", "aws-sm://",  "sops://",
                                         "pass://",      "keyring://", "local://"};

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_name_byte(char c) { return is_letter(c) || is_digit(c) || c == '_'; }

std::string_view trimmed(std::string_view text) {
  const auto blank = [](char c) { return c == ' ' || c == '\t' || c == '\r'; };
  while (!text.empty() && blank(text.front())) {
    text.remove_prefix(1);
  }
  while (!text.empty() && blank(text.back())) {
    text.remove_suffix(1);
  }
  return text;
}

// The bytes 1Password, Vault and the others allow in a path and its query, "%" for those that are
// encoded; no user part and no port.
bool is_reference(std::string_view value) {
  return std::any_of(std::begin(kSchemes), std::end(kSchemes), [&](std::string_view scheme) {
    const std::string_view rest = value.substr(std::min(scheme.size(), value.size()));
    return value.starts_with(scheme) && !rest.empty() && rest.size() <= 512 &&
           std::all_of(rest.begin(), rest.end(), [](char c) {
             return is_name_byte(c) || std::string_view("-./ ?=#&${}%").find(c) != kNone;
           });
  });
}

// "$NAME", "${NAME}", "{{ op://… }}": nothing of its own, and no default behind ":-".
bool is_variable(std::string_view value) {
  if (value.starts_with("{{") && value.ends_with("}}")) {
    return is_reference(trimmed(value.substr(2, value.size() - 4)));
  }
  if (!value.starts_with('$')) {
    return false;
  }
  value.remove_prefix(1);
  if (value.starts_with('{') && value.ends_with('}')) {
    value = value.substr(1, value.size() - 2);
  }
  return !value.empty() && std::all_of(value.begin(), value.end(), is_name_byte);
}

// What a name that ends like this holds is known to everybody.
bool is_ordinary_key(std::string_view key) {
  constexpr std::string_view kEnds[] = {"ENV",  "ENVIRONMENT", "HOST",  "HOSTNAME",
                                        "PORT", "REGION",      "LEVEL", "MODE",
                                        "TZ",   "LANG",        "DEBUG"};
  std::string upper(key);
  std::transform(upper.begin(), upper.end(), upper.begin(), [](char c) {
    return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  });
  return std::any_of(std::begin(kEnds), std::end(kEnds), [&](std::string_view end) {
    const std::size_t before = upper.size() - std::min(end.size(), upper.size());
    return upper.ends_with(end) && (before == 0 || upper[before - 1] == '_');
  });
}

bool is_harmless(std::string_view key, std::string_view value) {
  constexpr std::size_t kLongestNumber = 5;  // a port, not a code
  constexpr std::size_t kLongestOrdinary = 32;
  if (value.empty() || value == "true" || value == "false" || value == "null") {
    return true;
  }
  if (value.size() <= kLongestNumber && std::all_of(value.begin(), value.end(), is_digit)) {
    return true;
  }
  return is_ordinary_key(key) && value.size() <= kLongestOrdinary &&
         std::all_of(value.begin(), value.end(),
                     [](char c) { return is_name_byte(c) || c == '-' || c == '.'; });
}

struct Tally {
  bool references = false;
  bool others = false;  // something that may be a secret

  void add(std::string_view key, std::string_view value) {
    if (is_reference(value)) {
      references = true;
    } else if (!is_variable(value) && !is_harmless(key, value)) {
      others = true;
    }
  }
};

// A retired key is often only commented out.
bool is_harmless_comment(std::string_view comment) {
  if (comment.find('=') != kNone || holds_credential(comment)) {
    return false;
  }
  while (!comment.empty()) {
    const std::size_t end = std::min(comment.find_first_of(" \t"), comment.size());
    const std::string_view word = comment.substr(0, end);
    const bool repeated = std::all_of(word.begin(), word.end(), [&](char c) {
      return c == word.front() && !is_letter(c) && !is_digit(c);
    });
    if (word.size() > kLongestWord && !repeated && !is_reference(word)) {
      return false;
    }
    comment.remove_prefix(std::min(end + 1, comment.size()));
  }
  return true;
}

// The value of what stands behind the key on a line, or false if it is in no simple form.
bool take_value(std::string_view text, std::string_view* value) {
  text = trimmed(text);
  if (!text.empty() && (text.front() == '"' || text.front() == '\'')) {
    const std::size_t close = text.find(text.front(), 1);
    if (close == kNone || text.find('\\') < close) {
      return false;
    }
    *value = text.substr(1, close - 1);
    const std::string_view rest = trimmed(text.substr(close + 1));
    return rest.empty() || (rest.front() == '#' && is_harmless_comment(rest.substr(1)));
  }
  const std::size_t comment = text.find(" #");
  if (comment != kNone && !is_harmless_comment(text.substr(comment + 2))) {
    return false;
  }
  *value = trimmed(text.substr(0, comment));
  return true;
}

void take_line(std::string_view line, Tally& tally) {
  line = trimmed(line);
  if (line.empty() || line == "---") {
    return;
  }
  if (line.front() == '#' || line.front() == ';') {
    tally.others |= !is_harmless_comment(line.substr(1));
    return;
  }
  if (line.starts_with("export ")) {
    line = trimmed(line.substr(7));
  }
  const auto in_name = [](char c) { return is_name_byte(c) || c == '.' || c == '-'; };
  if (line.size() > 2 && line.front() == '[' && line.back() == ']') {  // a section
    const std::string_view name = line.substr(1, line.size() - 2);
    tally.others |= name.size() > kLongestWord || !std::all_of(name.begin(), name.end(), in_name);
    return;
  }
  std::size_t end = 0;
  while (end < line.size() && in_name(line[end])) {
    ++end;
  }
  const std::string_view key = line.substr(0, end);
  const std::string_view rest = trimmed(line.substr(end));
  std::string_view value;
  const bool pair = !key.empty() && key.size() <= 2 * kLongestWord && !rest.empty() &&
                    (rest.front() == '=' || rest.front() == ':') &&
                    take_value(rest.substr(1), &value);
  if (pair) {
    tally.add(key, value);
  } else {
    tally.others = true;
  }
}

// False if it is no JSON. By the parser's events: of a key that is there twice the tree would keep
// one value only.
bool take_json(std::string_view text, Tally& tally) {
  using Event = nlohmann::json::parse_event_t;
  std::string key;
  const auto take = [&](int, Event event, nlohmann::json& parsed) {
    if (event == Event::key) {
      key = parsed.get<std::string>();
      tally.others |= key.size() > 2 * kLongestWord;
    } else if (event == Event::value) {
      tally.add(key, parsed.is_string() ? parsed.get<std::string>() : parsed.dump());
    }
    return true;
  };
  return !nlohmann::json::parse(text, take, false).is_discarded();
}

}  // namespace

bool holds_only_references(std::string_view bytes) {
  if (bytes.size() > kMostBytes || bytes.find('\0') != kNone) {
    return false;
  }
  Tally tally;
  const std::size_t first = bytes.find_first_not_of(" \t\r\n");
  if (first != kNone && bytes[first] == '{') {
    return take_json(bytes, tally) && tally.references && !tally.others;
  }
  while (!bytes.empty() && !tally.others) {
    const std::size_t end = std::min(bytes.find('\n'), bytes.size());
    take_line(bytes.substr(0, end), tally);
    bytes.remove_prefix(std::min(end + 1, bytes.size()));
  }
  return tally.references && !tally.others;
}

}  // namespace agentbox::policy
