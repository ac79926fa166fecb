#include "launcher/values/rarity.h"

#include <algorithm>

#include "launcher/values/fingerprints.h"

namespace agentbox::values {
namespace {

constexpr std::size_t kApart = 4;  // bytes

enum class Kind : unsigned char { kLower, kUpper, kDigit, kCommon, kOther };

constexpr Kind kind_of(char c) {
  if (c >= 'a' && c <= 'z') {
    return Kind::kLower;
  }
  if (c >= 'A' && c <= 'Z') {
    return Kind::kUpper;
  }
  if (c >= '0' && c <= '9') {
    return Kind::kDigit;
  }
  constexpr std::string_view kCommon = " \n\r\t./-_:\"'=,()";
  return kCommon.find(c) != std::string_view::npos ? Kind::kCommon : Kind::kOther;
}

constexpr auto kKinds = [] {
  std::array<Kind, 256> kinds{};
  for (std::size_t i = 0; i < kinds.size(); ++i) {
    kinds[i] = kind_of(static_cast<char>(i));
  }
  return kinds;
}();

Kind kind(char c) { return kKinds[static_cast<unsigned char>(c)]; }

// Words are lower-case; in what is random, the kinds change.
int rarity(char before, char c) {
  const Kind one = kind(before), other = kind(c);
  if (before == c || other == Kind::kCommon) {
    return 0;
  }
  const int change = one == other || one == Kind::kCommon ? 0 : 2;
  return change + (other == Kind::kLower ? 1 : 2);
}

}  // namespace

RareWindows rare_windows(std::string_view text) {
  struct Scored {
    int score = -1;
    std::size_t offset = 0;
  };
  std::array<Scored, std::tuple_size_v<decltype(RareWindows::offsets)>> best;
  int score = 0;
  for (std::size_t i = 1; i < text.size(); ++i) {
    score += rarity(text[i - 1], text[i]);
    if (i >= kWindow) {
      score -= rarity(text[i - kWindow], text[i - kWindow + 1]);
    }
    if (i + 1 < kWindow) {
      continue;
    }
    const Scored window{score, i + 1 - kWindow};
    // One that is near a better one is passed over; one that is near a worse one replaces it.
    const auto close = std::find_if(best.begin(), best.end(), [&](const Scored& other) {
      return other.score >= 0 && window.offset - other.offset < kApart;
    });
    if (close != best.end() && close->score >= score) {
      continue;
    }
    auto place = close != best.end() ? close : best.end() - 1;
    if (place->score >= score) {
      continue;
    }
    *place = window;
    for (; place != best.begin() && (place - 1)->score < place->score; --place) {
      std::swap(*(place - 1), *place);
    }
  }
  RareWindows result{};
  for (const Scored& window : best) {
    if (window.score >= 0) {
      result.offsets[result.count++] = window.offset;
    }
  }
  return result;
}

}  // namespace agentbox::values
