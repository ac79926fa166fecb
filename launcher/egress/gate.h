// The decisions of the way out, apart from all sockets. Pure.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "launcher/egress/address.h"
#include "launcher/egress/dns_message.h"
#include "launcher/egress/name_table.h"
#include "policy/network_rules.h"

namespace agentbox::egress {

// What a program in the box wants to reach, named again by the local address of its connection.
struct Target {
  enum class Kind { kName, kAddress, kLocalhost } kind = Kind::kAddress;
  std::string host;                // what to resolve, for kName
  std::vector<Address> addresses;  // where to go, for the others; in this order
  std::string subject;             // "example.com:443"
  const policy::NetworkRule* rule = nullptr;
  std::string refusal;  // why not; empty: allowed
};

// What decides about a loopback address: an entry of "localhost", or else one of that address.
const policy::NetworkRule* loopback_rule(const policy::NetworkRules& rules, const Address& loopback,
                                         std::uint16_t port);

Target judge_target(const policy::NetworkRules& rules, const NameTable& names, const Address& local,
                    std::uint16_t port);

// Of the addresses that an allowed name led to, those that may be dialled, in their order.
// `is_own` says whether an address belongs to this very host.
struct Choice {
  std::vector<Address> addresses;
  std::string refusal;                        // why none is left
  const policy::NetworkRule* rule = nullptr;  // the denial that decided, if one did
};
Choice choose(const policy::NetworkRules& rules, const std::vector<Address>& resolved,
              std::uint16_t port, const std::function<bool(const Address&)>& is_own);

// The DNS stub's answer; gives the name an address in `names` if it needs one.
struct Reply {
  ResponseCode code = ResponseCode::kNoError;
  std::optional<Address> address;
  std::string refusal;  // to be reported if not empty
  const policy::NetworkRule* rule = nullptr;
};
Reply judge_query(const policy::NetworkRules& rules, NameTable& names, const Query& query);

}  // namespace agentbox::egress
