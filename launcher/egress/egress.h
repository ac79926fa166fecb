// The way out of a box: a DNS stub and a relay, both deciding by the policy (DESIGN D3).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/unique_fd.h"
#include "policy/network_rules.h"

namespace agentbox::egress {

// A socket that has to exist in the box's network namespace.
struct Listen {
  enum class Kind { kDnsDatagram, kDnsStream, kNamed, kLocalhost } kind = Kind::kNamed;
  std::string address;
  std::uint16_t port = 0;
};

// What the rules need, in the order in which the descriptors are given to Egress.
std::vector<Listen> listens(const policy::NetworkRules& rules);
// Prefixes that the box must deliver to itself: 198.18.0.0/15 and the named addresses.
std::vector<std::string> local_routes(const policy::NetworkRules& rules);

// One connection or refusal, for the audit log. Called from the serving thread.
struct Connection {
  std::string subject;  // "example.com:443"
  bool allowed = false;
  std::string reason;   // why not, or which address it went to
  const policy::NetworkRule* rule = nullptr;
};

class Egress {
 public:
  // Serves from a thread of its own until destroyed. `sockets` in the order of listens(rules).
  Egress(const policy::NetworkRules& rules, std::vector<base::UniqueFd> sockets,
         std::function<void(const Connection&)> connected);
  ~Egress();
  Egress(const Egress&) = delete;
  Egress& operator=(const Egress&) = delete;

 private:
  struct Server;
  std::unique_ptr<Server> server_;
};

}  // namespace agentbox::egress
