#include "launcher/values/forms.h"

#include <sodium.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "base/encode.h"

namespace agentbox::values {
namespace {

constexpr char kLower[] = "0123456789abcdef";
constexpr char kUpper[] = "0123456789ABCDEF";
constexpr char kBase64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr char kBase64Url[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

bool is_alphanumeric(char c) {
  return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

bool contains(std::string_view set, char c) { return set.find(c) != std::string_view::npos; }

// What each encoder leaves alone besides letters and digits.
struct UrlStyle {
  std::string_view safe;
  bool plus_for_space;
};
constexpr UrlStyle kUrlStyles[] = {
    {"-._~", false},                  // RFC 3986 unreserved: curl, Go, Rust, Python quote(safe="")
    {"-._~/", false},                 // Python quote()
    {"-_.!~*'()", false},             // JavaScript encodeURIComponent()
    {"-_.!~*'();/?:@&=+$,#", false},  // JavaScript encodeURI()
    {"*-._", true},                   // HTML forms, Java URLEncoder
    {"-._~", true},                   // Python quote_plus(), Go QueryEscape()
};

// One code point at text[i], which is valid UTF-8; i is moved past it.
std::uint32_t next_code_point(std::string_view text, std::size_t& i) {
  const auto byte = [&](std::size_t k) { return static_cast<unsigned char>(text[k]); };
  const std::uint32_t lead = byte(i++);
  if (lead < 0x80) {
    return lead;
  }
  const int more = lead >= 0xf0 ? 3 : lead >= 0xe0 ? 2 : 1;
  std::uint32_t point = lead & (0x3fU >> more);
  for (int k = 0; k < more; ++k) {
    point = point << 6 | (byte(i++) & 0x3fU);
  }
  return point;
}

}  // namespace

void Forms::put(char byte) {
  if (used_ == buffer_.size()) {
    resolver::Secret larger(std::max<std::size_t>(4096, 2 * buffer_.size()));
    if (used_ > 0) {
      std::memcpy(larger.bytes().data(), buffer_.reveal().data(), used_);
    }
    buffer_ = std::move(larger);
  }
  buffer_.bytes()[used_++] = byte;
}

void Forms::put(std::string_view bytes) {
  for (char byte : bytes) {
    put(byte);
  }
}

// Keeps what was written since begin(), unless the same value already has the same form.
bool Forms::end(std::uint32_t name) {
  const Form form{begin_, used_ - begin_, name, false, false};
  const bool known =
      std::any_of(forms_.begin() + static_cast<std::ptrdiff_t>(first_of_value_), forms_.end(),
                  [&](const Form& other) { return text(other) == text(form); });
  if (form.length < kShortestValue || known) {
    used_ = begin_;
    return false;
  }
  forms_.push_back(form);
  return true;
}

std::string_view trim_newlines(std::string_view value) {
  while (!value.empty() && (value.back() == '\n' || value.back() == '\r')) {
    value.remove_suffix(1);
  }
  return value;
}

std::vector<std::string_view> secret_lines(std::string_view value) {
  std::vector<std::string_view> lines;
  if (!contains(value, '\n')) {
    return lines;
  }
  for (std::size_t at = 0; at < value.size();) {
    const std::size_t stop = std::min(value.find('\n', at), value.size());
    std::string_view line = value.substr(at, stop - at);
    at = stop + 1;
    while (!line.empty() && contains(" \t\r", line.front())) {
      line.remove_prefix(1);
    }
    while (!line.empty() && contains(" \t\r", line.back())) {
      line.remove_suffix(1);
    }
    // "-----BEGIN PRIVATE KEY-----" is no secret, and on many screens.
    if (line.size() >= kShortestLine && !line.starts_with("-----")) {
      lines.push_back(line);
    }
  }
  return lines;
}

bool Forms::add(std::string_view value, std::uint32_t name) {
  value = trim_newlines(value);
  if (value.size() < kShortestValue) {
    return false;
  }
  add_encodings(value, name);
  for (const std::string_view line : secret_lines(value)) {
    begin();
    put(line);
    end(name);
  }
  return true;
}

void Forms::add_encodings(std::string_view value, std::uint32_t name) {
  first_of_value_ = forms_.size();
  add_plain(value, name);
  add_base64(value, name);
  add_hexadecimal(value, name);
  add_url(value, name);
  add_json(value, name);
  add_shell(value, name);
}

void Forms::add_literal(std::string_view text, std::uint32_t name) {
  first_of_value_ = forms_.size();
  begin();
  put(text);
  end(name);
}

void Forms::clear() {
  ::sodium_memzero(buffer_.bytes().data(), used_);
  used_ = begin_ = first_of_value_ = 0;
  forms_.clear();
}

// The value, and as a terminal prints it: its line discipline turns \n into \r\n.
void Forms::add_plain(std::string_view value, std::uint32_t name) {
  begin();
  put(value);
  end(name);
  if (!contains(value, '\n')) {
    return;
  }
  begin();
  for (char c : value) {
    put(c == '\n' ? std::string_view("\r\n") : std::string_view(&c, 1));
  }
  end(name);
}

// What precedes a value in the encoded text shifts it by 0, 1 or 2 bytes: three different texts.
// The characters at either end that also depend on the neighbours are left out. Broken into lines
// of `width`, if that is not 0 and there is more than one.
void Forms::encode_base64(std::string_view value, std::uint32_t name, const char* alphabet,
                          std::size_t shift, std::size_t width, std::string_view newline) {
  const std::size_t first = (8 * shift + 5) / 6, last = 8 * (shift + value.size()) / 6;
  if (width > 0 && last <= width) {
    return;
  }
  begin();
  const auto byte = [&](std::size_t i) -> unsigned {
    return i < shift || i - shift >= value.size() ? 0
                                                  : static_cast<unsigned char>(value[i - shift]);
  };
  for (std::size_t k = first; k < last; ++k) {
    // The six bits begin in one byte, of the shifted text, and may end in the next.
    const std::size_t bit = 6 * k;
    const unsigned index = (byte(bit / 8) << 8 | byte(bit / 8 + 1)) >> (10 - bit % 8) & 0x3f;
    if (width > 0 && k > first && k % width == 0) {
      put(newline);
    }
    put(alphabet[index]);
  }
  if (end(name)) {
    forms_.back().shares_before = shift > 0;
    forms_.back().shares_after = 8 * (shift + value.size()) % 6 != 0;
  }
}

void Forms::add_base64(std::string_view value, std::uint32_t name) {
  for (std::size_t shift = 0; shift < 3; ++shift) {
    encode_base64(value, name, kBase64, shift, 0, "");
    encode_base64(value, name, kBase64Url, shift, 0, "");
  }
  for (std::size_t width : {std::size_t{76}, std::size_t{64}}) {  // base64(1), openssl-base64(1)
    encode_base64(value, name, kBase64, 0, width, "\n");
    encode_base64(value, name, kBase64, 0, width, "\r\n");
  }
}

void Forms::add_base64_line(std::string_view text, std::uint32_t name) {
  first_of_value_ = forms_.size();
  encode_base64(text, name, kBase64, 0, 0, "");
}

void Forms::add_hexadecimal(std::string_view value, std::uint32_t name) {
  const auto encode = [&](const char* digits, std::size_t width, std::string_view newline) {
    if (width > 0 && value.size() <= width) {
      return;
    }
    begin();
    for (std::size_t i = 0; i < value.size(); ++i) {
      const auto byte = static_cast<unsigned char>(value[i]);
      if (width > 0 && i > 0 && i % width == 0) {
        put(newline);
      }
      put(digits[byte >> 4]);
      put(digits[byte & 15]);
    }
    end(name);
  };
  encode(kLower, 0, "");
  encode(kUpper, 0, "");
  encode(kLower, 30, "\n");  // xxd -p
  encode(kLower, 30, "\r\n");
}

void Forms::add_url(std::string_view value, std::uint32_t name) {
  for (const char* digits : {kUpper, kLower}) {
    for (const UrlStyle& style : kUrlStyles) {
      begin();
      for (char c : value) {
        const auto byte = static_cast<unsigned char>(c);
        if (is_alphanumeric(c) || contains(style.safe, c)) {
          put(c);
        } else if (c == ' ' && style.plus_for_space) {
          put('+');
        } else {
          put('%');
          put(digits[byte >> 4]);
          put(digits[byte & 15]);
        }
      }
      end(name);
    }
  }
}

// RFC 8259 leaves encoders a choice: "/" (PHP), "<>&" (Go), non-ASCII (Python), the case of the
// digits. Last, a text that is a JSON string within a JSON string.
void Forms::add_json(std::string_view value, std::uint32_t name) {
  enum class NonAscii { kKept, kLower, kUpper };
  const bool utf8 = base::is_utf8(value);
  const auto encode = [&](bool slash, bool html, NonAscii non_ascii, std::string_view backslash) {
    begin();
    const auto unit = [&](std::uint32_t code) {
      const char* digits = non_ascii == NonAscii::kUpper ? kUpper : kLower;
      put(backslash);
      put('u');
      for (int shift = 12; shift >= 0; shift -= 4) {
        put(digits[code >> shift & 15U]);
      }
    };
    for (std::size_t i = 0; i < value.size();) {
      const char c = value[i];
      constexpr std::string_view kControls = "\b\f\n\r\t", kLetters = "bfnrt";
      const std::size_t control = kControls.find(c);
      if (c == '"' || c == '\\') {
        put(backslash);
        // Inside two strings the escaped character is escaped once more.
        put(backslash.size() > 1 ? std::string_view("\\") : std::string_view());
        put(c);
        ++i;
      } else if (control != std::string_view::npos) {
        put(backslash);
        put(kLetters[control]);
        ++i;
      } else if (c == '/' && slash) {
        put(backslash);
        put(c);
        ++i;
      } else if (static_cast<unsigned char>(c) < 0x20 || (html && contains("<>&", c))) {
        unit(static_cast<unsigned char>(c));
        ++i;
      } else if (static_cast<unsigned char>(c) >= 0x80 && utf8 && non_ascii != NonAscii::kKept) {
        const std::uint32_t point = next_code_point(value, i);
        if (point >= 0x10000) {
          unit(0xd800 + ((point - 0x10000) >> 10));
          unit(0xdc00 + ((point - 0x10000) & 0x3ff));
        } else {
          unit(point);
        }
      } else {
        put(c);
        ++i;
      }
    }
    end(name);
  };
  for (NonAscii non_ascii : {NonAscii::kKept, NonAscii::kLower, NonAscii::kUpper}) {
    for (bool slash : {false, true}) {
      encode(slash, false, non_ascii, "\\");
      encode(slash, true, non_ascii, "\\");
    }
  }
  encode(false, false, NonAscii::kKept, "\\\\");
}

// As bash prints values: set -x, declare -p, printf %q, $'…'; and Python's shlex.quote().
void Forms::add_shell(std::string_view value, std::uint32_t name) {
  for (std::string_view quote : {"'\\''", "'\"'\"'"}) {
    begin();
    for (char c : value) {
      put(c == '\'' ? quote : std::string_view(&c, 1));
    }
    end(name);
  }
  for (std::string_view special :
       {std::string_view("\"\\$`"), std::string_view(" \t!\"#$&'()*,;<>?[\\]^`{|}~")}) {
    begin();
    for (char c : value) {
      if (contains(special, c)) {
        put('\\');
      }
      put(c);
    }
    end(name);
  }
  begin();
  for (char c : value) {
    constexpr std::string_view kPlain = "\a\b\033\f\n\r\t\v\\'", kLetters = "abEfnrtv\\'";
    const std::size_t known = kPlain.find(c);
    const auto byte = static_cast<unsigned char>(c);
    if (known != std::string_view::npos) {
      put('\\');
      put(kLetters[known]);
    } else if (byte < 0x20 || byte == 0x7f) {
      put('\\');
      put(static_cast<char>('0' + (byte >> 6)));
      put(static_cast<char>('0' + (byte >> 3 & 7)));
      put(static_cast<char>('0' + (byte & 7)));
    } else {
      put(c);
    }
  }
  end(name);
}

}  // namespace agentbox::values
