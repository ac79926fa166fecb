// Keeps what backends opened for a session alive, and closes it.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "resolver/resolver.h"

namespace agentbox::resolver {

// Renews each lease when two thirds of its life are over, from a thread of its own, until finish().
// One that nobody needs is revoked at once. One that cannot be renewed is told about and tried
// again until it ends.
class LeaseKeeper {
 public:
  struct Event {
    std::string action;  // "renew", "revoke"
    std::string lease, reference;
    std::optional<Failed> failed;
  };
  // Called from the thread, and from finish(); must not throw.
  using Report = std::function<void(const Event&)>;

  // No leases, no thread. The thread has the caller's signal mask.
  LeaseKeeper(std::vector<std::unique_ptr<Lease>> leases, Report report);
  // As finish().
  ~LeaseKeeper();

  // Revokes what is left, in order, and ends the thread; ten seconds at most for all. What cannot
  // be revoked ends by itself with its time.
  void finish();

 private:
  struct Kept;

  void keep(const std::stop_token& stop);
  void close(Kept& kept, std::chrono::steady_clock::time_point deadline);

  std::vector<Kept> leases_;
  Report report_;
  std::jthread thread_;
};

}  // namespace agentbox::resolver
