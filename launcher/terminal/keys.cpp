#include "launcher/terminal/keys.h"

namespace agentbox::terminal {

namespace {

constexpr std::string_view kForms[] = {"\x1d", "\033[93;5u", "\033[93;5:1u", "\033[27;5;93~"};
constexpr std::size_t kLongestParameters = 64;  // bytes; no key and no answer needs more

bool is_continuation(char byte) { return (static_cast<unsigned char>(byte) & 0xc0) == 0x80; }

}  // namespace

std::optional<KeyPress> find_reserved_key(std::string_view input) {
  std::optional<KeyPress> first;
  for (const std::string_view form : kForms) {
    const std::size_t at = input.find(form);
    if (at != input.npos && (!first || at < first->begin)) {
      first = KeyPress{at, form.size()};
    }
  }
  return first;
}

std::string PlainKeys::feed(std::string_view input) {
  std::string keys;
  for (const char byte : input) {
    switch (where_) {
      case Where::kPlain:
        if (byte == '\033') {
          where_ = Where::kEscape;
        } else if (!pasting_) {
          keys += byte;
        }
        break;
      case Where::kEscape:
        parameters_.clear();
        where_ = byte == '['                                                 ? Where::kControl
                 : byte == 'O'                                               ? Where::kShift
                 : std::string_view("]P_^X").find(byte) != std::string::npos ? Where::kString
                 : byte == '\033'                                            ? Where::kEscape
                                                                             : Where::kPlain;
        break;
      case Where::kShift:
        where_ = Where::kPlain;
        break;
      case Where::kControl:
        if (byte == '\033') {
          where_ = Where::kEscape;
        } else if (byte >= '@' && byte <= '~') {
          end_control(byte, keys);
        } else if (parameters_.size() < kLongestParameters) {
          parameters_ += byte;
        }
        break;
      case Where::kString:
        if (byte == '\033') {
          where_ = Where::kStringEscape;
        } else if (byte == '\a') {
          where_ = Where::kPlain;
        }
        break;
      case Where::kStringEscape:
        where_ = byte == '\\'     ? Where::kPlain
                 : byte == '\033' ? Where::kStringEscape
                                  : Where::kString;
        break;
      case Where::kReport:
        // A character of mode 1005 has several bytes.
        if (!is_continuation(byte) && left_-- == 0) {
          where_ = Where::kPlain;
          keys += feed({&byte, 1});
        }
        break;
    }
  }
  return keys;
}

void PlainKeys::end_control(char final, std::string& keys) {
  where_ = Where::kPlain;
  if (final == 'M' && parameters_.empty()) {
    where_ = Where::kReport;
    left_ = 3;
  } else if (final == '~' && parameters_ == "200") {
    pasting_ = true;
  } else if (final == '~' && parameters_ == "201") {
    pasting_ = false;
  } else if (final == 'c' && parameters_.starts_with('?')) {
    answered_ = true;
    keys.clear();  // what came before may be an answer, too
  }
}

}  // namespace agentbox::terminal
