// What each method answers. Runs on the broker's thread.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "launcher/broker/broker.h"

namespace agentbox::broker {

// Records the request, then answers one message of a box. Never throws but std::bad_alloc.
nlohmann::json answer(const Context& context, const std::string& message);

}  // namespace agentbox::broker
