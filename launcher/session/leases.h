// What backends opened for a session, kept and closed with every step on the log.
#pragma once

#include <optional>

#include "launcher/session/recorder.h"
#include "resolver/lease_keeper.h"
#include "resolver/resolver.h"

namespace agentbox::session {

// Made before the first resolution, so that what one opens is closed however the session ends.
class Leases {
 public:
  Leases(resolver::Resolver& resolver, Recorder& recorder)
      : resolver_(resolver), recorder_(recorder) {}
  Leases(const Leases&) = delete;
  Leases& operator=(const Leases&) = delete;
  ~Leases();  // revokes; ten seconds at most

  // Renews in time from now on. The thread has the caller's signal mask.
  void keep();

  // For a value that the user takes away: what it does not need is revoked, the rest ends with its
  // time.
  void leave();

 private:
  resolver::LeaseKeeper::Report reporter();

  resolver::Resolver& resolver_;
  Recorder& recorder_;
  std::optional<resolver::LeaseKeeper> keeper_;
};

}  // namespace agentbox::session
