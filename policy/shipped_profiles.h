// The texts of profiles/*.json, put into the library by policy/CMakeLists.txt.
#pragma once

#include <span>
#include <string_view>

namespace agentbox::policy {

struct ShippedProfile {
  std::string_view name;
  std::string_view text;
};

std::span<const ShippedProfile> shipped_profiles();

}  // namespace agentbox::policy
