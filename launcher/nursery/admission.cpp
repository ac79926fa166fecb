#include "launcher/nursery/admission.h"

#include <algorithm>
#include <span>

#include "base/encode.h"
#include "base/error.h"
#include "base/nearest.h"
#include "policy/command_rules.h"

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
  if (auto refused = request.command.empty() ? judge_scope(parent, request.scope)
                                             : judge_command(parent, request)) {
    return refused;
  }
  const policy::Scope& scope = policy_.scopes.at(request.scope);
  if (request.detach && (!scope.detach || !request.command.empty())) {
    return Refused{"denied", "the policy does not let scope " + quoted(request.scope) + " detach",
                   "leave --detach out, or set \"detach\": true in the scope"};
  }
  try {
    bind(parent, request);
  } catch (const base::Error& error) {
    return Refused{
        "denied", error.what(),
        request.command.empty() ? error.hint() : "only a box that has this parameter can run it"};
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
  const double passed = std::chrono::duration<double>(now - filled_.value_or(now)).count();
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

std::optional<Refused> Admission::judge_scope(const Parent& parent,
                                              const std::string& scope) const {
  const std::vector<std::string>& may = policy_.scopes.at(parent.scope).spawn;
  if (std::find(may.begin(), may.end(), scope) != may.end()) {
    return std::nullopt;
  }
  const std::string near = base::nearest(scope, may);
  return Refused{
      "denied",
      "the policy does not let scope " + quoted(parent.scope) + " start scope " + quoted(scope),
      near.empty() ? "`agentbox status` lists what it may start"
                   : "did you mean " + quoted(near) + "?"};
}

std::optional<Refused> Admission::judge_command(const Parent& parent,
                                                const broker::SpawnRequest& request) const {
  // What runs with a command's secrets gets no other command's by what it runs in its turn.
  if (parent.of_command) {
    return Refused{"denied", "the box of a command starts no command of the policy", ""};
  }
  const auto found = policy_.commands.find(request.command);
  if (found == policy_.commands.end()) {
    return Refused{"denied", "the policy has no command " + quoted(request.command),
                   "see \"commands\" in the policy"};
  }
  const policy::Command& command = found->second;
  const std::span<const std::string> arguments =
      std::span(request.arguments).subspan(request.arguments.empty() ? 0 : 1);
  if (policy::allowing_place(command, arguments)) {
    return std::nullopt;
  }
  std::string allowed;
  for (const policy::Pattern& rule : *command.args) {
    allowed += (allowed.empty() ? "" : ", ") + base::printable(rule.text);
  }
  std::string asked = base::printable(request.command);
  if (!arguments.empty()) {
    asked += ' ' + base::printable(arguments.front().substr(0, 128));
  }
  return Refused{"denied",
                 asked + " is not among what the policy lets " + base::printable(request.command) +
                     " be given: " + (allowed.empty() ? "nothing" : allowed),
                 "the user may add to commands." + request.command + ".args in the policy"};
}

policy::Parameters Admission::bind(const Parent& parent,
                                   const broker::SpawnRequest& request) const {
  // What runs a command is not asked which: it gets those of the box that it is run from.
  const bool of_scope = request.command.empty();
  return policy::bind_parameters(policy_.scopes.at(request.scope),
                                 of_scope ? request.parameters : policy::Parameters(),
                                 parent.parameters);
}

std::string Admission::rule(const Parent& parent, const broker::SpawnRequest& request) const {
  if (request.command.empty()) {
    return policy_.scopes.at(parent.scope).place.text() + ": spawn " + request.scope;
  }
  const policy::Command& command = policy_.commands.at(request.command);
  const auto place = policy::allowing_place(command, std::span(request.arguments).subspan(1));
  return place.value_or(command.place).text() + ": command " + request.command;
}

}  // namespace agentbox::nursery
