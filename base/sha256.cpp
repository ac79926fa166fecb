#include "base/sha256.h"

#include <sodium.h>

#include "base/encode.h"

namespace agentbox::base {

std::string sha256_hex(std::string_view bytes) {
  unsigned char digest[crypto_hash_sha256_BYTES];
  crypto_hash_sha256(digest, reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size());
  return hex({reinterpret_cast<const char*>(digest), sizeof digest});
}

}  // namespace agentbox::base
