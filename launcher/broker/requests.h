// What each method answers. Runs on the broker's thread.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "launcher/broker/broker.h"

namespace agentbox::broker {

// The connection that a message came over, as far as its requests have to do with it.
class Caller {
 public:
  virtual ~Caller() = default;
  // Starts a child for it; what becomes of that is the answer to request `id`. What the session's
  // callback throws passes.
  virtual void spawn(std::uint64_t id, const SpawnRequest& request, Stdio stdio) = 0;
  // False: it has no child of request `id`.
  virtual bool tell(std::uint64_t id, const nlohmann::json& message) = 0;
  // Whether it may start another one.
  virtual bool may_spawn() const = 0;
};

// Records the request, then answers one message of a box and the descriptors that came with it.
// nullopt: the caller gets the answer later. Never throws but std::bad_alloc.
std::optional<nlohmann::json> answer(const Context& context, const std::string& message,
                                     std::vector<base::UniqueFd> descriptors, Caller& caller);

}  // namespace agentbox::broker
