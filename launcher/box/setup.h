// The box's set-up: one ordered list of named steps, compiled before the clone, run after it.
//
// Everything a step needs is allocated while the list is compiled, in the supervisor. The child is
// a copy of the supervisor's memory and runs the list without allocation, locks or exceptions.
#pragma once

#include <netinet/in.h>
#include <sys/capability.h>
#include <sys/socket.h>
#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "launcher/box/box.h"

namespace agentbox::box {

// Descriptors that have a fixed number in the child. All others are closed before the first step.
inline constexpr int kControl = 3;  // to the supervisor: reports out, orders in (control.h)
inline constexpr int kLaunch = 4;   // the command's own socket: what to execute in, errno out
inline constexpr int kProc = 5;     // the outer /proc
inline constexpr int kInput = 6;    // the command's future standard input, output and error
inline constexpr int kOutput = 7;
inline constexpr int kError = 8;
inline constexpr int kFirstFree = 9;

struct Context;

// One step. `run` returns 0 or an errno.
struct Step {
  const char* name;
  int (*run)(Context& context, const Step& step);
  std::string subject;  // the path or address that an error names
  std::string source;   // operands; their meaning is the function's
  std::string target;   // inside the box, without the leading slash
  std::size_t index = 0;
  std::uint64_t number = 0;
  bool flag = false;
};

// What the steps share. Its vectors have their final size when the child starts.
struct Context {
  bool identity_by_supervisor = false;  // it writes maps of all ids; else the child maps its own
  uid_t user = 0;
  gid_t group = 0;
  bool terminal = false;
  bool user_namespaces = false;
  bool guarded = false;
  bool cgroup = false;  // memory and processes are limited for the box as a whole
  // Where the command starts, if it enters by itself: a directory that init had entered before
  // masks were put on it would be the uncovered one. Else without a source.
  Step command_directory = {};
  int landlock_abi = 0;  // 0: the kernel has none

  std::vector<sockaddr_storage> addresses;  // of Plan::sockets
  std::vector<std::string> routes;          // netlink messages
  std::vector<std::string> writable;        // absolute paths that Landlock leaves writable
  cap_t no_capabilities = nullptr;

  int root = -1;             // the new root's mount
  int terminals = -1;        // the devpts mount
  int secrets = -1;          // the read-only mount of the secrets
  std::vector<int> views;    // mounts, not attached yet
  std::vector<int> handles;  // to hand out, in the order of Handles
  std::size_t handle_count = 0;
  mode_t umask = 022;

  // The supervisor's argument and environment strings, which the child's copy wipes.
  char* arguments_begin = nullptr;
  char* environment_end = nullptr;

  Context() = default;
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;
  ~Context();
};

// The list for a plan. Throws base::Error (kConfiguration) for a plan that makes no sense: a path
// that is relative, holds NUL or "..", an address that cannot be parsed, too many descriptors.
std::vector<Step> compile(const Plan& plan, Context& context);

// What to do about a failed step, if it is known; else "".
std::string hint(const Step& step, int error);

}  // namespace agentbox::box
