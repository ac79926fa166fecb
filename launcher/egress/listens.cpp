#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

#include "base/error.h"
#include "base/unique_fd.h"
#include "launcher/egress/address.h"
#include "launcher/egress/egress.h"
#include "launcher/egress/gate.h"
#include "launcher/egress/name_table.h"

namespace agentbox::egress {

namespace {

constexpr std::uint16_t kDnsPort = 53;
constexpr char kAnyV4[] = "0.0.0.0";
constexpr char kAnyV6[] = "::";
constexpr char kLoopbackV4[] = "127.0.0.1";
constexpr char kLoopbackV6[] = "::1";

bool is_v6(const policy::NetworkRule& rule) { return rule.host.find(':') != std::string::npos; }

// A kernel booted with ipv6.disable=1 knows no such sockets; a box on it cannot use them either.
bool kernel_has_v6() {
  const base::UniqueFd probe(::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!probe && errno != EAFNOSUPPORT) {
    throw base::SystemError("open", "an IPv6 socket", errno);
  }
  return static_cast<bool>(probe);
}

// "10.0.0.0/8" whatever bits the rule has behind the prefix: the kernel refuses a route with some.
std::string route_of(const policy::NetworkRule& rule) {
  std::optional<Address> address = Address::parse(rule.host);
  if (!address) {
    throw base::Error(base::Status::kConfiguration,
                      rule.source.place.text() + ": \"" + rule.host + "\" is no address");
  }
  const unsigned prefix = address->is_v4() ? rule.prefix + 96 : rule.prefix;
  for (unsigned bit = prefix; bit < 128; ++bit) {
    address->bytes[bit / 8] &= static_cast<std::uint8_t>(~(0x80U >> bit % 8));
  }
  return address->text() + '/' + std::to_string(rule.prefix);
}

}  // namespace

std::vector<Listen> listens(const policy::NetworkRules& rules) {
  if (rules.empty()) {
    return {};
  }
  const std::set<std::uint16_t> local = rules.localhost_ports();
  if (local.contains(kDnsPort)) {
    throw base::Error(base::Status::kConfiguration,
                      "the policy names localhost:53, but port 53 of the box is its own name "
                      "server",
                      "Take localhost:53 out of \"network\": names are resolved outside the box.");
  }
  std::set<std::uint16_t> literal_v6;
  for (const policy::NetworkRule* rule : rules.addresses()) {
    if (is_v6(*rule)) {
      literal_v6.insert(rule->port);
    }
  }
  const std::set<std::uint16_t> ports = rules.ports();
  const bool v6 = (!local.empty() || !literal_v6.empty()) && kernel_has_v6();
  if (!literal_v6.empty() && !v6) {
    throw base::Error(base::Status::kFailed,
                      "the policy names an IPv6 address, but this kernel has no IPv6",
                      "Boot without ipv6.disable=1, or name the host instead of its address.");
  }

  using Kind = Listen::Kind;
  std::vector<Listen> all = {{Kind::kDnsDatagram, kLoopbackV4, kDnsPort}};
  // Two listeners on one port may not overlap, so the wider one serves both; the local address of
  // what it accepts tells them apart.
  all.push_back({Kind::kDnsStream, ports.contains(kDnsPort) ? kAnyV4 : kLoopbackV4, kDnsPort});
  for (const std::uint16_t port : ports) {
    if (port != kDnsPort) {
      all.push_back({Kind::kNamed, kAnyV4, port});
    }
  }
  for (const std::uint16_t port : literal_v6) {
    all.push_back({Kind::kNamed, kAnyV6, port});
  }
  for (const std::uint16_t port : local) {
    const bool four = loopback_rule(rules, *Address::parse(kLoopbackV4), port) != nullptr;
    const bool six = loopback_rule(rules, *Address::parse(kLoopbackV6), port) != nullptr;
    if (!ports.contains(port) && (four || !six)) {
      // An entry of another address below 127.0.0.0/8 has only the wide listener to itself.
      all.push_back({Kind::kLocalhost, four ? kLoopbackV4 : kAnyV4, port});
    }
    if (six && v6 && !literal_v6.contains(port)) {
      all.push_back({Kind::kLocalhost, kLoopbackV6, port});
    }
  }
  return all;
}

std::vector<std::string> local_routes(const policy::NetworkRules& rules) {
  if (rules.empty()) {
    return {};
  }
  std::vector<std::string> routes = {kNamePrefix};
  for (const policy::NetworkRule* rule : rules.addresses()) {
    std::string route = route_of(*rule);
    if (std::find(routes.begin(), routes.end(), route) == routes.end()) {
      routes.push_back(std::move(route));
    }
  }
  return routes;
}

}  // namespace agentbox::egress
