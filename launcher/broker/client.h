// The box's end of the broker's socket.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace agentbox::broker {

// Sends one request and returns its "result". Throws base::Error: kDenied with the broker's message
// for an "error" answer, kFailed when there is no broker, when it takes longer than ten seconds, or
// when what it says is no answer to this request.
nlohmann::json call(const std::string& socket_path, const std::string& method,
                    const nlohmann::json& params = nlohmann::json::object());

}  // namespace agentbox::broker
