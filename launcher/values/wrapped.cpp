#include "launcher/values/wrapped.h"

#include <sodium.h>

#include <algorithm>
#include <array>

namespace agentbox::values {
namespace {

// A longer run is searched in parts, so that a file of base64 does not stand in memory twice.
constexpr std::size_t kPart = 32 * 1024;

constexpr std::array<bool, 256> make_encoded() {
  std::array<bool, 256> encoded = {};
  for (const char c : std::string_view("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                       "0123456789+/-_")) {
    encoded[static_cast<unsigned char>(c)] = true;
  }
  return encoded;
}
constexpr std::array<bool, 256> kEncoded = make_encoded();

constexpr std::array<unsigned char, 256> make_digits() {
  std::array<unsigned char, 256> digits = {};
  for (const char c : std::string_view("0123456789abcdef")) {
    digits[static_cast<unsigned char>(c)] = 1;
  }
  return digits;
}
constexpr std::array<unsigned char, 256> kDigit = make_digits();

// What may stand before a line's end, and before the next line's text: quotes and commas of a list
// of strings, a comment's or a quotation's mark, indentation.
bool is_trailing(char c) {
  return c == '\r' || c == ' ' || c == '"' || c == '\'' || c == ',' || c == '\\';
}
bool is_leading(char c) {
  return c == ' ' || c == '\t' || c == '"' || c == '\'' || c == '#' || c == '>' || c == '|' ||
         c == '*';
}

}  // namespace

bool is_encoded(char c) { return kEncoded[static_cast<unsigned char>(c)]; }

WrappedRuns::~WrappedRuns() { wipe(); }

void WrappedRuns::wipe() {
  if (!joined_.empty()) {
    ::sodium_memzero(joined_.data(), joined_.size());
  }
  joined_.clear();
  pieces_.clear();
}

std::size_t WrappedRuns::run_begin(std::size_t end, std::size_t least) const {
  std::size_t begin = end;
  while (begin > least && is_encoded(text_[begin - 1])) {
    --begin;
  }
  return begin;
}

std::size_t WrappedRuns::run_end(std::size_t begin) const {
  while (begin < text_.size() && is_encoded(text_[begin])) {
    ++begin;
  }
  return begin;
}

// Dumps have six digits or more of an offset in front. Without branches that are hard to foretell:
// this is asked of every line.
void WrappedRuns::note_dumped(std::size_t line) {
  constexpr std::size_t kDigits = 6;
  if (line + kDigits > text_.size()) {
    return;
  }
  unsigned digits = 1;
  for (std::size_t i = 0; i < kDigits; ++i) {
    digits &= kDigit[static_cast<unsigned char>(text_[line + i])];
  }
  if (digits != 0) [[unlikely]] {
    std::size_t at = line + kDigits;
    while (at < text_.size() && kDigit[static_cast<unsigned char>(text_[at])] != 0) {
      ++at;
    }
    const std::size_t colon = at < text_.size() && text_[at] == ':' ? 1 : 0;
    const std::size_t bytes = std::min(text_.find_first_not_of(' ', at + colon), text_.size());
    const std::size_t blanks = bytes - std::min(bytes, at + colon);
    const bool characters = blanks >= 2;  // od -c, which ends in any
    const bool hexadecimal = blanks == 1 && bytes + 1 < text_.size() &&
                             kDigit[static_cast<unsigned char>(text_[bytes])] != 0 &&
                             kDigit[static_cast<unsigned char>(text_[bytes + 1])] != 0;
    if (characters || hexadecimal) {
      first_dumped_ = std::min(first_dumped_, line);
    }
  }
}

// `line_end`: of the newline, or of the backslash of a written one. False if no encoded text stands
// on both sides of it.
bool WrappedRuns::measure(std::size_t line_end, Break& found) {
  std::size_t begin = line_end, end = line_end;
  if (text_[line_end] == '\n') {
    ++end;
    note_dumped(end);
    while (begin > 0 && line_end - begin < kLongestBreak && is_trailing(text_[begin - 1])) {
      --begin;
    }
  } else {
    if (text_.substr(line_end).starts_with("\\r\\n")) {
      end += 4;
    } else if (text_.substr(line_end).starts_with("\\n")) {
      end += 2;
    } else {
      return false;
    }
  }
  while (end < text_.size() && end - begin <= kLongestBreak && is_leading(text_[end])) {
    ++end;
  }
  if (end >= text_.size() || end - begin > kLongestBreak || !is_encoded(text_[end]) ||
      begin < kShortestWrap) {
    return false;
  }
  for (std::size_t i = 1; i <= kShortestWrap; ++i) {
    if (!is_encoded(text_[begin - i])) {
      return false;
    }
  }
  found = {begin, end};
  return true;
}

// The break right behind the run that ends at `end`.
bool WrappedRuns::break_after(std::size_t end, Break& found) {
  const auto is_written = [&](std::size_t at) {
    return text_[at] == '\\' && at + 1 < text_.size() &&
           (text_[at + 1] == 'n' || text_[at + 1] == 'r');
  };
  std::size_t at = end;
  while (at < text_.size() && at - end < kLongestBreak && is_trailing(text_[at]) &&
         !is_written(at)) {
    ++at;
  }
  return at < text_.size() && (text_[at] == '\n' || is_written(at)) && measure(at, found) &&
         found.begin == end;
}

bool WrappedRuns::find_break(std::size_t from, Break& found) {
  while (from < text_.size()) {
    if (first_ || newline_ < from) {
      newline_ = std::min(text_.find('\n', from), text_.size());
    }
    if (first_ || escape_ < from) {
      escape_ = std::min(text_.find('\\', from), text_.size());
    }
    first_ = false;
    const std::size_t line_end = std::min(newline_, escape_);
    if (line_end == text_.size()) {
      return false;
    }
    if (measure(line_end, found)) {
      return true;
    }
    from = line_end + 1;
  }
  return false;
}

void WrappedRuns::append(std::size_t begin, std::size_t end) {
  pieces_.push_back({joined_.size(), begin});
  joined_.insert(joined_.end(), text_.begin() + static_cast<std::ptrdiff_t>(begin),
                 text_.begin() + static_cast<std::ptrdiff_t>(end));
}

bool WrappedRuns::next(std::size_t overlap) {
  if (continues_) {
    const std::size_t gone = joined_.size() - std::min(joined_.size(), overlap);
    std::vector<Piece> kept;
    for (std::size_t i = 0; i < pieces_.size(); ++i) {
      const std::size_t end = i + 1 < pieces_.size() ? pieces_[i + 1].joined : joined_.size();
      if (end > gone) {
        const std::size_t begin = std::max(pieces_[i].joined, gone);
        kept.push_back({begin - gone, pieces_[i].place + (begin - pieces_[i].joined)});
      }
    }
    pieces_.swap(kept);
    std::copy(joined_.begin() + static_cast<std::ptrdiff_t>(gone), joined_.end(), joined_.begin());
    ::sodium_memzero(joined_.data() + (joined_.size() - gone), gone);
    joined_.resize(joined_.size() - gone);
  } else {
    wipe();
    Break found;
    if (!find_break(at_, found)) {
      return false;
    }
    joined_.reserve(2 * kPart + overlap);  // a vector that grew would leave copies behind
    // Of a long line only its end can belong to what crosses the break.
    const std::size_t reach = std::max(at_, found.begin - std::min(found.begin, kPart));
    append(run_begin(found.begin, reach), found.begin);
    at_ = found.end;
    continues_ = true;
  }
  while (joined_.size() < kPart) {
    const std::size_t end = std::min(run_end(at_), at_ + kPart);
    append(at_, end);
    Break found;
    const bool wraps = end - at_ >= kShortestWrap && end < text_.size() &&
                       !is_encoded(text_[end]) && break_after(end, found);
    at_ = end;
    if (!wraps) {
      continues_ = false;
      break;
    }
    at_ = found.end;
  }
  return true;
}

std::size_t WrappedRuns::place(std::size_t at) const {
  const auto after = std::upper_bound(pieces_.begin(), pieces_.end(), at,
                                      [](std::size_t a, const Piece& p) { return a < p.joined; });
  const Piece& piece = *(after - 1);
  return piece.place + (at - piece.joined);
}

bool WrappedRuns::is_broken(std::size_t begin, std::size_t end) const {
  return place(end - 1) - place(begin) != end - 1 - begin;
}

}  // namespace agentbox::values
