#include "audit/moment.h"

#include <cstdio>

#include "base/number.h"

namespace agentbox::audit {

namespace {

using std::chrono::days;
using std::chrono::floor;

// The number in text[at, at + length), leading zeros allowed; nullopt unless all are digits.
std::optional<unsigned> digits(std::string_view text, std::size_t at, std::size_t length) {
  unsigned number = 0;
  for (const char c : text.substr(at, length)) {
    if (c < '0' || c > '9') {
      return std::nullopt;
    }
    number = number * 10 + static_cast<unsigned>(c - '0');
  }
  return number;
}

std::optional<Moment> parse_ago(std::string_view text, Moment now) {
  if (text.size() < 2) {
    return std::nullopt;
  }
  // A century of seconds: far enough, and no overflow below.
  const auto count = base::parse_number(text.substr(0, text.size() - 1), 3'200'000'000u);
  if (!count) {
    return std::nullopt;
  }
  const std::chrono::seconds n(static_cast<std::int64_t>(*count));
  switch (text.back()) {
    case 's':
      return now - n;
    case 'm':
      return now - n * 60;
    case 'h':
      return now - n * 3600;
    case 'd':
      return now - n * 86400;
    default:
      return std::nullopt;
  }
}

}  // namespace

std::string moment_text(Moment moment) {
  const auto day = floor<days>(moment);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss time(moment - day);
  char text[64];
  std::snprintf(text, sizeof text, "%04d-%02u-%02uT%02d:%02d:%02d.%06dZ",
                static_cast<int>(date.year()), static_cast<unsigned>(date.month()),
                static_cast<unsigned>(date.day()), static_cast<int>(time.hours().count()),
                static_cast<int>(time.minutes().count()), static_cast<int>(time.seconds().count()),
                static_cast<int>(time.subseconds().count()));
  return text;
}

std::optional<Moment> parse_moment(std::string_view text, Moment now) {
  if (auto ago = parse_ago(text, now)) {
    return ago;
  }
  if (!text.empty() && text.back() == 'Z') {
    text.remove_suffix(1);
  }
  static constexpr std::string_view kShape = "dddd-dd-ddTdd:dd:dd";
  if (text.size() != 10 && text.size() != 16 && text.size() != 19) {
    return std::nullopt;
  }
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (kShape[i] == 'd' ? text[i] < '0' || text[i] > '9' : text[i] != kShape[i]) {
      return std::nullopt;
    }
  }
  const auto number = [&](std::size_t at, std::size_t length) {
    return at < text.size() ? digits(text, at, length).value_or(0) : 0;
  };
  const std::chrono::year_month_day date(std::chrono::year(static_cast<int>(number(0, 4))),
                                         std::chrono::month(number(5, 2)),
                                         std::chrono::day(number(8, 2)));
  const unsigned hours = number(11, 2);
  const unsigned minutes = number(14, 2);
  const unsigned seconds = number(17, 2);
  if (!date.ok() || hours > 23 || minutes > 59 || seconds > 59) {
    return std::nullopt;
  }
  return std::chrono::sys_days(date) + std::chrono::hours(hours) + std::chrono::minutes(minutes) +
         std::chrono::seconds(seconds);
}

}  // namespace agentbox::audit
