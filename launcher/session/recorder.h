// The session's voice on the audit log.
#pragma once

#include <exception>
#include <functional>
#include <mutex>
#include <string>

#include "audit/log.h"
#include "base/unique_fd.h"

namespace agentbox::session {

// Fills in what all records of a session share. write() and sync() throw, so that the caller
// releases nothing; note() is for serving threads, which cannot: a failure is kept, and
// failure_descriptor() becomes readable, upon which the session ends (fail closed). Thread-safe.
class Recorder {
 public:
  Recorder(const std::string& directory, audit::Record common);

  void write(audit::Record record);
  void sync() { log_.sync(); }
  void note(audit::Record record) noexcept;

  int failure_descriptor() const { return failed_.get(); }
  // Throws what note() could not.
  void rethrow_failure();

 private:
  audit::Log log_;
  const audit::Record common_;
  base::UniqueFd failed_;
  std::mutex mutex_;
  std::exception_ptr failure_;
};

}  // namespace agentbox::session
