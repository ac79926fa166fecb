// The session's voice on the audit log.
#pragma once

#include <exception>
#include <functional>
#include <mutex>
#include <string>

#include "audit/log.h"
#include "base/unique_fd.h"

namespace agentbox::session {

// Fills in what all records of a session share. A record that cannot be written ends the session
// (fail closed): write() and sync() throw to the caller, who releases nothing; from serving threads
// demand() throws too, so that what was asked for is refused, and makes failure_descriptor()
// readable for the main thread; note() is demand() for those who have nothing to refuse.
// Thread-safe.
class Recorder {
 public:
  Recorder(const std::string& directory, audit::Record common);

  void write(audit::Record record);
  void sync() { log_.sync(); }
  void demand(audit::Record record);
  void note(audit::Record record) noexcept;

  // Ends the session for another reason than a record, in the same way.
  void fail(std::exception_ptr failure) noexcept;

  int failure_descriptor() const { return failed_.get(); }
  // Throws what demand() or fail() met first.
  void rethrow_failure();

 private:
  audit::Log log_;
  const audit::Record common_;
  base::UniqueFd failed_;
  std::mutex mutex_;
  std::exception_ptr failure_;
};

}  // namespace agentbox::session
