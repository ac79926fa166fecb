// Which box may start which other, and how many. Decides from the policy and the numbers alone.
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>

#include "launcher/broker/spawning.h"
#include "policy/parameters.h"
#include "policy/policy.h"

namespace agentbox::nursery {

using Clock = std::chrono::steady_clock;

// Where the policy says nothing.
inline constexpr std::uint64_t kDepth = 3;        // boxes below the session's first one
inline constexpr std::uint64_t kConcurrent = 16;  // boxes besides the first one

// A box, as far as it matters for whom it may start.
struct Parent {
  std::string box, scope, chain;
  std::size_t depth = 0;    // 0: the session's first box
  bool of_command = false;  // a program of the policy's `commands` runs in it
  // Its own, and those of the boxes above it: fixed for all that it starts.
  policy::Parameters parameters = {};
};

// Why not: a code for programs, what happened, what to do.
struct Refused {
  std::string code, message, hint;
};

// Not thread-safe.
class Admission {
 public:
  explicit Admission(const policy::Policy& policy);

  // nullopt: it may. The scope of a command's request has been filled in, from the policy; it is
  // empty for one that the policy does not have. `running` boxes are there already. Uses up some of
  // the rate.
  std::optional<Refused> judge(const Parent& parent, const broker::SpawnRequest& request,
                               std::size_t running, Clock::time_point now);

  // The same for one that was let in before and has waited.
  std::optional<Refused> full(std::size_t running) const;

  // What a box that may be started is bound to. Throws base::Error, see policy::bind_parameters().
  policy::Parameters bind(const Parent& parent, const broker::SpawnRequest& request) const;

  // The policy line that lets `parent` start what was let in.
  std::string rule(const Parent& parent, const broker::SpawnRequest& request) const;

 private:
  std::optional<Refused> judge_scope(const Parent& parent, const std::string& scope) const;
  std::optional<Refused> judge_command(const Parent& parent,
                                       const broker::SpawnRequest& request) const;

  const policy::Policy& policy_;
  std::uint64_t depth_, concurrent_;
  double tokens_;
  std::optional<Clock::time_point> filled_;
};

}  // namespace agentbox::nursery
