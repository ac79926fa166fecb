#include "launcher/egress/reports.h"

#include <exception>
#include <utility>

#include "launcher/egress/quiet_thread.h"

namespace agentbox::egress {

Reports::Reports(std::function<void(const Connection&)> connected)
    : connected_(std::move(connected)) {}

Reports::~Reports() { finish(); }

void Reports::add(Connection connection, std::function<void(bool)> done) {
  const std::lock_guard lock(mutex_);
  if (ended_) {
    return;
  }
  if (!thread_.joinable()) {
    thread_ = quiet_thread([this] { run(); });
  }
  waiting_.emplace_back(std::move(connection), std::move(done));
  changed_.notify_one();
}

void Reports::finish() {
  {
    const std::lock_guard lock(mutex_);
    ended_ = true;
    changed_.notify_one();
  }
  if (thread_.joinable()) {
    thread_.join();
  }
}

void Reports::run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return ended_ || !waiting_.empty(); });
    if (waiting_.empty()) {
      return;
    }
    const auto [connection, done] = std::move(waiting_.front());
    waiting_.pop_front();
    lock.unlock();
    bool delivered = true;
    try {
      connected_(connection);
    } catch (const std::exception&) {
      // Whoever cannot record a connection must not have it: the relay closes it.
      delivered = false;
    }
    if (done) {
      done(delivered);
    }
    lock.lock();
  }
}

}  // namespace agentbox::egress
