// What the build step compile_anchors makes of the anchors.
#pragma once

#include <cstddef>
#include <cstdint>

namespace agentbox::policy::detect {

extern const std::uint64_t kAnchorVersion;
extern const std::size_t kAnchorDatabaseSize;
extern const unsigned char kAnchorDatabase[];  // serialized, for hs_deserialize_database

}  // namespace agentbox::policy::detect
