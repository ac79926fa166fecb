// A request as people read it and as the control socket carries it. Pure.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "launcher/approvals/queue.h"

namespace agentbox::approvals {

// One fact a line, "scope    deploy"; of a request out of a queue, whose text is printable. The
// words of the command are quoted as a shell would need them, so that where one ends can be seen.
std::vector<std::string> card(const Request& request);

// {"id", "since" (seconds since the epoch), "seconds_left", "box", "chain", "scope", "reason",
// "rule", "command", "secrets", "hosts", "for_session"}.
nlohmann::json to_json(const Pending& pending);

// The request in such an object. Throws nlohmann::json::exception for anything else.
Request request_from(const nlohmann::json& message);

}  // namespace agentbox::approvals
