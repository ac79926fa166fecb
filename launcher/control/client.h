// The other end: the sessions that run, and a question to one of them.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

namespace agentbox::control {

// The ids of the user's sessions, oldest first. What a dead session has left is removed on the way.
// Throws base::Error.
std::vector<std::string> sessions(const std::string& directory);

// Asks one session; its "result". nullopt: it has ended meanwhile. Throws base::Error: kDenied with
// its message when it refuses.
std::optional<nlohmann::json> ask(const std::string& directory, const std::string& session,
                                  const std::string& method,
                                  const nlohmann::json& params = nlohmann::json::object());

}  // namespace agentbox::control
