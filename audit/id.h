// Names for sessions, boxes and records.
#pragma once

#include <string>

namespace agentbox::audit {

// 26 characters of Crockford's base 32, lower case, in the layout of a ULID
// (github.com/ulid/spec): 48 bits of Unix time in milliseconds, so that ids sort by age, then 80
// bits from getrandom(2). Thread-safe. Throws base::SystemError if the kernel gives no randomness.
std::string new_id();

}  // namespace agentbox::audit
