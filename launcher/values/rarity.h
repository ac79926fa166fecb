// Where a text is least like other texts: there it is looked for first.
#pragma once

#include <array>
#include <cstddef>
#include <string_view>

namespace agentbox::values {

struct RareWindows {
  std::array<std::size_t, 6> offsets;  // the rarest first; apart from each other
  std::size_t count;
};

// Windows of kWindow bytes (fingerprints.h) in `text`, which is at least as long. Pure.
RareWindows rare_windows(std::string_view text);

}  // namespace agentbox::values
