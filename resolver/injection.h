// Templates in the syntax of `op inject` ("Secrets template syntax" of 1Password's documentation).
#pragma once

#include <string>
#include <string_view>

#include "resolver/dotenv.h"
#include "resolver/template.h"

namespace agentbox::resolver {

// Text with references in it, enclosed in "{{ … }}" (any scheme) or bare ("op://…" alone), and with
// variables: "$NAME", "${NAME}", "${NAME:-default}", also inside a reference. "{{ "text" }}" stands
// for the text itself. A template without a reference is fine: nothing is released by it. Throws
// base::Error (kConfiguration), "FILE:LINE: what". Pure.
Template parse_injection(std::string_view text, const std::string& file, const Lookup& variables);

}  // namespace agentbox::resolver
