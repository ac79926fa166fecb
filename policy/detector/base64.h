// Reading base64 that may hold credentials.
#pragma once

#include <string>
#include <string_view>

namespace agentbox::policy::detect {

// The first bytes of what `text` encodes, either alphabet, padded or not: at most `limit`; empty
// where a byte is of neither alphabet.
std::string decode_base64(std::string_view text, std::size_t limit);

}  // namespace agentbox::policy::detect
