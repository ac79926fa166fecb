// The end of the chain, kept apart from the chain: without it a cut tail could not be seen.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace agentbox::audit {

// Written in place, in one sector, after each line and under the lock. What a crash can leave:
// - of a process: the head at most one line behind the log, perhaps with an unfinished line;
// - of the machine (another `boot`): head and log each at any point since `synced`, not before.
// Everything else is tampering.
struct Head {
  std::uint64_t roll = 0;         // rolled files before the current one
  std::uint64_t seq = 0;          // of the last record
  std::string hash;               // of the last record
  std::uint64_t size = 0;         // of the current file, bytes
  std::uint64_t synced = 0;       // records up to this seq were durable …
  std::uint64_t synced_size = 0;  // … which is this much of the current file, bytes
  std::string boot;               // boot id of the kernel when this was written
};

inline constexpr std::size_t kHeadSize = 512;

// Padded to kHeadSize. Pure.
std::string head_text(const Head& head);
// nullopt for what head_text cannot have written. Pure.
std::optional<Head> parse_head(std::string_view text);

// At most kHeadSize bytes of the file; throws SystemError.
std::string read_head_text(int fd);

// Of the running kernel (random(4)); the same until the machine restarts. Throws base::Error.
const std::string& boot_id();

}  // namespace agentbox::audit
