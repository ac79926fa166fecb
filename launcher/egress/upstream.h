// The host's side of the way out: the only place that asks a resolver or dials. Tests give their
// own answers here.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "launcher/egress/address.h"

namespace agentbox::egress {

struct Resolution {
  std::vector<Address> addresses;
  std::string error;  // why there are none
};

struct Upstream {
  // May block for seconds; called from threads of its own, several at once.
  std::function<Resolution(const std::string& host)> resolve;
  // Whether packets to the address would stay on this host. Must not block.
  std::function<bool(const Address&)> is_own;
  // Where a connection to a checked address really goes: there. Must not block.
  std::function<std::pair<Address, std::uint16_t>(const Address&, std::uint16_t)> route;
};

// getaddrinfo(3) with all of the host's own configuration (/etc/hosts, VPN resolvers, nsswitch).
Upstream host_upstream();

}  // namespace agentbox::egress
