#include "launcher/survey/tasks.h"

#include <atomic>
#include <iterator>
#include <utility>

namespace agentbox::survey {

Listing::~Listing() {
  // One level after the other: left to themselves, those of a deep tree would end recursively.
  std::shared_ptr<Listing> above = std::move(parent);
  while (above != nullptr && above.use_count() == 1) {
    std::atomic_thread_fence(std::memory_order_acquire);  // after the last use by another thread
    above = std::exchange(above->parent, nullptr);
  }
}

std::string Listing::path() const {
  std::vector<const std::string*> names;
  std::size_t length = 0;
  for (const Listing* at = this; at->parent != nullptr; at = at->parent.get()) {
    names.push_back(&at->name);
    length += at->name.size() + 1;
  }
  std::string path;
  path.reserve(length);
  for (auto one = names.rbegin(); one != names.rend(); ++one) {
    path.append(path.empty() ? "" : "/").append(**one);
  }
  return path;
}

void Tasks::push(std::vector<Task>& tasks) {
  if (tasks.empty()) {
    return;
  }
  {
    const std::lock_guard lock(mutex_);
    std::move(tasks.begin(), tasks.end(), std::back_inserter(waiting_));
  }
  tasks.clear();
  changed_.notify_all();
}

std::optional<Task> Tasks::pop() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return ended_ || !waiting_.empty() || running_ == 0; });
  if (ended_ || waiting_.empty()) {
    return std::nullopt;
  }
  Task task = std::move(waiting_.back());
  waiting_.pop_back();
  ++running_;
  return task;
}

void Tasks::done() {
  const std::lock_guard lock(mutex_);
  if (--running_ == 0 && waiting_.empty()) {
    changed_.notify_all();
  }
}

void Tasks::end() {
  const std::lock_guard lock(mutex_);
  ended_ = true;
  changed_.notify_all();
}

std::string join(std::string_view directory, std::string_view name) {
  std::string path;
  path.reserve(directory.size() + 1 + name.size());
  path.append(directory).append(directory.empty() || name.empty() ? "" : "/").append(name);
  return path;
}

}  // namespace agentbox::survey
