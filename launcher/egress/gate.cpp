#include "launcher/egress/gate.h"

namespace agentbox::egress {

namespace {

constexpr char kNotNamed[] = "the policy does not name it";
constexpr char kDenied[] = "the policy denies it";
constexpr char kLocalhostName[] = "localhost";

bool allows(const policy::NetworkRule* rule) { return rule != nullptr && !rule->deny; }

std::string refusal_of(const policy::NetworkRule* rule) {
  if (rule == nullptr) {
    return kNotNamed;
  }
  return rule->deny ? kDenied : std::string();
}

}  // namespace

const policy::NetworkRule* loopback_rule(const policy::NetworkRules& rules, const Address& loopback,
                                         std::uint16_t port) {
  const policy::NetworkRule* rule = rules.judge_name(kLocalhostName, port);
  return rule != nullptr ? rule : rules.judge_address(loopback.bytes, port);
}

Target judge_target(const policy::NetworkRules& rules, const NameTable& names, const Address& local,
                    std::uint16_t port) {
  Target target;
  if (local.is_loopback()) {
    target.kind = Target::Kind::kLocalhost;
    target.rule = loopback_rule(rules, local, port);
    if (target.rule != nullptr && target.rule->kind == policy::NetworkRule::Kind::kAddress) {
      target.subject = with_port(local.text(), port);
      target.addresses = {local};
    } else {
      target.subject = with_port(kLocalhostName, port);
      target.addresses = {*Address::parse("127.0.0.1"), *Address::parse("::1")};
    }
    target.refusal = refusal_of(target.rule);
    return target;
  }
  if (const std::string* name = names.find(local)) {
    target.kind = Target::Kind::kName;
    target.host = *name;
    target.subject = with_port(*name, port);
    target.rule = rules.judge_name(*name, port);
    target.refusal = refusal_of(target.rule);
    if (target.rule == nullptr) {
      target.refusal = "the policy names this host, but not this port";
    }
    return target;
  }
  target.kind = Target::Kind::kAddress;
  target.addresses = {local};
  target.subject = with_port(local.text(), port);
  target.rule = rules.judge_address(local.bytes, port);
  target.refusal = refusal_of(target.rule);
  return target;
}

Choice choose(const policy::NetworkRules& rules, const std::vector<Address>& resolved,
              std::uint16_t port, const std::function<bool(const Address&)>& is_own) {
  Choice choice;
  for (const Address& address : resolved) {
    const policy::NetworkRule* rule = rules.judge_address(address.bytes, port);
    if (rule != nullptr && rule->deny) {
      choice.refusal = "it leads to " + address.text() + ", which the policy denies";
      choice.rule = rule;
    } else if (rule == nullptr && (policy::is_local_address(address.bytes) || is_own(address))) {
      choice.refusal = "it leads to " + address.text() +
                       ", a local address, and the policy does not name that address";
      choice.rule = nullptr;
    } else {
      choice.addresses.push_back(address);
    }
  }
  if (!choice.addresses.empty()) {
    choice.refusal.clear();
    choice.rule = nullptr;
  } else if (choice.refusal.empty()) {
    choice.refusal = "it has no address";
  }
  return choice;
}

Reply judge_query(const policy::NetworkRules& rules, NameTable& names, const Query& query) {
  Reply reply;
  if (query.error != ResponseCode::kNoError) {
    reply.code = query.error;
    return reply;
  }
  const std::optional<std::string> host = policy::canonical_host(query.name);
  if (host == kLocalhostName) {  // RFC 6761 6.3: never asked of anyone
    if (query.type == kTypeA) {
      reply.address = Address::parse("127.0.0.1");
    } else if (query.type == kTypeAaaa) {
      reply.address = Address::parse("::1");
    }
    return reply;
  }
  reply.rule = host ? rules.judge_name(*host) : nullptr;
  if (!allows(reply.rule)) {
    reply.code = ResponseCode::kRefused;
    reply.refusal = refusal_of(reply.rule);
    return reply;
  }
  // Only A records exist: an empty AAAA sends programs to IPv4, an empty HTTPS record keeps them
  // from QUIC and from encrypted client hello.
  if (query.type == kTypeA) {
    reply.address = names.assign(*host, *reply.rule);
    if (!reply.address) {
      reply.code = ResponseCode::kRefused;
      reply.refusal = "this session has used as many names as " + reply.rule->source.text +
                      " may have (" + std::to_string(kNamesPerWildcard) + ")";
    }
  }
  return reply;
}

}  // namespace agentbox::egress
