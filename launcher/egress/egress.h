// The way out of a box: a DNS stub and a relay, both deciding by the policy (DESIGN D3).
// docs/network.md tells users the same.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/unique_fd.h"
#include "policy/network_rules.h"

namespace agentbox::egress {

struct Upstream;

// What /etc/resolv.conf holds in a box. The short time-out is for musl, which takes a refusal for
// silence and would wait five seconds; the stub itself answers at once.
inline constexpr char kResolverConfiguration[] =
    "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n";

// A socket that has to exist in the box's network namespace: bound with SO_REUSEADDR, an IPv6 one
// with IPV6_V6ONLY too (or it collides with its IPv4 twin), streams listening with a generous
// backlog. Close-on-exec; blocking or not does not matter.
struct Listen {
  enum class Kind { kDnsDatagram, kDnsStream, kNamed, kLocalhost } kind = Kind::kNamed;
  std::string address;
  std::uint16_t port = 0;
};

// What the rules need, in the order in which the descriptors are given to Egress; nothing for empty
// rules. Throws base::Error: kConfiguration for localhost:53, which is the stub's own place;
// kFailed for an IPv6 address on a kernel that was booted without IPv6.
std::vector<Listen> listens(const policy::NetworkRules& rules);
// Prefixes that the box must deliver to itself: 198.18.0.0/15 and the named addresses. Each is a
// route of type "local" by way of lo (AnyIP); no bits are set behind the prefix.
std::vector<std::string> local_routes(const policy::NetworkRules& rules);

// One connection or refusal, for the audit log.
struct Connection {
  std::string subject;  // "example.com:443"; a name without a port if its look-up was refused
  bool allowed = false;
  std::string reason;                         // why not, or which address it went to
  const policy::NetworkRule* rule = nullptr;  // what decided; valid as long as the Egress
};

class Egress {
 public:
  // Serves from threads of its own until destroyed. `sockets` in the order of listens(rules);
  // `rules` are copied. With neither sockets nor rules it does nothing at all.
  //
  // `connected` is called from one thread (not the caller's, not the relay's), one call at a time.
  // An allowed connection carries no byte before its call has returned, and is closed if it throws.
  // Refusals are limited to 64 different ones a minute; what is beyond, and repeats, come as one
  // record with the subject "*" and their number.
  //
  // Throws base::Error if the sockets are not what the rules need, or no thread can be started.
  Egress(const policy::NetworkRules& rules, std::vector<base::UniqueFd> sockets,
         std::function<void(const Connection&)> connected);
  // The same with another resolver and network outside (launcher/egress/upstream.h).
  Egress(const policy::NetworkRules& rules, std::vector<base::UniqueFd> sockets,
         std::function<void(const Connection&)> connected, Upstream upstream);
  // Closes all connections; returns when `connected` is not running and will not be called again.
  ~Egress();
  Egress(const Egress&) = delete;
  Egress& operator=(const Egress&) = delete;

 private:
  struct Server;
  std::unique_ptr<Server> server_;
};

}  // namespace agentbox::egress
