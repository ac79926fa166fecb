// SHA-256 (FIPS 180-4), by libsodium.
#pragma once

#include <string>
#include <string_view>

namespace agentbox::base {

// The digest in lower-case hexadecimal, 64 characters. Pure, thread-safe.
std::string sha256_hex(std::string_view bytes);

}  // namespace agentbox::base
