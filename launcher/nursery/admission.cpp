#include "launcher/nursery/admission.h"

#include <algorithm>

#include "base/encode.h"
#include "base/nearest.h"

namespace agentbox::nursery {

namespace {

// Starts: the most that may be saved up, and how fast that comes back. A box that fails at once,
// again and again, must not keep the machine busy with starting it.
constexpr double kPerSecond = 10;
double burst(std::uint64_t concurrent) { return std::max(20.0, 2.0 * double(concurrent)); }

std::string quoted(const std::string& name) {
  std::string text = "\"";
  text += base::printable(name.substr(0, 128));
  text += '"';
  return text;
}

}  // namespace

Admission::Admission(const policy::Policy& policy)
    : policy_(policy),
      depth_(policy.limits.spawn_depth.value_or(kDepth)),
      concurrent_(policy.limits.spawn_concurrent.value_or(kConcurrent)),
      tokens_(burst(concurrent_)) {}

std::optional<Refused> Admission::judge(const Parent& parent, const broker::SpawnRequest& request,
                                        std::size_t running, Clock::time_point now) {
  const std::vector<std::string>& may = policy_.scopes.at(parent.scope).spawn;
  if (std::find(may.begin(), may.end(), request.scope) == may.end()) {
    const std::string near = base::nearest(request.scope, may);
    return Refused{"denied",
                   "the policy does not let scope " + quoted(parent.scope) + " start scope " +
                       quoted(request.scope),
                   near.empty() ? "`agentbox status` lists what it may start"
                                : "did you mean " + quoted(near) + "?"};
  }
  const policy::Scope& scope = policy_.scopes.at(request.scope);
  if (request.detach && !scope.detach) {
    return Refused{"denied", "the policy does not let scope " + quoted(request.scope) + " detach",
                   "leave --detach out, or set \"detach\": true in the scope"};
  }
  if (parent.depth >= depth_) {
    return Refused{"limit",
                   "this box is " + std::to_string(parent.depth) +
                       " below the first one, and the policy allows no deeper",
                   "see limits.spawn_depth"};
  }
  if (const auto refused = full(running)) {
    return refused;
  }
  const double passed = std::chrono::duration<double>(now - filled_).count();
  tokens_ = std::min(burst(concurrent_), tokens_ + passed * kPerSecond);
  filled_ = now;
  if (tokens_ < 1) {
    return Refused{"limit", "this session starts boxes too fast", "wait a second"};
  }
  tokens_ -= 1;
  return std::nullopt;
}

std::optional<Refused> Admission::full(std::size_t running) const {
  if (running < concurrent_) {
    return std::nullopt;
  }
  return Refused{"limit", std::to_string(running) + " boxes run besides the first one already",
                 "wait for one to end, or see limits.spawn_concurrent"};
}

std::string Admission::rule(const Parent& parent, const std::string& scope) const {
  return policy_.scopes.at(parent.scope).place.text() + ": spawn " + scope;
}

}  // namespace agentbox::nursery
