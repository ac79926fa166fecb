#include "launcher/session/leases.h"

#include <memory>
#include <utility>
#include <vector>

namespace agentbox::session {

Leases::~Leases() {
  keeper_.reset();
  resolver::LeaseKeeper(resolver_.take_leases(), reporter()).finish();
}

void Leases::keep() { keeper_.emplace(resolver_.take_leases(), reporter()); }

void Leases::leave() {
  std::vector<std::unique_ptr<resolver::Lease>> closed;
  for (std::unique_ptr<resolver::Lease>& lease : resolver_.take_leases()) {
    if (!lease->needed()) {
      closed.push_back(std::move(lease));
    }
  }
  resolver::LeaseKeeper(std::move(closed), reporter()).finish();
}

resolver::LeaseKeeper::Report Leases::reporter() {
  return [this](const resolver::LeaseKeeper::Event& event) {
    audit::Record record;
    record.event = "lease";
    record.subject = event.lease;
    record.reference = event.reference;
    record.outcome = event.action + (event.failed ? " failed" : "");
    if (event.failed) {
      record.error = resolver::failure_name(event.failed->failure);
      record.reason = event.failed->message;
    }
    recorder_.note(std::move(record));
  };
}

}  // namespace agentbox::session
