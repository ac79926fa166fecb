// The one strict number parser.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string_view>

namespace agentbox::base {

// Decimal digits only, whole text, no sign, no spaces, no leading "0" before another digit;
// nullopt for anything else and for what exceeds `most`. Pure.
std::optional<std::uint64_t> parse_number(std::string_view text, std::uint64_t most = UINT64_MAX);

// A number with an optional suffix K, M, G or T (powers of 1024): "8G". Bytes.
std::optional<std::uint64_t> parse_size(std::string_view text);

// A number with a suffix s, m, h or d: "90s", "10m".
std::optional<std::chrono::seconds> parse_duration(std::string_view text);

}  // namespace agentbox::base
