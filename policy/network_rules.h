// Which hosts and ports a box may reach. Pure, immutable, any thread may ask.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "policy/document.h"

namespace agentbox::policy {

// One parsed entry: "example.com:443", "*.example.com:443" (one or more labels in front, never the
// bare name), "192.0.2.7:22", "[2001:db8::1]:443", "10.0.0.0/8:443", "localhost:5432". A leading
// "!" denies, and a denial wins.
struct NetworkRule {
  enum class Kind { kName, kSuffix, kAddress, kLocalhost } kind = Kind::kName;
  bool deny = false;
  std::string host;     // canonical: lower-case ASCII, no trailing dot; address text for kAddress
  unsigned prefix = 0;  // kAddress: prefix length in bits
  std::uint16_t port = 0;  // never 0
  Pattern source;
};

// Throws base::Error (kConfiguration) with the place: bad grammar (strict LDH labels; no NUL,
// percent, userinfo, non-ASCII), a missing port, a bare "*".
NetworkRule parse_network_rule(const Pattern& pattern);

// Whether all that `inner` names, `outer` names too; denials are not looked at.
bool covers(const NetworkRule& outer, const NetworkRule& inner);

// Lower-case LDH host name without trailing dot, or nullopt if `text` is not one (RFC 1123 2.1).
std::optional<std::string> canonical_host(std::string_view text);

// Addresses (16 bytes, IPv4 as ::ffff:a.b.c.d, network order) that a *name* may never lead to:
// loopback, private, link-local, unique-local, multicast, reserved, cloud metadata, NAT64 and 6to4
// forms of those.
bool is_local_address(const std::uint8_t (&address)[16]);

class NetworkRules {
 public:
  NetworkRules() = default;  // allows nothing
  explicit NetworkRules(const std::vector<Pattern>& patterns);

  // The rule that allows or denies; nullptr: nothing names it (so it is denied).
  const NetworkRule* judge_name(std::string_view canonical_host, std::uint16_t port) const;
  // Any port: whether the DNS stub may answer this name at all.
  const NetworkRule* judge_name(std::string_view canonical_host) const;
  const NetworkRule* judge_address(const std::uint8_t (&address)[16], std::uint16_t port) const;

  std::set<std::uint16_t> ports() const;              // of allowed names and addresses
  std::set<std::uint16_t> localhost_ports() const;    // of "localhost" and loopback entries
  std::vector<const NetworkRule*> addresses() const;  // allowed address entries, loopback left out
  bool empty() const { return rules_.empty(); }

 private:
  std::vector<NetworkRule> rules_;
};

}  // namespace agentbox::policy
