// A random key for fingerprints that nobody keeps.
#pragma once

#include <sodium.h>

#include <array>
#include <string_view>

namespace agentbox::values {

// A session's own: nothing that is made with it is kept. Wiped when it goes.
struct SessionKey {
  SessionKey() { ::randombytes_buf(bytes.data(), bytes.size()); }
  ~SessionKey() { ::sodium_memzero(bytes.data(), bytes.size()); }
  SessionKey(const SessionKey&) = delete;
  SessionKey& operator=(const SessionKey&) = delete;

  std::string_view view() const { return {bytes.data(), bytes.size()}; }

  std::array<char, 32> bytes;
};

}  // namespace agentbox::values
