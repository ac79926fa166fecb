// Points in time, as the log writes them and as a user types them. Pure.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace agentbox::audit {

using Moment = std::chrono::sys_time<std::chrono::microseconds>;

// RFC 3339, UTC, always six digits of a second: "2026-01-31T08:09:10.123456Z". Texts of this form
// sort like the times (years 1970 to 9999).
std::string moment_text(Moment moment);

// What a user means by "since": "90s", "10m", "2h", "3d" (before `now`), "2026-01-31",
// "2026-01-31T08:09", "2026-01-31T08:09:10", with or without "Z"; all UTC. nullopt for other text.
std::optional<Moment> parse_moment(std::string_view text, Moment now);

}  // namespace agentbox::audit
