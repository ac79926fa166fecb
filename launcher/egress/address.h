// An IP address as bytes: what the policy judges is what is dialled, no text in between.
#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace agentbox::egress {

// IPv6 in network order; IPv4 as ::ffff:a.b.c.d (RFC 4291 2.5.5.2), so that an AAAA record with a
// mapped address and the A record of the same host are one and the same value.
struct Address {
  std::uint8_t bytes[16] = {};

  static Address v4(std::uint32_t host_order);
  // "192.0.2.7" or "2001:db8::1" (inet_pton(3): no zone, no octal); nullopt for anything else.
  static std::optional<Address> parse(std::string_view text);
  // nullopt for a family that is not AF_INET or AF_INET6.
  static std::optional<Address> of(const sockaddr* address);

  bool is_v4() const;
  bool is_loopback() const;             // 127.0.0.0/8 or ::1
  std::uint32_t v4_host_order() const;  // only if is_v4()
  std::string text() const;             // "192.0.2.7", "2001:db8::1"

  bool operator==(const Address&) const = default;
};

// "example.com:443", "192.0.2.7:22", "[2001:db8::1]:443".
std::string with_port(std::string_view host, std::uint16_t port);

}  // namespace agentbox::egress
