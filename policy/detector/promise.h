// What a name promises of the value that it is given.
#pragma once

#include <string_view>

namespace agentbox::policy::detect {

enum class Promise {
  kNone,
  kWeak,      // "cache_key", "token": often no secret
  kSecret,    // "api_key", "client_secret", "auth_token": made by a machine, mostly
  kPassword,  // "db_password": whatever a person can think of
};

// `name` as it stands in the text; `folded` is it in lower case without "_", "-" and ".".
Promise promise_of(std::string_view name, std::string_view folded);

}  // namespace agentbox::policy::detect
