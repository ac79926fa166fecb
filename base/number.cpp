#include "base/number.h"

#include <charconv>

namespace agentbox::base {

std::optional<std::uint64_t> parse_number(std::string_view text, std::uint64_t most) {
  if (text.empty() || text[0] < '0' || text[0] > '9' || (text.size() > 1 && text[0] == '0')) {
    return std::nullopt;
  }
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value > most) {
    return std::nullopt;
  }
  return value;
}

std::optional<std::uint64_t> parse_size(std::string_view text) {
  static constexpr std::string_view kSuffixes = "KMGT";
  int shift = 0;
  if (!text.empty()) {
    if (const auto at = kSuffixes.find(text.back()); at != std::string_view::npos) {
      shift = static_cast<int>(at + 1) * 10;
      text.remove_suffix(1);
    }
  }
  const auto number = parse_number(text, UINT64_MAX >> shift);
  return number ? std::optional(*number << shift) : std::nullopt;
}

std::optional<std::chrono::seconds> parse_duration(std::string_view text) {
  static constexpr std::string_view kSuffixes = "smhd";
  static constexpr std::uint64_t kSeconds[] = {1, 60, 3600, 86400};
  const auto unit = text.empty() ? std::string_view::npos : kSuffixes.find(text.back());
  if (unit == std::string_view::npos) {
    return std::nullopt;
  }
  text.remove_suffix(1);
  const auto number = parse_number(text, INT64_MAX / kSeconds[unit]);
  return number ? std::optional(std::chrono::seconds(*number * kSeconds[unit])) : std::nullopt;
}

}  // namespace agentbox::base
