// Takes the values out of a file that holds secrets: environment files, JSON, YAML, TOML, INI,
// properties, shell, `.netrc` and its like, keys in PEM, and files that are one value.
#pragma once

#include <functional>
#include <string_view>

namespace agentbox::values {

// What a reader of the file would call a value, with the key it stands under ("" if none), quotes
// taken off and escapes undone. `value` is in memory that is wiped after the call, `key` too.
using Taker = std::function<void(std::string_view value, std::string_view key)>;

// Calls `take` for each value of 8 bytes or more (kShortestKnown), also for the parts of one that
// are values themselves: the password in a URL, the fields of a connection string, what base64
// text stands for. References to secrets are left out (is_stand_in()). A value may come more than
// once. Never fails on any text: what follows no known form is taken line by line and word by
// word; takes time linear in it. `path` (relative) is a hint at the form: in source code and its
// copies
// (`main.cpp.bak`) only strings have names, and words none. Pure. Throws what `take`
// throws, and base::Error if memory cannot be locked.
void harvest(std::string_view text, std::string_view path, const Taker& take);

}  // namespace agentbox::values
