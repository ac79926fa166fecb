#include "launcher/values/collector.h"

#include <sodium.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>

#include "launcher/values/known_values.h"
#include "launcher/values/ordinary.h"
#include "resolver/secret.h"

namespace agentbox::values {
namespace {

constexpr int kDeepest = 3;                          // values within values
constexpr std::size_t kLongestUndone = 1024 * 1024;  // bytes, which are locked meanwhile
constexpr std::size_t kShortestBase64 = 12;
constexpr std::size_t kLeastLocked = 4096 - 16;  // a page, less what libsodium puts before it
constexpr std::string_view kBlank = " \t\r\n";

std::string_view trim(std::string_view text) {
  const std::size_t first = text.find_first_not_of(kBlank);
  if (first == std::string_view::npos) {
    return {};
  }
  return text.substr(first, text.find_last_not_of(kBlank) - first + 1);
}

int hexadecimal(char c) {
  return c >= '0' && c <= '9'   ? c - '0'
         : c >= 'a' && c <= 'f' ? c - 'a' + 10
         : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                : -1;
}

std::optional<std::uint32_t> hexadecimal(std::string_view digits) {
  std::uint32_t number = 0;
  for (const char c : digits) {
    const int digit = hexadecimal(c);
    if (digit < 0) {
      return std::nullopt;
    }
    number = number << 4 | static_cast<std::uint32_t>(digit);
  }
  return number;
}

int base64(char c) {
  if (c >= 'A' && c <= 'Z') {
    return c - 'A';
  }
  if (c >= 'a' && c <= 'z') {
    return c - 'a' + 26;
  }
  if (c >= '0' && c <= '9') {
    return c - '0' + 52;
  }
  return c == '+' || c == '-' ? 62 : c == '/' || c == '_' ? 63 : -1;
}

// Bytes in locked memory, at most as many as were announced. The memory is wiped and used again:
// to lock some takes longer than to read many values.
class Undone {
 public:
  Undone(std::size_t size, std::vector<resolver::Secret>& spare) : spare_(spare) {
    if (!spare.empty()) {
      bytes_ = std::move(spare.back());
      spare.pop_back();
    }
    if (bytes_.size() < size) {
      bytes_ = resolver::Secret(std::max(size, kLeastLocked));
    }
  }
  ~Undone() {
    ::sodium_memzero(bytes_.bytes().data(), used_);
    spare_.push_back(std::move(bytes_));
  }
  Undone(const Undone&) = delete;
  Undone& operator=(const Undone&) = delete;

  void put(char c) {
    if (used_ < bytes_.size()) {
      bytes_.bytes()[used_++] = c;
    }
  }
  void put_code_point(std::uint32_t point) {
    const auto more = [&](int shift) { put(static_cast<char>(0x80 | (point >> shift & 0x3f))); };
    if (point < 0x80) {
      put(static_cast<char>(point));
    } else if (point < 0x800) {
      put(static_cast<char>(0xc0 | point >> 6));
      more(0);
    } else if (point < 0x10000) {
      put(static_cast<char>(0xe0 | point >> 12));
      more(6);
      more(0);
    } else {
      put(static_cast<char>(0xf0 | (point >> 18 & 7)));
      more(12);
      more(6);
      more(0);
    }
  }
  std::string_view text() const { return bytes_.reveal().substr(0, used_); }

 private:
  std::vector<resolver::Secret>& spare_;
  resolver::Secret bytes_;
  std::size_t used_ = 0;
};

// `\uXXXX` at text[i], a pair of surrogates as one; i is moved past it.
std::optional<std::uint32_t> unicode_escape(std::string_view text, std::size_t& i) {
  const auto unit = [&](std::size_t at) -> std::optional<std::uint32_t> {
    if (at + 6 > text.size() || text[at] != '\\' || text[at + 1] != 'u') {
      return std::nullopt;
    }
    return hexadecimal(text.substr(at + 2, 4));
  };
  std::optional<std::uint32_t> point = unit(i);
  if (!point) {
    return std::nullopt;
  }
  i += 6;
  if (*point >= 0xd800 && *point < 0xdc00) {
    const std::optional<std::uint32_t> second = unit(i);
    if (second && *second >= 0xdc00 && *second < 0xe000) {
      i += 6;
      point = 0x10000 + ((*point - 0xd800) << 10) + (*second - 0xdc00);
    }
  }
  return point;
}

void undo_escapes(std::string_view text, Undone& out) {
  for (std::size_t i = 0; i < text.size();) {
    if (text[i] != '\\' || i + 1 == text.size()) {
      out.put(text[i++]);
      continue;
    }
    if (text[i + 1] == 'u') {
      if (const auto point = unicode_escape(text, i)) {
        out.put_code_point(*point);
        continue;
      }
    }
    constexpr std::string_view kLetters = "bfnrt0", kMeant("\b\f\n\r\t\0", 6);
    const char c = text[i + 1];
    const std::size_t letter = kLetters.find(c);
    if (c != '\n') {  // which continues a line
      out.put(letter == std::string_view::npos ? c : kMeant[letter]);
    }
    i += 2;
  }
}

void undo_percents(std::string_view text, Undone& out) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte =
        text[i] == '%' && i + 2 < text.size() ? hexadecimal(text.substr(i + 1, 2)) : std::nullopt;
    if (byte) {
      out.put(static_cast<char>(*byte));
      i += 2;
    } else {
      out.put(text[i]);
    }
  }
}

