// The box's end of the broker's socket.
#pragma once

#include <cstddef>
#include <nlohmann/json.hpp>
#include <string>

#include "base/unique_fd.h"

namespace agentbox::broker {

// Sends one request and returns its "result". Throws base::Error: kDenied with the broker's message
// for an "error" answer, kFailed when there is no broker, when it takes longer than ten seconds, or
// when what it says is no answer to this request.
nlohmann::json call(const std::string& socket_path, const std::string& method,
                    const nlohmann::json& params = nlohmann::json::object());

// The same over a connected stream socket, which is not closed. Errors call the other side `peer`
// ("the broker"); an answer is at most `longest` bytes long.
nlohmann::json exchange(int socket, const std::string& peer, const std::string& method,
                        const nlohmann::json& params, std::size_t longest);

// Connects to a socket's path, ten seconds for each send and receive. Throws base::SystemError.
base::UniqueFd connect_to(const std::string& path, const std::string& peer);

}  // namespace agentbox::broker
