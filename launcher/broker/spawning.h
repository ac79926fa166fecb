// What a box says when it asks for a sibling, and what its caller hears of it. docs/subagents.md
// has the protocol.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/unique_fd.h"

namespace agentbox::broker {

// Of the form only: lengths, no NUL, names. Whether it may be is decided elsewhere.
struct SpawnRequest {
  std::string scope;                   // or, and then it is empty:
  std::string command;                 // a name in the policy's `commands`, which has the scope
  std::string reason;                  // for people; may be empty
  std::vector<std::string> arguments;  // argv, at least one
  std::string directory;               // absolute
  std::map<std::string, std::string> parameters;  // of the scope; a command takes none
  bool terminal = false;  // the child gets a terminal of its own, of this size:
  std::uint16_t rows = 0, columns = 0;
  bool detach = false;    // no input, no output, outlives its caller
  bool messages = false;  // its output is JSON, a message a line: its strings are masked
};

// Standard input, output and error of a child: ends of pipes, or none of them for a detached one.
using Stdio = std::array<base::UniqueFd, 3>;

nlohmann::json to_json(const SpawnRequest& request);
// Exactly the members that to_json writes, of the right types and within bounds; "reason",
// "params", "terminal", "rows", "columns", "detach" and "messages" may be absent. Otherwise
// nullopt, and `problem` says what is wrong. Pure.
std::optional<SpawnRequest> read_spawn_request(const nlohmann::json& params, std::string& problem);

// Whether this is an anonymous pipe that can be read, or written. Asks no file system, which might
// be one that a box serves.
bool is_pipe(int fd, bool readable);

// Between whoever runs a child and the broker of the box that asked for it: one JSON object a
// message, over a SOCK_SEQPACKET pair. The end of the socket on the broker's side means that the
// caller is gone.
//
// From the child's side: {"event":"waiting","message":…}, {"event":"started","receipt":{…}}, and at
// last one of {"event":"ended","status":N} (a wait status) and
// {"event":"refused","code":…,"message":…}; for a detached one, "ended" follows "started" at once.
// To it: {"signal":N} or {"rows":N,"columns":N}.
inline constexpr std::size_t kLongestLinkMessage = 48 << 10;  // fits into a frame with its id

// Whether `number` is a signal that a caller may send to its child.
bool may_be_sent(std::uint64_t number);

}  // namespace agentbox::broker