// Calls put(byte) for each byte that `text` stands for; false if it is not base64, or of something
// else than printable text.
template <typename Put>
bool decode_text(std::string_view text, Put&& put) {
  while (!text.empty() && text.back() == '=') {
    text.remove_suffix(1);
  }
  if (text.size() < kShortestBase64 || text.size() % 4 == 1) {
    return false;
  }
  std::uint32_t bits = 0;
  int count = 0;
  for (const char c : text) {
    const int value = base64(c);
    if (value < 0) {
      return false;
    }
    bits = bits << 6 | static_cast<std::uint32_t>(value);
    count += 6;
    if (count >= 8) {
      count -= 8;
      const char byte = static_cast<char>(bits >> count & 0xff);
      const bool printable =
          (byte >= ' ' && byte <= '~') || byte == '\n' || byte == '\r' || byte == '\t';
      if (!printable) {
        return false;
      }
      put(byte);
    }
  }
  return true;
}

}  // namespace

void Collector::take(std::string_view value, std::string_view key, int depth) {
  value = trim(value);
  if (value.size() < kShortestKnown || is_stand_in(value)) {
    return;
  }
  take_(value, key);
  if (depth < kDeepest) {
    if (depth > 0 && value.find("-----BEGIN ") != std::string_view::npos) {
      keys(value);
    }
    parts(value, key, depth + 1);
  }
}

void Collector::quoted(std::string_view written, std::string_view key) {
  if (written.size() > kLongestUndone || written.find('\\') == std::string_view::npos) {
    take(written, key, 0);
    return;
  }
  Undone undone(written.size(), spare_);
  undo_escapes(written, undone);
  keys(undone.text());
  take(undone.text(), key, 0);
  // A password may hold a backslash that its reader takes for one.
  const std::string_view plain = trim(written);
  if (plain.size() >= kShortestKnown && plain.find('\n') == std::string_view::npos &&
      !is_stand_in(plain)) {
    take_(plain, key);
  }
}

void Collector::keys(std::string_view text) {
  constexpr std::string_view kBegin = "-----BEGIN ", kEnd = "-----END ", kDashes = "-----";
  for (std::size_t at = text.find(kBegin); at != std::string_view::npos;) {
    const std::size_t name = at + kBegin.size();
    const std::size_t dashes = text.find(kDashes, name);
    if (dashes == std::string_view::npos) {
      return;
    }
    const std::string_view label = text.substr(name, dashes - name);
    const std::size_t body = dashes + kDashes.size();
    const std::size_t end = std::min(text.find(kEnd, body), text.size());
    const bool secret = label.size() < 64 && label.find("PRIVATE") != std::string_view::npos;
    if (const std::string_view value = trim(text.substr(body, end - body));
        secret && value.size() >= kShortestKnown) {
      take_(value, label);
    }
    at = text.find(kBegin, end);
  }
}

// What a reader of the value would take out of it.
void Collector::parts(std::string_view value, std::string_view key, int depth) {
  if (const std::string_view password = password_in_url(value); !password.empty()) {
    take(password, "password", depth);
    if (password.find('%') != std::string_view::npos && password.size() <= kLongestUndone) {
      Undone undone(password.size(), spare_);
      undo_percents(password, undone);
      take(undone.text(), "password", depth);
    }
  }
  decoded(value, key, depth);
  if (value.find('\n') != std::string_view::npos) {
    return;
  }
  constexpr std::string_view kBetween = " \t;,&|\"'()";
  const std::size_t first = value.find_first_of(kBetween);
  const bool several = first != std::string_view::npos;
  for (std::size_t at = 0; at < value.size();) {
    const std::size_t end = std::min(value.find_first_of(kBetween, at), value.size());
    const std::string_view word = value.substr(at, end - at);
    at = end + 1;
    const std::size_t equals = word.find('=');
    // Padding is no sign of a name.
    if (equals != std::string_view::npos && equals > 0 && equals < 64 &&
        word.find_first_not_of('=', equals) != std::string_view::npos) {
      take(word.substr(equals + 1), word.substr(0, equals), depth);
    } else if (several) {
      take(word, "", depth);  // by itself it must look like a secret
    }
  }
}

void Collector::decoded(std::string_view value, std::string_view key, int depth) {
  if (value.size() > kLongestUndone || !decode_text(value, [](char) {})) {
    return;
  }
  Undone undone(value.size(), spare_);
  decode_text(value, [&](char byte) { undone.put(byte); });
  const std::string_view text = undone.text();
  keys(text);
  take(text, key, depth);
  // "user:password", as HTTP and the registries' clients want it.
  const std::size_t colon = text.find(':');
  if (colon != std::string_view::npos && text.find_first_of(" \n/") == std::string_view::npos) {
    take(text.substr(colon + 1), "password", depth);
  }
}

}  // namespace agentbox::values
