// The append-only, hash-chained log of DESIGN section 8. One chain a user, shared by all sessions.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "base/unique_fd.h"

namespace agentbox::audit {

// What happened. Fields that stay empty are left out of the line. Never a secret value.
struct Record {
  std::string event;  // session, box, resolve, release, rotate, deny, hide, connect, spawn, approve,
                      // trust, mask
  std::string session, box, parent, scope;
  std::string chain;  // spawn ancestry, "main/tests"
  std::string reference, backend, version, delivery;
  std::optional<bool> cache;
  std::string rule;     // place and text of the policy line that decided
  std::string subject;  // what it is about: a path, a host:port, a secret's name
  std::string reason, outcome, error;
  std::optional<std::chrono::microseconds> latency;
  std::string actor, command, policy;
};

// Writes records. Every method may be called from any thread; sessions of other processes append to
// the same chain under a lock on the file. Throws base::Error when a record cannot be written or
// synced: the caller must not release anything then.
class Log {
 public:
  // `directory` is made (0700) if it is missing.
  explicit Log(const std::string& directory);
  ~Log();

  // Appends; durable only after sync().
  void append(const Record& record);
  // fdatasync(2) of everything appended so far.
  void sync();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace agentbox::audit
