// The append-only, hash-chained log of DESIGN section 8. One chain a user, shared by all sessions.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>

namespace agentbox::audit {

// What happened. Fields that stay empty are left out of the line. Never a secret value.
struct Record {
  std::string event;  // session, box, resolve, release, rotate, deny, hide, find, write, connect,
                      // spawn, approve, trust, mask, review, request, history, watch, lease,
                      // recover
  std::string session, box, parent, scope;
  std::string chain;       // spawn ancestry, "main/tests"
  std::string parameters;  // that the box was started with, "tenant=acme"
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

  // Appends; durable only after sync(). Takes a few microseconds. Each field is cut at 16 KiB. What
  // a crash has left at the end of the log is mended first, and a record of the event "recover"
  // says so; a log that was tampered with is refused.
  void append(const Record& record);
  // fdatasync(2) of everything appended so far. After a failure this log stays failed: the kernel
  // reports a lost page once (fsync(2)).
  void sync();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace agentbox::audit
