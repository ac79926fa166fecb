// What `agentbox spawn` does beside its child: passes on bytes, signals and the window's size.
#pragma once

#include <functional>
#include <nlohmann/json.hpp>
#include <string>

#include "launcher/broker/spawning.h"

namespace agentbox::broker {

struct Escorted {
  // Each at most once, before the command's first byte.
  std::function<void(const std::string& message)> waiting;
  std::function<void(const nlohmann::json& receipt)> started;
};

// Starts a sibling of this box on the process's standard streams and stays until it has ended, or,
// detached, has started. Between two terminals, the child gets one of its own. A stream that is a
// pipe is handed on as it is; the bytes of others are copied. Signals that may_be_sent() to this
// process go on to the child. Returns the wait status. Throws base::Error as Child does. For a
// process with a single thread.
int escort(const std::string& socket_path, SpawnRequest request, const Escorted& told);

}  // namespace agentbox::broker
