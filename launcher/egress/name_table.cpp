#include "launcher/egress/name_table.h"

namespace agentbox::egress {

std::optional<Address> NameTable::assign(const std::string& name, const policy::NetworkRule& rule) {
  if (const auto known = addresses_.find(name); known != addresses_.end()) {
    return Address::v4(known->second);
  }
  if (names_.size() > kLastNameAddress - kFirstNameAddress) {
    return std::nullopt;
  }
  if (rule.kind == policy::NetworkRule::Kind::kSuffix) {
    std::size_t& used = used_[&rule];
    if (used == kNamesPerWildcard) {
      return std::nullopt;
    }
    ++used;
  }
  const std::uint32_t address = kFirstNameAddress + static_cast<std::uint32_t>(names_.size());
  names_.push_back(name);
  addresses_.emplace(name, address);
  return Address::v4(address);
}

const std::string* NameTable::find(const Address& address) const {
  if (!address.is_v4() || address.v4_host_order() < kFirstNameAddress) {
    return nullptr;
  }
  const std::size_t index = address.v4_host_order() - kFirstNameAddress;
  return index < names_.size() ? &names_[index] : nullptr;
}

}  // namespace agentbox::egress
