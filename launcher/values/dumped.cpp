#include "launcher/values/dumped.h"

#include <sodium.h>

#include <algorithm>

namespace agentbox::values {
namespace {

// A longer run is searched in parts, so that a large dump does not stand in memory twice.
constexpr std::size_t kPart = 32 * 1024;
constexpr std::size_t kMostInLine = 64;                          // bytes; the tools write 16
constexpr std::size_t kShortestOffset = 6, kLongestOffset = 16;  // digits

int digit(char c) {
  return c >= '0' && c <= '9'   ? c - '0'
         : c >= 'a' && c <= 'f' ? c - 'a' + 10
         : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                : -1;
}

}  // namespace

DumpedRuns::~DumpedRuns() { keep(0); }

void DumpedRuns::put(unsigned byte, std::size_t place) {
  joined_.push_back(static_cast<char>(byte));
  places_.push_back(place);
}

// Only the last bytes; the others are wiped.
void DumpedRuns::keep(std::size_t bytes) {
  const std::size_t gone = joined_.size() - std::min(joined_.size(), bytes);
  std::copy(joined_.begin() + static_cast<std::ptrdiff_t>(gone), joined_.end(), joined_.begin());
  if (gone > 0) {
    ::sodium_memzero(joined_.data() + (joined_.size() - gone), gone);
  }
  joined_.resize(joined_.size() - gone);
  places_.erase(places_.begin(), places_.begin() + static_cast<std::ptrdiff_t>(gone));
}

// Groups of hexadecimal digits, parted by a blank, or by two after the eighth byte. `in_order`: the
// bytes of a group are, as xxd(1) writes them; else the group is a number of this machine's.
bool DumpedRuns::read_bytes(std::size_t at, std::size_t end, bool in_order) {
  const std::size_t first = joined_.size();
  while (at < end && joined_.size() - first < kMostInLine) {
    std::size_t group = at;
    while (group < end && digit(text_[group]) >= 0) {
      ++group;
    }
    const std::size_t length = group - at;
    const bool ends = group == end || text_[group] == ' ' || text_[group] == '\r';
    if (length < 2 || length > 16 || length % 2 != 0 || !ends) {
      break;  // the column of characters
    }
    for (std::size_t i = 0; i < length; i += 2) {
      const std::size_t place = in_order ? at + i : group - 2 - i;
      put(static_cast<unsigned>(digit(text_[place]) << 4 | digit(text_[place + 1])), place);
    }
    at = group + 1;
    if (at < end && text_[at] == ' ') {
      const bool middle = !in_order && joined_.size() - first == 8;
      if (!middle || at + 1 >= end || text_[at + 1] == ' ') {
        break;
      }
      ++at;
    }
  }
  return joined_.size() > first;
}

// Cells of four characters: "   a", "  \n", " 303".
bool DumpedRuns::read_characters(std::size_t at, std::size_t end) {
  const std::size_t first = joined_.size();
  for (; at + 4 <= end; at += 4) {
    const std::string_view cell = text_.substr(at, 4);
    unsigned byte = static_cast<unsigned char>(cell[3]);
    if (cell[0] != ' ' || cell[1] != ' ') {
      if (cell[0] != ' ' ||
          std::any_of(cell.begin() + 1, cell.end(), [](char c) { return c < '0' || c > '7'; })) {
        break;
      }
      byte = static_cast<unsigned>(digit(cell[1]) << 6 | digit(cell[2]) << 3 | digit(cell[3]));
    } else if (cell[2] == '\\') {
      constexpr std::string_view kLetters = "0abtnvfr", kMeant("\0\a\b\t\n\v\f\r", 8);
      const std::size_t letter = kLetters.find(cell[3]);
      if (letter == std::string_view::npos) {
        break;
      }
      byte = static_cast<unsigned char>(kMeant[letter]);
    } else if (cell[2] != ' ') {
      break;
    }
    put(byte, at);
  }
  return at >= end && joined_.size() > first;
}

// Appends the bytes of the line that begins there, if it is one of a dump.
bool DumpedRuns::read_line(std::size_t begin) {
  const std::size_t end = std::min(text_.find('\n', begin), text_.size());
  std::size_t at = begin;
  while (at < end && at - begin <= kLongestOffset && digit(text_[at]) >= 0) {
    ++at;
  }
  if (at - begin < kShortestOffset || at - begin > kLongestOffset || at + 3 > end) {
    return false;
  }
  const bool colon = text_[at] == ':';
  at += colon ? 1 : 0;
  if (text_[at] != ' ') {
    return false;
  }
  const std::size_t first = joined_.size();
  if (!colon) {
    if (read_characters(at, end)) {
      return true;
    }
    joined_.resize(first);
    places_.resize(first);
  }
  const std::size_t bytes = text_.find_first_not_of(' ', at);
  if (bytes >= end) {
    return false;
  }
  return read_bytes(bytes, end, colon);
}

std::size_t DumpedRuns::line_end(std::size_t at) const {
  return std::min(text_.find('\n', places_[at]), text_.size());
}

bool DumpedRuns::next(std::size_t overlap) {
  keep(continues_ ? overlap : 0);
  joined_.reserve(kPart + overlap + kMostInLine);  // a vector that grew would leave copies behind
  const std::size_t kept = joined_.size();
  while (at_ < text_.size()) {
    const bool read = read_line(at_);
    if (!read && joined_.size() > kept) {
      continues_ = false;
      return true;
    }
    if (!read && kept > 0) {  // the run ended with the part before
      keep(0);
      continues_ = false;
      return next(overlap);
    }
    at_ = std::min(text_.find('\n', at_), text_.size() - 1) + 1;
    if (joined_.size() >= kPart) {
      continues_ = true;
      return true;
    }
  }
  continues_ = false;
  return joined_.size() > kept;
}

}  // namespace agentbox::values
