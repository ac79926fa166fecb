// Runs a secret manager's own program, and reads what it prints into locked memory.
#pragma once

#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "resolver/secret.h"

namespace agentbox::resolver {

struct Command {
  std::string program;                   // absolute path
  std::vector<std::string> arguments;    // argv, with argv[0]; never a secret: any user can read it
  std::vector<const char*> environment;  // "NAME=value", all of it; the caller keeps the strings
  std::string_view input;                // of standard input, kept by the caller; empty: /dev/null
  std::size_t output_limit = 2u << 20;   // bytes
};

struct Finished {
  enum class End { kExited, kSignalled, kTimedOut, kTooMuchOutput };
  End end = End::kExited;
  int code = 0;        // exit status, or the signal
  Secret output;       // standard output, complete if end is kExited
  std::string errors;  // the first 8 KiB of standard error, raw; may hold anything, so wipe it
};

// Runs the command in a session of its own (setsid(2): no controlling terminal to prompt on), in
// "/", with the three standard descriptors alone, default signals and nothing blocked. At the
// deadline, or when it prints too much, its whole process group is killed. A process that it leaves
// behind on a normal exit is let be. Throws base::SystemError if it cannot be started.
// Thread-safe; the caller must not reap children that are not its own (waitpid(-1)) meanwhile.
Finished run(const Command& command, std::chrono::steady_clock::time_point deadline);

struct Search {
  std::string program;  // absolute path, or "" if there is none
  std::string skipped;  // the first candidate that was not trusted, for the message
  std::string path;     // the trusted directories, for PATH
};

// Looks `name` up in the directories of `path` that are absolute, not writable by everyone and not
// in or below one of `avoid` (after realpath(3); "/" is ignored there): what a repository brings
// must not become the program that sees the secrets.
Search find_program(std::string_view name, std::string_view path,
                    const std::vector<std::string>& avoid);

}  // namespace agentbox::resolver
