// Where a URL goes (RFC 6454): what credentials may not leave, and what needs no TLS.
#pragma once

#include <string>
#include <string_view>

namespace agentbox::resolver {

// "https://host:port" in lower case, or "" for what has no host or brings credentials of its own.
// Pure.
std::string origin_of(std::string_view url);

// Whether an origin is localhost, 127.0.0.0/8 or ::1, by its name. Pure.
bool is_this_machine(std::string_view origin);

}  // namespace agentbox::resolver
