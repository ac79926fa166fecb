// Which values can be told from other text: known values must not turn up all over a tree.
#pragma once

#include <string_view>

namespace agentbox::values {

// Whether `value`, under the name `key` ("" if none), is what many files hold that keep no secret:
// a word, a number, a host, a path, a URL without credentials, a placeholder, a reference to a
// secret. A name that says `password`, `secret` or `token` makes almost all else a secret; any
// other name needs a value that looks random. Pure, linear.
bool is_ordinary(std::string_view value, std::string_view key);

// Whether it stands for a value kept elsewhere: `op://…`, `${NAME}`, `$(command)`, `{{ … }}`, or
// for any: `{TOKEN}`, `user:<password>`.
bool is_stand_in(std::string_view value);

// Of so few different bytes, or in such an order, that it is padding or a count.
bool is_monotonous(std::string_view value);

// The password in `scheme://user:password@host/…`, or "".
std::string_view password_in_url(std::string_view value);

}  // namespace agentbox::values
