#include "launcher/view/crew.h"

#include <sched.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/stat.h>

#include <cerrno>
#include <chrono>
#include <cstdlib>

#include "base/error.h"

namespace agentbox::view {
namespace {

// A request that takes longer is left to its thread, and another one takes the next.
constexpr auto kLong = std::chrono::milliseconds(1);
// Without a request for so many of these, nobody looks any more until there is one.
constexpr int kQuiet = 20;
// Requests that a thread finds ready, one after the other, before another one joins.
constexpr int kQueued = 8;

}  // namespace

Crew::Crew(fuse_session* session, int device)
    : session_(session),
      device_(device),
      stop_(static_cast<int>(base::check(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), "create",
                                         "an event descriptor"))) {}

void Crew::start(unsigned count) {
  for (unsigned i = 0; i < count; ++i) {
    threads_.emplace_back([this] { serve(); });
  }
}

void Crew::end() {
  exit();
  for (std::thread& thread : threads_) {
    thread.join();
  }
  threads_.clear();
}

void Crew::exit() {
  {
    const std::lock_guard lock(mutex_);
    fuse_session_exit(session_);
  }
  ::eventfd_write(stop_.get(), 1);  // stays readable: wakes all
  changed_.notify_all();
}

void Crew::serve() {
  base::UniqueFd events(::epoll_create1(EPOLL_CLOEXEC));
  epoll_event device_event = {.events = EPOLLIN, .data = {.fd = device_}};
  epoll_event stop_event = {.events = EPOLLIN, .data = {.fd = stop_.get()}};
  // The box's umask has been applied by its kernel; ours must not be on top. Own thread, own
  // umask (CLONE_FS).
  if (!events || ::unshare(CLONE_FS) != 0 ||
      ::epoll_ctl(events.get(), EPOLL_CTL_ADD, device_, &device_event) != 0 ||
      ::epoll_ctl(events.get(), EPOLL_CTL_ADD, stop_.get(), &stop_event) != 0) {
    exit();
    return;
  }
  ::umask(0);
  fuse_buf buffer = {};
  int in_a_row = 0;
  while (fuse_session_exited(session_) == 0) {
    const int length = fuse_session_receive_buf(session_, &buffer);
    if (length > 0) {
      ++taken_;
      if (dozing_.load() || ++in_a_row == kQueued) {
        in_a_row = 0;
        enlist();
      }
      fuse_session_process_buf(session_, &buffer);
    } else if (length == -EAGAIN) {
      in_a_row = 0;
      if (waiting_.exchange(true)) {
        rest();
      } else {
        epoll_event event;
        ::epoll_wait(events.get(), &event, 1, -1);
        waiting_ = false;
      }
    } else if (length != -EINTR) {
      break;  // unmounted: the box is gone
    }
  }
  ::free(buffer.mem);
  exit();
}

// Wakes one that rests; it goes back to its rest, looking at the others, if there is nothing to do.
void Crew::enlist() {
  const std::lock_guard lock(mutex_);
  if (wanted_ < resting_) {
    ++wanted_;
    dozing_ = false;
    changed_.notify_one();
  }
}

void Crew::rest() {
  std::unique_lock lock(mutex_);
  ++resting_;
  while (wanted_ == 0 && fuse_session_exited(session_) == 0) {
    if (watched_) {
      changed_.wait(lock);
      continue;
    }
    watched_ = true;
    const bool needed = needed_after_a_while(lock);
    watched_ = false;
    changed_.notify_one();  // the next one looks
    if (needed) {
      break;
    }
  }
  --resting_;
  if (wanted_ > 0) {
    --wanted_;
  }
}

bool Crew::needed_after_a_while(std::unique_lock<std::mutex>& lock) {
  std::uint64_t seen = taken_;
  for (int quiet = 0; wanted_ == 0 && fuse_session_exited(session_) == 0;) {
    changed_.wait_for(lock, kLong);
    const std::uint64_t now = taken_;
    if (now != seen) {
      seen = now;
      quiet = 0;
    } else if (!waiting_) {
      return true;  // all that do not rest are in a request since the last look
    } else if (++quiet >= kQuiet) {
      dozing_ = true;
      if (taken_ == seen) {
        changed_.wait(lock);
      }
      dozing_ = false;
      quiet = 0;
    }
  }
  return false;
}

}  // namespace agentbox::view
