#include "launcher/masks/watches.h"

#include <sys/inotify.h>

#include <array>
#include <cerrno>

#include "base/encode.h"
#include "base/error.h"

namespace agentbox::masks {

namespace {

constexpr std::uint32_t kEvents = IN_CREATE | IN_MOVED_TO | IN_CLOSE_WRITE;

base::Error cannot_watch(int error, std::size_t watched, const std::string& path) {
  const std::string what = "the directory " + base::printable(path.empty() ? "." : path);
  if (error == ENOSPC) {
    return base::Error(base::Status::kFailed,
                       "cannot watch " + what + ": your limit of inotify watches is used up (" +
                           std::to_string(watched) + " directories so far)",
                       "without the live view every directory is watched. As root: sysctl -w "
                       "fs.inotify.max_user_watches=" +
                           std::to_string(std::size_t{4} * (watched + 65536)) +
                           "; or make /dev/fuse available (agentbox doctor)");
  }
  return base::SystemError("watch", what, error);
}

}  // namespace

Watches::Watches() {
  const int fd = ::inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
  if (fd < 0 && errno == EMFILE) {
    throw base::Error(base::Status::kFailed, "your limit of inotify instances is used up",
                      "as root: sysctl -w fs.inotify.max_user_instances=1024");
  }
  inotify_.reset(static_cast<int>(base::check(fd, "create", "an inotify instance")));
}

void Watches::add(int directory, Directory place) {
  // By its descriptor: no link, and no directory that was put in its place meanwhile.
  const std::string path = "/proc/self/fd/" + std::to_string(directory);
  const std::lock_guard lock(mutex_);
  const int watch = ::inotify_add_watch(inotify_.get(), path.c_str(), kEvents | IN_ONLYDIR);
  if (watch < 0) {
    throw cannot_watch(errno, places_.size(), place.path);
  }
  places_[watch] = std::move(place);
}

bool Watches::take(const std::function<void(const Change&)>& changed) {
  alignas(inotify_event) std::array<char, 64 * 1024> buffer;
  bool complete = true;
  const ssize_t size = ::read(inotify_.get(), buffer.data(), buffer.size());
  if (size < 0) {
    if (errno == EAGAIN || errno == EINTR) {
      return true;
    }
    throw base::SystemError("read", "inotify events", errno);
  }
  for (ssize_t at = 0; at < size;) {
    const auto* event = reinterpret_cast<const inotify_event*>(buffer.data() + at);
    at += static_cast<ssize_t>(sizeof *event + event->len);
    if ((event->mask & IN_Q_OVERFLOW) != 0) {
      complete = false;
      continue;
    }
    Change change;
    {
      const std::lock_guard lock(mutex_);
      const auto found = places_.find(event->wd);
      if (found == places_.end()) {
        continue;
      }
      if ((event->mask & IN_IGNORED) != 0) {
        places_.erase(found);
        continue;
      }
      change.directory = found->second;
    }
    if (event->len > 0) {
      change.name = event->name;
      changed(change);
    }
  }
  return complete;
}

}  // namespace agentbox::masks
