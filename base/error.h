// The one exception type, and the exit status that it ends in. docs/errors.md is its contract.
#pragma once

#include <stdexcept>
#include <string>
#include <string_view>

namespace agentbox::base {

// Exit statuses of agentbox itself; a command's own status passes through unchanged.
enum class Status : int {
  kDenied = 77,         // the policy refuses it: untrusted, not allowed
  kConfiguration = 78,  // a document, a reference or a value is wrong (EX_CONFIG)
  kFailed = 125,        // agentbox itself failed: kernel, file, network
  kCannotRun = 126,     // the command was found but cannot be executed
  kNotFound = 127,      // the command was not found
};

// What happened (and why) as what(), what to do next as hint() (may be empty).
// Neither ever holds a secret value. Thrown anywhere in the supervisor, caught in
// main(); a thread hands its own over to the session.
class Error : public std::runtime_error {
 public:
  Error(Status status, const std::string& message, std::string hint = {})
      : std::runtime_error(message), status_(status), hint_(std::move(hint)) {}

  Status status() const { return status_; }
  const std::string& hint() const { return hint_; }

 private:
  Status status_;
  std::string hint_;
};

// A failed system call: "cannot OPERATION ARGUMENT: strerror (ERRNO)". The errno is kept.
class SystemError : public Error {
 public:
  SystemError(std::string_view operation, std::string_view argument, int error,
              std::string hint = {});

  int error() const { return error_; }

 private:
  int error_;
};

// Returns `result` if it is not negative, else throws SystemError with the current errno.
long check(long result, std::string_view operation, std::string_view argument = {});

// "ENOENT" for ENOENT; "E#" with the number for one that has no name.
std::string errno_name(int error);

}  // namespace agentbox::base
