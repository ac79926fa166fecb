#include "policy/network_rules.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "base/encode.h"
#include "base/error.h"
#include "base/number.h"
#include "policy/address.h"

namespace agentbox::policy {

namespace {

using base::Error;
using base::Status;

constexpr std::size_t kLongestHost = 253;  // RFC 1035 2.3.4, without the trailing dot
constexpr std::size_t kLongestLabel = 63;

[[noreturn]] void refuse(const Pattern& pattern, const std::string& why, const std::string& hint) {
  throw Error(
      Status::kConfiguration,
      pattern.place.text() + ": the network entry \"" + base::printable(pattern.text) + "\" " + why,
      hint);
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

bool is_label(std::string_view label) {
  const auto ldh = [](char c) { return (c >= 'a' && c <= 'z') || is_digit(c) || c == '-'; };
  return !label.empty() && label.size() <= kLongestLabel && label.front() != '-' &&
         label.back() != '-' && std::all_of(label.begin(), label.end(), ldh);
}

// "*.": any name below; the host is what follows.
NetworkRule parse_name(const Pattern& pattern, std::string_view text) {
  NetworkRule rule;
  if (text == "*" || text.empty()) {
    refuse(pattern, "names every host",
           "name the hosts: \"api.example.com:443\", or \"*.example.com:443\" for those below it");
  }
  if (text.substr(0, 2) == "*.") {
    rule.kind = NetworkRule::Kind::kSuffix;
    text.remove_prefix(2);
  }
  const bool ascii = std::all_of(text.begin(), text.end(),
                                 [](char c) { return static_cast<unsigned char>(c) < 0x80; });
  if (!ascii) {
    refuse(pattern, "is not ASCII",
           "write the name as DNS knows it, in its \"xn--…\" form (`idn2 NAME` prints it)");
  }
  const std::optional<std::string> host = canonical_host(text);
  if (!host) {
    refuse(pattern, "has no valid host name",
           "letters, digits and \"-\" between dots; a wildcard only as \"*.\" in front");
  }
  rule.host = *host;
  if (rule.kind == NetworkRule::Kind::kSuffix && rule.host.find('.') == std::string::npos) {
    refuse(pattern, "names a whole top-level domain", "name a domain below it");
  }
  if (rule.host == "localhost") {
    rule.kind = NetworkRule::Kind::kLocalhost;
  }
  return rule;
}

NetworkRule parse_address(const Pattern& pattern, std::string_view text) {
  NetworkRule rule;
  rule.kind = NetworkRule::Kind::kAddress;
  const std::size_t slash = text.find('/');
  const std::string address(text.substr(0, slash));
  const std::optional<AddressBytes> bytes = address_bytes(address);
  if (!bytes) {
    refuse(pattern, "has no valid address",
           "write \"192.0.2.7:22\", \"10.0.0.0/8:443\" or \"[2001:db8::1]:443\"");
  }
  const bool four = address.find(':') == std::string::npos;
  rule.prefix = four ? 32 : 128;
  if (slash != std::string_view::npos) {
    const auto prefix = base::parse_number(text.substr(slash + 1), rule.prefix);
    if (!prefix || *prefix == 0) {
      refuse(pattern, "has no valid prefix length",
             std::string("write a number from 1 to ") + (four ? "32" : "128") + " after the \"/\"");
    }
    rule.prefix = static_cast<unsigned>(*prefix);
  }
  if (!is_network_address(*bytes, four ? rule.prefix + 96 : rule.prefix)) {
    refuse(pattern, "has bits set behind its prefix",
           "write the first address of the range: \"10.0.0.0/8\"");
  }
  rule.host = address_text(*bytes);
  return rule;
}

bool name_matches(const NetworkRule& rule, std::string_view host) {
  switch (rule.kind) {
    case NetworkRule::Kind::kName:
    case NetworkRule::Kind::kLocalhost:
      return host == rule.host;
    case NetworkRule::Kind::kSuffix:
      return host.size() > rule.host.size() + 1 &&
             host[host.size() - rule.host.size() - 1] == '.' &&
             host.substr(host.size() - rule.host.size()) == rule.host;
    case NetworkRule::Kind::kAddress:
      return false;
  }
  return false;
}

// The bytes of a rule's address and the length of its prefix in the 128-bit form.
struct Range {
  AddressBytes bytes{};
  unsigned prefix = 0;
};

Range range_of(const NetworkRule& rule) {
  const bool four = rule.host.find(':') == std::string::npos;
  return {address_bytes(rule.host).value(), four ? rule.prefix + 96 : rule.prefix};
}

bool address_matches(const NetworkRule& rule, const AddressBytes& address) {
  if (rule.kind == NetworkRule::Kind::kLocalhost) {
    return is_loopback(address);
  }
  if (rule.kind != NetworkRule::Kind::kAddress) {
    return false;
  }
  const Range range = range_of(rule);
  return shares_prefix(range.bytes, address, range.prefix);
}

template <typename Rules, typename Matches>
const NetworkRule* judge(const Rules& rules, const Matches& matches) {
  const NetworkRule* allowed = nullptr;
  for (const NetworkRule& rule : rules) {
    if (!matches(rule)) {
      continue;
    }
    if (rule.deny) {
      return &rule;
    }
    if (allowed == nullptr) {
      allowed = &rule;
    }
  }
  return allowed;
}

bool is_local_rule(const NetworkRule& rule) {
  return rule.kind == NetworkRule::Kind::kLocalhost ||
         (rule.kind == NetworkRule::Kind::kAddress && is_loopback(range_of(rule).bytes));
}

}  // namespace

std::optional<std::string> canonical_host(std::string_view text) {
  if (!text.empty() && text.back() == '.') {
    text.remove_suffix(1);
  }
  if (text.empty() || text.size() > kLongestHost) {
    return std::nullopt;
  }
  std::string host(text);
  std::transform(host.begin(), host.end(), host.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  std::string_view rest = host;
  std::string_view label;
  while (true) {
    const std::size_t dot = rest.find('.');
    label = rest.substr(0, dot);
    if (!is_label(label)) {
      return std::nullopt;
    }
    if (dot == std::string_view::npos) {
      break;
    }
    rest.remove_prefix(dot + 1);
  }
  // A last label that a resolver could take for a number makes the whole an IPv4 address in some
  // spelling ("127.1", "0x7f.1"), which no rule for names may let through (WHATWG URL, 3.5).
  const bool number = std::all_of(label.begin(), label.end(), is_digit);
  if (number || label.substr(0, 2) == "0x") {
    return std::nullopt;
  }
  return host;
}

NetworkRule parse_network_rule(const Pattern& pattern) {
  std::string_view text = pattern.text;
  const bool deny = !text.empty() && text.front() == '!';
  text.remove_prefix(deny ? 1 : 0);
  const std::size_t colon = text.rfind(':');
  const bool in_brackets = !text.empty() && text.back() == ']';
  if (colon == std::string_view::npos || in_brackets) {
    refuse(pattern, "has no port", "write it behind a colon: \"example.com:443\"");
  }
  const auto port = base::parse_number(text.substr(colon + 1), 65535);
  if (!port || *port == 0) {
    refuse(pattern, "has no valid port", "write one number from 1 to 65535 behind the last colon");
  }
  const std::string_view host = text.substr(0, colon);
  NetworkRule rule;
  if (!host.empty() && host.front() == '[') {
    if (host.back() != ']') {
      refuse(pattern, "has no valid address", "write \"[2001:db8::1]:443\"");
    }
    const std::string_view inner = host.substr(1, host.size() - 2);
    if (inner.find(':') == std::string_view::npos) {
      refuse(pattern, "has brackets around what is no IPv6 address", "leave the brackets out");
    }
    rule = parse_address(pattern, inner);
  } else if (host.find(':') != std::string_view::npos) {
    refuse(pattern, "has an IPv6 address without brackets", "write \"[2001:db8::1]:443\"");
  } else if (host.find('/') != std::string_view::npos ||
             (!host.empty() && host.find_first_not_of("0123456789.") == std::string_view::npos)) {
    rule = parse_address(pattern, host);
  } else {
    rule = parse_name(pattern, host);
  }
  rule.deny = deny;
  rule.port = static_cast<std::uint16_t>(*port);
  rule.source = pattern;
  return rule;
}

bool covers(const NetworkRule& outer, const NetworkRule& inner) {
  if (outer.port != inner.port) {
    return false;
  }
  const bool outer_address = outer.kind == NetworkRule::Kind::kAddress;
  const bool inner_address = inner.kind == NetworkRule::Kind::kAddress;
  if (outer_address || inner_address) {
    if (!outer_address || !inner_address) {
      return false;
    }
    const Range wide = range_of(outer);
    const Range narrow = range_of(inner);
    return narrow.prefix >= wide.prefix && shares_prefix(wide.bytes, narrow.bytes, wide.prefix);
  }
  if (inner.kind == NetworkRule::Kind::kSuffix) {
    return outer.kind == NetworkRule::Kind::kSuffix &&
           (outer.host == inner.host || name_matches(outer, inner.host));
  }
  return name_matches(outer, inner.host);
}

NetworkRules::NetworkRules(const std::vector<Pattern>& patterns) {
  for (const Pattern& pattern : patterns) {
    rules_.push_back(parse_network_rule(pattern));
  }
}

const NetworkRule* NetworkRules::judge_name(std::string_view host, std::uint16_t port) const {
  return judge(rules_, [&](const NetworkRule& rule) {
    return rule.port == port && name_matches(rule, host);
  });
}

const NetworkRule* NetworkRules::judge_name(std::string_view host) const {
  // A denial of one port leaves the name's other ports, so the name is answered.
  const NetworkRule* denied = nullptr;
  for (const NetworkRule& rule : rules_) {
    if (!name_matches(rule, host)) {
      continue;
    }
    const NetworkRule* decisive = judge_name(host, rule.port);
    if (!decisive->deny) {
      return decisive;
    }
    denied = denied == nullptr ? decisive : denied;
  }
  return denied;
}

const NetworkRule* NetworkRules::judge_address(const std::uint8_t (&address)[16],
                                               std::uint16_t port) const {
  AddressBytes bytes;
  std::memcpy(bytes.data(), address, bytes.size());
  return judge(rules_, [&](const NetworkRule& rule) {
    return rule.port == port && address_matches(rule, bytes);
  });
}

std::set<std::uint16_t> NetworkRules::ports() const {
  std::set<std::uint16_t> ports;
  for (const NetworkRule& rule : rules_) {
    if (!rule.deny && !is_local_rule(rule)) {
      ports.insert(rule.port);
    }
  }
  return ports;
}

std::set<std::uint16_t> NetworkRules::localhost_ports() const {
  std::set<std::uint16_t> ports;
  for (const NetworkRule& rule : rules_) {
    if (!rule.deny && is_local_rule(rule)) {
      ports.insert(rule.port);
    }
  }
  return ports;
}

std::vector<const NetworkRule*> NetworkRules::addresses() const {
  std::vector<const NetworkRule*> addresses;
  for (const NetworkRule& rule : rules_) {
    if (!rule.deny && rule.kind == NetworkRule::Kind::kAddress && !is_local_rule(rule)) {
      addresses.push_back(&rule);
    }
  }
  return addresses;
}

}  // namespace agentbox::policy
