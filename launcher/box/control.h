// Messages between the supervisor and the box's first process, over one SOCK_SEQPACKET pair.
#pragma once

#include <cstddef>
#include <cstdint>

namespace agentbox::box {

// From the box.
struct Report {
  enum class Kind : std::uint32_t { kFailed, kHandles, kReady, kStopped, kContinued, kExited };
  Kind kind = Kind::kFailed;
  std::uint32_t step = 0;  // kFailed: index into the list of steps, or one of the two below
  std::int32_t value = 0;  // kFailed: errno; kStopped, kContinued, kExited: wait status
};

// What comes before the list of steps, and after it.
inline constexpr std::uint32_t kPrepareStep = UINT32_MAX - 1;
inline constexpr std::uint32_t kStartStep = UINT32_MAX;

// To the box: deliver a signal to the command's foreground process group.
struct Order {
  std::int32_t signal = 0;
};

// Most descriptors in one message (SCM_MAX_FD is 253, unix(7)).
inline constexpr std::size_t kMostHandles = 250;

// What precedes the strings on the launch socket: program, arguments, environment, each string
// with its NUL.
struct LaunchHeader {
  std::uint64_t program = 0, arguments = 0, environment = 0;  // bytes
  std::uint64_t argument_count = 0, environment_count = 0;
};

// Sends one report; 0 or an errno. Safe between clone and exec.
int send_report(int socket, const Report& report);
// Sends one report with descriptors; 0 or an errno. Safe between clone and exec.
int send_handles(int socket, const Report& report, const int* handles, std::size_t count);

}  // namespace agentbox::box
