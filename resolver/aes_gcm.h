// AES-256-GCM with initialisation vectors of any length, by OpenSSL's libcrypto.
#pragma once

#include <optional>
#include <string_view>

#include "resolver/secret.h"

namespace agentbox::resolver {

// The plain text (NIST SP 800-38D), or nothing if it does not authenticate. `key` is 32 bytes,
// `tag`
// 16. libcrypto.so.3 is loaded at the first call and kept. Thread-safe. Throws base::Error
// (kFailed) if it is not there.
std::optional<Secret> open_aes_gcm(const Secret& key, std::string_view iv, std::string_view text,
                                   std::string_view tag, std::string_view associated);

}  // namespace agentbox::resolver
