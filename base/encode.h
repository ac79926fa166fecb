// Text encodings of bytes. Pure.
#pragma once

#include <string>
#include <string_view>

namespace agentbox::base {

// Lower-case hexadecimal.
std::string hex(std::string_view bytes);

// For people: control characters, invalid UTF-8 and bidirectional overrides become \xNN or \u{N},
// so that what a box chose (a path, a host, a name) cannot drive a terminal or forge a line.
std::string printable(std::string_view bytes);

// Whether the bytes are well-formed UTF-8 (RFC 3629: no surrogates, no overlong forms).
bool is_utf8(std::string_view bytes);

}  // namespace agentbox::base
