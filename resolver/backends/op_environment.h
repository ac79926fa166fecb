// What 1Password's program may see of the environment.
#pragma once

#include <array>
#include <string_view>

namespace agentbox::resolver {

// Not OP_FORMAT, which changes what it prints, nor OP_DEBUG, which prints more than it should.
inline constexpr std::array<std::string_view, 10> kOpVariables = {
    "HOME",
    "XDG_CONFIG_HOME",
    "XDG_RUNTIME_DIR",
    "OP_ACCOUNT",
    "OP_SERVICE_ACCOUNT_TOKEN",
    "OP_CONNECT_HOST",
    "OP_CACHE",
    "OP_CONNECT_TOKEN",
    "OP_CONFIG_DIR",
    "OP_BIOMETRIC_UNLOCK_ENABLED",
};
// Of a variable that holds a session, one an account.
inline constexpr std::string_view kOpSessionPrefix = "OP_SESSION_";

}  // namespace agentbox::resolver
