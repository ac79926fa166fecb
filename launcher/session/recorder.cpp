#include "launcher/session/recorder.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cstdint>

#include "base/error.h"

namespace agentbox::session {

Recorder::Recorder(const std::string& directory, audit::Record common)
    : log_(directory),
      common_(std::move(common)),
      failed_(static_cast<int>(base::check(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), "eventfd"))) {}

void Recorder::write(audit::Record record) {
  const auto fill = [](std::string& field, const std::string& value) {
    if (field.empty()) {
      field = value;
    }
  };
  fill(record.session, common_.session);
  fill(record.box, common_.box);
  fill(record.parent, common_.parent);
  fill(record.scope, common_.scope);
  fill(record.chain, common_.chain);
  fill(record.parameters, common_.parameters);
  fill(record.actor, common_.actor);
  fill(record.command, common_.command);
  fill(record.policy, common_.policy);
  log_.append(record);
}

void Recorder::demand(audit::Record record) {
  try {
    write(std::move(record));
  } catch (...) {
    fail(std::current_exception());
    throw;
  }
}

void Recorder::fail(std::exception_ptr failure) noexcept {
  const std::lock_guard lock(mutex_);
  if (!failure_) {
    failure_ = std::move(failure);
    const std::uint64_t one = 1;
    // The counter cannot overflow: this is written once.
    [[maybe_unused]] const ssize_t n = ::write(failed_.get(), &one, sizeof one);
  }
}

void Recorder::note(audit::Record record) noexcept {
  try {
    demand(std::move(record));
  } catch (...) {
    // Kept for the main thread.
  }
}

void Recorder::rethrow_failure() {
  const std::lock_guard lock(mutex_);
  if (failure_) {
    std::rethrow_exception(failure_);
  }
}

}  // namespace agentbox::session
