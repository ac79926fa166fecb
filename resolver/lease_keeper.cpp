#include "resolver/lease_keeper.h"

#include <algorithm>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <utility>

#include "base/error.h"

namespace agentbox::resolver {

namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::seconds;

constexpr seconds kRenewLimit{20};
constexpr seconds kCloseLimit{10};
constexpr seconds kRetry{5};

// An exception is a failure like another here: the session goes on.
std::optional<Failed> guarded(const std::function<std::optional<Failed>()>& action) {
  try {
    return action();
  } catch (const base::Error& error) {
    return Failed{Failure::kUnavailable, error.what(), error.hint()};
  } catch (const std::exception&) {
    return Failed{Failure::kUnavailable, "the backend failed inside", ""};
  }
}

}  // namespace

struct LeaseKeeper::Kept {
  std::unique_ptr<Lease> lease;
  Clock::time_point renew_at = Clock::time_point::max();
  Clock::time_point ends_at = Clock::time_point::max();
  bool closed = false;

  void renewed() {
    const seconds lifetime = lease->lifetime();
    if (lifetime.count() > 0) {
      ends_at = Clock::now() + lifetime;
      renew_at = lease->renewable() ? Clock::now() + std::chrono::milliseconds(lifetime) * 2 / 3
                                    : Clock::time_point::max();
    }
  }
};

LeaseKeeper::LeaseKeeper(std::vector<std::unique_ptr<Lease>> leases, Report report)
    : report_(std::move(report)) {
  for (std::unique_ptr<Lease>& lease : leases) {
    leases_.push_back({std::move(lease)});
    leases_.back().renewed();
  }
  if (!leases_.empty()) {
    thread_ = std::jthread([this](const std::stop_token& stop) { keep(stop); });
  }
}

LeaseKeeper::~LeaseKeeper() { finish(); }

void LeaseKeeper::close(Kept& kept, Clock::time_point deadline) {
  if (!kept.closed) {
    kept.closed = true;
    report_({"revoke", kept.lease->name(), kept.lease->reference(),
             guarded([&] { return kept.lease->revoke(deadline); })});
  }
}

void LeaseKeeper::keep(const std::stop_token& stop) {
  for (Kept& kept : leases_) {
    if (!kept.lease->needed()) {
      close(kept, Clock::now() + kCloseLimit);
    }
  }
  std::mutex mutex;
  std::condition_variable_any bell;
  std::unique_lock lock(mutex);
  while (!stop.stop_requested()) {
    Clock::time_point next = Clock::time_point::max();
    for (Kept& kept : leases_) {
      if (kept.closed || stop.stop_requested()) {
        continue;
      }
      if (kept.renew_at <= Clock::now()) {
        std::optional<Failed> failed =
            guarded([&] { return kept.lease->renew(Clock::now() + kRenewLimit); });
        if (failed) {
          const Clock::time_point again = Clock::now() + kRetry;
          kept.renew_at = again < kept.ends_at ? again : Clock::time_point::max();
        } else {
          kept.renewed();
        }
        report_({"renew", kept.lease->name(), kept.lease->reference(), std::move(failed)});
      }
      next = std::min(next, kept.renew_at);
    }
    if (next == Clock::time_point::max()) {
      bell.wait(lock, stop, [] { return false; });
    } else {
      bell.wait_until(lock, stop, next, [] { return false; });
    }
  }
}

void LeaseKeeper::finish() {
  if (thread_.joinable()) {
    thread_.request_stop();
    thread_.join();
  }
  const Clock::time_point deadline = Clock::now() + kCloseLimit;
  for (Kept& kept : leases_) {
    close(kept, deadline);
  }
}

}  // namespace agentbox::resolver
