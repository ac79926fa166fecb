#include "launcher/view/stale.h"

#include <sys/eventfd.h>

#include <utility>

#include "base/error.h"

namespace agentbox::view {
namespace {

// More than this at once, and everything is told to be stale instead.
constexpr std::size_t kMostWaiting = 10'000;

}  // namespace

StaleQueue::StaleQueue()
    : fd_(static_cast<int>(base::check(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), "create",
                                       "an event descriptor"))) {}

void StaleQueue::add(Stale stale) {
  const std::lock_guard lock(mutex_);
  if (waiting_.stale.size() < kMostWaiting) {
    waiting_.stale.push_back(std::move(stale));
  } else {
    waiting_.all_contents = true;
  }
  ::eventfd_write(fd_.get(), 1);
}

void StaleQueue::add_all_contents() {
  const std::lock_guard lock(mutex_);
  waiting_.all_contents = true;
  ::eventfd_write(fd_.get(), 1);
}

StaleQueue::Taken StaleQueue::take() {
  const std::lock_guard lock(mutex_);
  eventfd_t count;
  ::eventfd_read(fd_.get(), &count);
  return std::exchange(waiting_, {});
}

}  // namespace agentbox::view
