#include "launcher/view/notifier.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>

#include <exception>

#include "base/error.h"

namespace agentbox::view {

void Notifier::start() {
  stop_.reset(static_cast<int>(
      base::check(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), "create", "an event descriptor")));
  thread_ = std::thread([this] { run(); });
}

void Notifier::stop() {
  if (thread_.joinable()) {
    ::eventfd_write(stop_.get(), 1);
    thread_.join();
  }
}

void Notifier::run() {
  // A file system that is mounted on a watched tree is no event in it; the table tells (proc(5)).
  const base::UniqueFd mounts(::open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC));
  pollfd polled[] = {{.fd = stop_.get(), .events = POLLIN, .revents = 0},
                     {.fd = files_.watcher().fd(), .events = POLLIN, .revents = 0},
                     {.fd = mounts.get(), .events = POLLPRI, .revents = 0},
                     {.fd = files_.stale().fd(), .events = POLLIN, .revents = 0}};
  for (;;) {
    if (::poll(polled, std::size(polled), -1) < 0) {
      continue;
    }
    if (polled[0].revents != 0) {
      return;
    }
    bool everything = (polled[2].revents & (POLLPRI | POLLERR)) != 0;
    try {
      if (polled[1].revents != 0) {
        const Watcher::Events changes = files_.watcher().read();
        everything |= changes.lost;
        for (const Watcher::Event& event : changes.events) {
          for (const Stale& stale : files_.stale_after(event)) {
            tell(stale);
          }
        }
      }
      if (everything) {
        tell_everything();
      }
      if (polled[3].revents != 0) {
        const StaleQueue::Taken taken = files_.stale().take();
        for (const Stale& stale : taken.stale) {
          tell(stale);
        }
        if (taken.all_contents) {
          tell_contents();
        }
      }
    } catch (const std::exception&) {
      // Out of memory: the time-outs still hold.
    }
  }
}

void Notifier::tell_everything() {
  for (const Stale& stale : files_.everything()) {
    tell(stale);
  }
}

void Notifier::tell_contents() {
  for (const Stale& stale : files_.everything()) {
    if (stale.kind == Stale::Kind::kContents) {
      tell(stale);
    }
  }
}

// That the kernel does not know something (any more) is no failure.
void Notifier::tell(const Stale& stale) {
  using Kind = Stale::Kind;
  fuse_session* const session = session_.get();
  switch (stale.kind) {
    case Kind::kName:
      fuse_lowlevel_notify_inval_entry(session, stale.parent, stale.name.data(), stale.name.size());
      break;
    case Kind::kExpired:
      if (fuse_lowlevel_notify_expire_entry(session, stale.parent, stale.name.data(),
                                            stale.name.size(), FUSE_LL_EXPIRE_ONLY) == -ENOSYS) {
        fuse_lowlevel_notify_inval_inode(session, stale.parent, -1, 0);
      }
      break;
    case Kind::kAttributes:
      fuse_lowlevel_notify_inval_inode(session, stale.node, -1, 0);
      break;
    case Kind::kContents:
      fuse_lowlevel_notify_inval_inode(session, stale.node, 0, 0);
      break;
  }
}

}  // namespace agentbox::view
