#include "resolver/lease_keeper.h"

#include <gtest/gtest.h>

#include <condition_variable>
#include <mutex>

#include "base/error.h"

namespace agentbox::resolver {
namespace {

using std::chrono::seconds;
using Clock = std::chrono::steady_clock;

struct Behaviour {
  seconds lifetime{0};
  bool renewable = true;
  bool needed = true;
  bool throws = false;
};

class FakeLease : public Lease {
 public:
  FakeLease(std::string name, Behaviour behaviour)
      : name_(std::move(name)), behaviour_(behaviour) {}
  std::string name() const override { return name_; }
  std::string reference() const override { return "vault://x/y#z"; }
  seconds lifetime() const override { return behaviour_.lifetime; }
  bool renewable() const override { return behaviour_.renewable; }
  bool needed() const override { return behaviour_.needed; }
  std::optional<Failed> renew(Clock::time_point) override { return act(); }
  std::optional<Failed> revoke(Clock::time_point) override { return act(); }

 private:
  std::optional<Failed> act() {
    if (behaviour_.throws) {
      throw base::Error(base::Status::kFailed, "thrown");
    }
    return std::nullopt;
  }
  std::string name_;
  Behaviour behaviour_;
};

// What a keeper reports, and a way to wait for it.
class Events {
 public:
  LeaseKeeper::Report report() {
    return [this](const LeaseKeeper::Event& event) {
      const std::lock_guard lock(mutex_);
      events_.push_back(event.action + " " + event.lease + (event.failed ? " failed" : ""));
      bell_.notify_all();
    };
  }
  void wait_for(const std::string& event) {
    std::unique_lock lock(mutex_);
    const bool came = bell_.wait_for(lock, seconds(60), [&] {
      return std::find(events_.begin(), events_.end(), event) != events_.end();
    });
    EXPECT_TRUE(came) << event;
  }
  std::vector<std::string> all() {
    const std::lock_guard lock(mutex_);
    return events_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable bell_;
  std::vector<std::string> events_;
};

std::vector<std::unique_ptr<Lease>> leases(std::vector<std::pair<std::string, Behaviour>> list) {
  std::vector<std::unique_ptr<Lease>> result;
  for (auto& [name, behaviour] : list) {
    result.push_back(std::make_unique<FakeLease>(name, behaviour));
  }
  return result;
}

TEST(LeaseKeeper, RenewsInTimeAndClosesInOrder) {
  Events events;
  LeaseKeeper keeper(leases({{"a", {.lifetime = seconds(1)}}, {"b", {.lifetime = seconds(900)}}}),
                     events.report());
  events.wait_for("renew a");
  keeper.finish();
  std::vector<std::string> seen = events.all();
  std::erase(seen, "renew a");
  EXPECT_EQ(seen, (std::vector<std::string>{"revoke a", "revoke b"}));
}

TEST(LeaseKeeper, ClosesAtOnceWhatNobodyNeeds) {
  Events events;
  LeaseKeeper keeper(leases({{"a", {.needed = false}}, {"b", {}}}), events.report());
  events.wait_for("revoke a");
  EXPECT_EQ(events.all(), std::vector<std::string>{"revoke a"});
  keeper.finish();
  EXPECT_EQ(events.all(), (std::vector<std::string>{"revoke a", "revoke b"}));
}

TEST(LeaseKeeper, ReportsFailuresAndGoesOn) {
  Events events;
  LeaseKeeper keeper(leases({{"a", {.lifetime = seconds(1), .throws = true}}}), events.report());
  events.wait_for("renew a failed");
  keeper.finish();
  EXPECT_EQ(events.all().back(), "revoke a failed");
}

TEST(LeaseKeeper, DoesNothingWithoutLeases) {
  Events events;
  LeaseKeeper({}, events.report()).finish();
  EXPECT_TRUE(events.all().empty());
}

}  // namespace
}  // namespace agentbox::resolver
