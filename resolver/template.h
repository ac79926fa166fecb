// Text with references in it: "//registry/:_authToken={{ op://Dev/npm/token }}".
#pragma once

#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "resolver/reference.h"

namespace agentbox::resolver {

// The pieces in order: literal text, or a reference that stood between "{{" and "}}".
using Template = std::vector<std::variant<std::string, Reference>>;

// Throws base::Error (kConfiguration) with FILE:LINE for an enclosure that is not closed or holds
// no reference; text without any enclosure is an error too: it would release nothing. Pure.
Template parse_template(std::string_view text, const std::string& file);

}  // namespace agentbox::resolver
