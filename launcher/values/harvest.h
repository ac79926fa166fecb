// Takes the values out of a file that holds secrets: environment files, JSON, YAML, TOML, INI,
// properties, shell, `.netrc` and its like, keys in PEM, and files that are one value.
#pragma once

#include <functional>
#include <string_view>

namespace agentbox::values {

// What a reader of the file would call a value, with the key it stands under ("" if none), quotes
// taken off and escapes undone. `value` is in memory that is wiped after the call.
using Taker = std::function<void(std::string_view value, std::string_view key)>;

// Calls `take` for each value. Never fails: what follows no known form is taken line by line and
// word by word. `path` (relative) is a hint at the form. Pure.
void harvest(std::string_view text, std::string_view path, const Taker& take);

}  // namespace agentbox::values
