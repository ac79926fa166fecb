#include "launcher/masks/backlog.h"

#include <algorithm>
#include <utility>

namespace agentbox::masks {

namespace {

// A box that makes files must not fill the supervisor's memory.
constexpr std::size_t kMostWaiting = 10'000;

}  // namespace

void Backlog::start() {
  thread_ = std::thread([this] {
    try {
      serve();
    } catch (...) {
      work_.failed();
    }
  });
}

void Backlog::stop() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
    added_.notify_all();
  }
  if (thread_.joinable()) {
    thread_.join();
  }
}

void Backlog::add(const Directory& directory, std::string_view name) {
  Item item(directory.tree, directory.path, name);
  const std::lock_guard lock(mutex_);
  if (all_ == All::kEvery) {
    return;
  }
  if (waiting_.size() >= kMostWaiting) {
    waiting_.clear();
    known_.clear();
    all_ = All::kEvery;
  } else if (known_.insert(item).second) {
    waiting_.push_back(std::move(item));
  }
  added_.notify_all();
}

void Backlog::add_all(All all) {
  const std::lock_guard lock(mutex_);
  all_ = std::max(all_, all);
  added_.notify_all();
}

void Backlog::serve() {
  std::unique_lock lock(mutex_);
  for (;;) {
    added_.wait(lock, [this] { return stop_ || all_ != All::kNo || !waiting_.empty(); });
    if (stop_) {
      return;
    }
    if (!waiting_.empty()) {
      const Item item = std::move(waiting_.front());
      waiting_.pop_front();
      known_.erase(item);  // what changes from now on is looked at again
      lock.unlock();
      work_.one({std::get<0>(item), std::get<1>(item)}, std::get<2>(item));
    } else {
      const All all = std::exchange(all_, All::kNo);
      lock.unlock();
      work_.all(all);
    }
    lock.lock();
  }
}

}  // namespace agentbox::masks
