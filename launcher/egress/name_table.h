// The addresses that names have inside the box.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "launcher/egress/address.h"
#include "policy/network_rules.h"

namespace agentbox::egress {

// 198.18.0.0/15, set aside for tests of network devices (RFC 2544), so that no real host has it.
inline constexpr std::uint32_t kFirstNameAddress = 0xc6120001;  // 198.18.0.1
inline constexpr std::uint32_t kLastNameAddress = 0xc613fffe;   // 198.19.255.254
inline constexpr char kNamePrefix[] = "198.18.0.0/15";

// Each name under a wildcard that is really connected to is a look-up that its owner sees, so how
// many different ones a session may use is bounded.
inline constexpr std::size_t kNamesPerWildcard = 256;

// One name, one address, for the whole session: an address that a program remembers never becomes
// another host. Names are canonical (policy::canonical_host). Use from one thread.
class NameTable {
 public:
  // The name's address; nullopt if `rule`, a wildcard, has kNamesPerWildcard names already, or if
  // the range is used up.
  std::optional<Address> assign(const std::string& name, const policy::NetworkRule& rule);

  // The name that has this address, or nullptr.
  const std::string* find(const Address& address) const;

 private:
  std::unordered_map<std::string, std::uint32_t> addresses_;
  std::vector<std::string> names_;  // the one at i has kFirstNameAddress + i
  std::unordered_map<const policy::NetworkRule*, std::size_t> used_;
};

}  // namespace agentbox::egress
