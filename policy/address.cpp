#include "policy/address.h"

#include <arpa/inet.h>

#include <algorithm>
#include <cstring>

#include "policy/network_rules.h"

namespace agentbox::policy {

namespace {

constexpr AddressBytes kMapped = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
constexpr unsigned kMappedBits = 96;

struct Block {
  const char* address;
  unsigned prefix;
};

// IANA IPv4 and IPv6 Special-Purpose Address Registries: what is not globally reachable, multicast,
// and 198.18.0.0/15, which the boxes' own networks use. Cloud metadata (169.254.169.254,
// 100.100.100.200, fd00:ec2::254) lies in these, except for Azure's 168.63.129.16.
constexpr Block kLocal4[] = {
    {"0.0.0.0", 8},      {"10.0.0.0", 8},     {"100.64.0.0", 10}, {"127.0.0.0", 8},
    {"169.254.0.0", 16}, {"172.16.0.0", 12},  {"192.0.0.0", 24},  {"192.0.2.0", 24},
    {"192.168.0.0", 16}, {"192.88.99.0", 24}, {"198.18.0.0", 15}, {"198.51.100.0", 24},
    {"203.0.113.0", 24}, {"224.0.0.0", 4},    {"240.0.0.0", 4},   {"168.63.129.16", 32},
};
constexpr Block kLocal6[] = {
    {"::", 96},     {"100::", 64},  {"2001::", 23},      {"2001:db8::", 32},
    {"3fff::", 20}, {"5f00::", 16}, {"fc00::", 7},       {"fe80::", 10},
    {"fec0::", 10}, {"ff00::", 8},  {"64:ff9b:1::", 48},
};
// Forms that carry an IPv4 address: NAT64 (RFC 6052) at byte 12, 6to4 (RFC 3056) at byte 2.
constexpr Block kNat64 = {"64:ff9b::", 96};
constexpr Block k6to4 = {"2002::", 16};

AddressBytes mapped(const std::uint8_t* four) {
  AddressBytes bytes = kMapped;
  std::memcpy(bytes.data() + 12, four, 4);
  return bytes;
}

bool is_mapped(const AddressBytes& bytes) { return shares_prefix(bytes, kMapped, kMappedBits); }

bool in_block(const AddressBytes& bytes, const Block& block, unsigned offset) {
  return shares_prefix(bytes, address_bytes(block.address).value(), block.prefix + offset);
}

bool is_local(const AddressBytes& bytes) {
  if (is_mapped(bytes)) {
    return std::any_of(std::begin(kLocal4), std::end(kLocal4),
                       [&](const Block& block) { return in_block(bytes, block, kMappedBits); });
  }
  if (in_block(bytes, kNat64, 0)) {
    return is_local(mapped(bytes.data() + 12));
  }
  if (in_block(bytes, k6to4, 0)) {
    return is_local(mapped(bytes.data() + 2));
  }
  return std::any_of(std::begin(kLocal6), std::end(kLocal6),
                     [&](const Block& block) { return in_block(bytes, block, 0); });
}

}  // namespace

std::optional<AddressBytes> address_bytes(const std::string& text) {
  AddressBytes bytes;
  std::uint8_t four[4];
  if (::inet_pton(AF_INET, text.c_str(), four) == 1 && text.find('\0') == std::string::npos) {
    // inet_pton takes "010.0.0.1", which other programs read as octal.
    return address_text(mapped(four)) == text ? std::optional(mapped(four)) : std::nullopt;
  }
  if (text.find('\0') != std::string::npos ||
      ::inet_pton(AF_INET6, text.c_str(), bytes.data()) != 1 || is_mapped(bytes)) {
    return std::nullopt;
  }
  return bytes;
}

std::string address_text(const AddressBytes& bytes) {
  char text[INET6_ADDRSTRLEN];
  const bool four = is_mapped(bytes);
  ::inet_ntop(four ? AF_INET : AF_INET6, bytes.data() + (four ? 12 : 0), text, sizeof text);
  return text;
}

bool shares_prefix(const AddressBytes& a, const AddressBytes& b, unsigned bits) {
  const std::size_t whole = bits / 8;
  if (!std::equal(a.begin(), a.begin() + static_cast<std::ptrdiff_t>(whole), b.begin())) {
    return false;
  }
  const unsigned rest = bits % 8;
  return rest == 0 || ((a[whole] ^ b[whole]) >> (8 - rest)) == 0;
}

bool is_network_address(const AddressBytes& bytes, unsigned prefix) {
  for (unsigned bit = prefix; bit < 128; ++bit) {
    if ((bytes[bit / 8] >> (7 - bit % 8) & 1) != 0) {
      return false;
    }
  }
  return true;
}

bool is_loopback(const AddressBytes& bytes) {
  return (is_mapped(bytes) && bytes[12] == 127) ||
         bytes == AddressBytes{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
}

bool is_local_address(const std::uint8_t (&address)[16]) {
  AddressBytes bytes;
  std::memcpy(bytes.data(), address, bytes.size());
  return is_local(bytes);
}

}  // namespace agentbox::policy
