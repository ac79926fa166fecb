// What stands in a file in place of a secret.
#pragma once

#include <span>

namespace agentbox::view {

// Line ends stay, so that line numbers do.
inline void put_stars(std::span<char> secret) {
  for (char& c : secret) {
    if (c != '\n' && c != '\r') {
      c = '*';
    }
  }
}

}  // namespace agentbox::view
