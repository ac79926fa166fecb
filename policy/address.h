// IP addresses as 16 bytes (IPv4 as ::ffff:a.b.c.d, RFC 4291 2.5.5.2), network order. Pure.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>

namespace agentbox::policy {

using AddressBytes = std::array<std::uint8_t, 16>;

// Four decimal numbers without leading zeros, or an IPv6 address (RFC 4291 2.2) without a zone;
// nullopt for every other spelling. An IPv4-mapped IPv6 spelling is refused: it would be a second
// way to write the same rule.
std::optional<AddressBytes> address_bytes(const std::string& text);

// The usual spelling (RFC 5952).
std::string address_text(const AddressBytes& bytes);

bool shares_prefix(const AddressBytes& a, const AddressBytes& b, unsigned bits);

// Whether all bits behind the first `prefix` ones are zero.
bool is_network_address(const AddressBytes& bytes, unsigned prefix);

// 127.0.0.0/8 and ::1.
bool is_loopback(const AddressBytes& bytes);

}  // namespace agentbox::policy
