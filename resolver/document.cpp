#include "resolver/document.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "base/encode.h"

namespace agentbox::resolver {

namespace {

constexpr int kDeepest = 64;

bool is_digit(char c) { return c >= '0' && c <= '9'; }

int hex_digit(char c) {
  if (is_digit(c)) {
    return c - '0';
  }
  c = static_cast<char>(c | 0x20);
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

// The four digits of \uXXXX, or -1.
int code_unit(std::string_view digits) {
  int value = digits.size() < 4 ? -1 : 0;
  for (std::size_t i = 0; i < 4 && value >= 0; ++i) {
    const int digit = hex_digit(digits[i]);
    value = digit < 0 ? -1 : value * 16 + digit;
  }
  return value;
}

std::size_t put_utf8(unsigned code, std::array<char, 4>& out) {
  const auto byte = [](unsigned value) { return static_cast<char>(value); };
  if (code < 0x80) {
    out[0] = byte(code);
    return 1;
  }
  if (code < 0x800) {
    out = {byte(0xc0 | code >> 6), byte(0x80 | (code & 0x3f))};
    return 2;
  }
  if (code < 0x10000) {
    out = {byte(0xe0 | code >> 12), byte(0x80 | (code >> 6 & 0x3f)), byte(0x80 | (code & 0x3f))};
    return 3;
  }
  out = {byte(0xf0 | code >> 18), byte(0x80 | (code >> 12 & 0x3f)), byte(0x80 | (code >> 6 & 0x3f)),
         byte(0x80 | (code & 0x3f))};
  return 4;
}

// One escape at the front of `rest`: how long it is (0: none that there is), and its bytes.
std::size_t read_escape(std::string_view rest, std::array<char, 4>& bytes, std::size_t& count) {
  constexpr std::string_view kLetters = "\"\\/bfnrt";
  constexpr std::string_view kMeant = "\"\\/\b\f\n\r\t";
  if (rest.size() < 2) {
    return 0;
  }
  const std::size_t letter = kLetters.find(rest[1]);
  if (letter != std::string_view::npos) {
    bytes[0] = kMeant[letter];
    count = 1;
    return 2;
  }
  int unit = rest[1] == 'u' ? code_unit(rest.substr(2)) : -1;
  if (unit < 0 || (unit >= 0xdc00 && unit < 0xe000)) {
    return 0;
  }
  if (unit < 0xd800 || unit >= 0xe000) {
    count = put_utf8(static_cast<unsigned>(unit), bytes);
    return 6;
  }
  const int low =
      rest.substr(6).starts_with("\\u") && rest.size() >= 12 ? code_unit(rest.substr(8)) : -1;
  if (low < 0xdc00 || low >= 0xe000) {
    return 0;
  }
  count = put_utf8(
      0x10000 + (static_cast<unsigned>(unit - 0xd800) << 10) + static_cast<unsigned>(low - 0xdc00),
      bytes);
  return 12;
}

// The length of the string's inside that begins at the front of `rest`, or npos.
std::size_t string_length(std::string_view rest) {
  std::array<char, 4> bytes;
  std::size_t count = 0;
  for (std::size_t i = 0; i < rest.size();) {
    if (rest[i] == '"') {
      return i;
    }
    if (static_cast<unsigned char>(rest[i]) < 0x20) {
      return std::string_view::npos;
    }
    const std::size_t length = rest[i] == '\\' ? read_escape(rest.substr(i), bytes, count) : 1;
    if (length == 0) {
      return std::string_view::npos;
    }
    i += length;
  }
  return std::string_view::npos;
}

// RFC 8259 section 6.
bool is_number(std::string_view text) {
  const auto digits = [&] {
    const std::size_t end = std::min(text.find_first_not_of("0123456789"), text.size());
    text.remove_prefix(end);
    return end;
  };
  if (text.starts_with('-')) {
    text.remove_prefix(1);
  }
  const bool zero = text.starts_with('0');
  const std::size_t whole = digits();
  bool ok = whole > 0 && !(zero && whole > 1);
  if (text.starts_with('.')) {
    text.remove_prefix(1);
    ok = digits() > 0 && ok;
  }
  if (text.starts_with('e') || text.starts_with('E')) {
    text.remove_prefix(1);
    if (text.starts_with('+') || text.starts_with('-')) {
      text.remove_prefix(1);
    }
    ok = digits() > 0 && ok;
  }
  return ok && text.empty();
}

std::string place(char kind, std::size_t at, std::size_t length) {
  return std::string("\"") + kind + std::to_string(at) + ":" + std::to_string(length) + "\"";
}

// The text with "s12:34" for each string that is not a member's name, "n12:34" for each number.
// Nothing if it cannot be JSON; the parser judges the rest.
std::optional<std::string> without_scalars(std::string_view text) {
  std::string result;
  int depth = 0;
  for (std::size_t i = 0; i < text.size();) {
    const char c = text[i];
    if (c == '"') {
      const std::size_t length = string_length(text.substr(i + 1));
      if (length == std::string_view::npos) {
        return std::nullopt;
      }
      const std::size_t after =
          std::min(text.find_first_not_of(" \t\n\r", i + length + 2), text.size());
      const bool name = text.substr(after).starts_with(':');
      result += name ? std::string(text.substr(i, length + 2)) : place('s', i + 1, length);
      i += length + 2;
    } else if (c == '-' || is_digit(c)) {
      const std::size_t end = std::min(text.find_first_not_of("0123456789+-.eE", i), text.size());
      const std::size_t after = std::min(text.find_first_not_of(" \t\n\r", end), text.size());
      if (!is_number(text.substr(i, end - i)) || text.substr(after).starts_with(':')) {
        return std::nullopt;
      }
      result += place('n', i, end - i);
      i = end;
    } else {
      depth += c == '{' || c == '[' ? 1 : c == '}' || c == ']' ? -1 : 0;
      if (depth > kDeepest) {
        return std::nullopt;
      }
      result += c;
      ++i;
    }
  }
  return result;
}

void append_decoded(SecretBuilder& to, std::string_view raw) {
  std::array<char, 4> bytes;
  while (!raw.empty()) {
    const std::size_t plain = std::min(raw.find('\\'), raw.size());
    to.append(raw.substr(0, plain));
    raw.remove_prefix(plain);
    if (!raw.empty()) {
      std::size_t count = 0;
      raw.remove_prefix(read_escape(raw, bytes, count));
      to.append({bytes.data(), count});
    }
  }
}

}  // namespace

std::optional<Document> Document::parse(Secret text) {
  if (!base::is_utf8(text.reveal())) {
    return std::nullopt;
  }
  const std::optional<std::string> outline = without_scalars(text.reveal());
  if (!outline) {
    return std::nullopt;
  }
  Document document(std::move(text));
  document.json_ = nlohmann::json::parse(*outline, nullptr, false);
  if (document.json_.is_discarded()) {
    return std::nullopt;
  }
  return document;
}

Document::Node Document::Node::operator[](std::string_view name) const {
  if (!is_object()) {
    return {document_, nullptr};
  }
  const auto found = json_->find(name);
  return {document_, found == json_->end() ? nullptr : &*found};
}

Document::Node Document::Node::operator[](std::size_t index) const {
  return {document_, is_array() && index < json_->size() ? &(*json_)[index] : nullptr};
}

bool Document::Node::is_string() const {
  return json_ != nullptr && json_->is_string() &&
         json_->get_ref<const std::string&>().front() == 's';
}

std::vector<std::string> Document::Node::names() const {
  std::vector<std::string> result;
  if (is_object()) {
    for (const auto& [name, value] : json_->items()) {
      result.push_back(name);
    }
  }
  return result;
}

std::string_view Document::Node::raw() const {
  const std::string_view text = json_->get_ref<const std::string&>();
  std::size_t at = 0;
  std::size_t length = 0;
  const char* const end = text.data() + text.size();
  const auto [colon, error] = std::from_chars(text.data() + 1, end, at);
  std::from_chars(colon + 1, end, length);
  return document_->text_.reveal().substr(at, length);
}

void Document::Node::append_json(SecretBuilder& to) const {
  const auto member = [&](const nlohmann::json& value) { Node(document_, &value).append_json(to); };
  if (json_->is_string()) {
    const std::string_view quote = is_string() ? "\"" : "";
    to.append(quote);
    to.append(raw());
    to.append(quote);
  } else if (json_->is_object()) {
    std::string_view before = "{";
    for (const auto& [name, value] : json_->items()) {
      to.append(before);
      to.append(nlohmann::json(name).dump());
      to.append(":");
      member(value);
      before = ",";
    }
    to.append(json_->empty() ? "{}" : "}");
  } else if (json_->is_array()) {
    std::string_view before = "[";
    for (const nlohmann::json& value : *json_) {
      to.append(before);
      member(value);
      before = ",";
    }
    to.append(json_->empty() ? "[]" : "]");
  } else {
    to.append(json_->dump());
  }
}

std::optional<Secret> Document::Node::secret() const {
  if (json_ == nullptr) {
    return std::nullopt;
  }
  SecretBuilder builder;
  if (is_string()) {
    append_decoded(builder, raw());
  } else {
    append_json(builder);
  }
  return builder.take();
}

std::string Document::Node::text() const {
  const std::optional<Secret> bytes = *this ? secret() : std::nullopt;
  return bytes ? std::string(bytes->reveal()) : std::string();
}

long long Document::Node::integer() const {
  if (json_ == nullptr || !json_->is_string() || is_string() || raw().size() > 18) {
    return 0;
  }
  long long value = 0;
  const std::string_view digits = raw();
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  return error == std::errc() && end == digits.data() + digits.size() ? value : 0;
}

void append_json_string(SecretBuilder& to, std::string_view text) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  to.append("\"");
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      const char escape[2] = {'\\', c};
      to.append({escape, 2});
    } else if (byte < 0x20) {
      const char escape[6] = {'\\', 'u', '0', '0', kDigits[byte >> 4], kDigits[byte & 15]};
      to.append({escape, 6});
    } else {
      to.append(text.substr(i, 1));
    }
  }
  to.append("\"");
}

}  // namespace agentbox::resolver
