#include "launcher/masks/watches.h"

#include <sys/inotify.h>

#include <array>
#include <cerrno>

#include "base/encode.h"
#include "base/error.h"

namespace agentbox::masks {

namespace {

constexpr std::uint32_t kGone = IN_MOVED_FROM | IN_DELETE;
constexpr std::uint32_t kDirectory = IN_CREATE | IN_MOVED_TO | IN_CLOSE_WRITE | kGone | IN_ONLYDIR;

base::Error cannot_watch(int error, std::size_t watched, const std::string& path) {
  const std::string what = base::printable(path.empty() ? "the project" : path);
  if (error == ENOSPC) {
    return base::Error(base::Status::kFailed,
                       "cannot watch " + what + ": your limit of inotify watches is used up (" +
                           std::to_string(watched) + " so far)",
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

std::optional<Directory> Watches::add(int directory, const Directory& place) {
  return watch(directory, kDirectory, {place, ""});
}

void Watches::add_file(int file, const Directory& place, const std::string& name) {
  watch(file, IN_MODIFY, {place, name});
}

std::optional<Directory> Watches::watch(int file, std::uint32_t events, Watched watched) {
  // By its descriptor: no link, and nothing that was put in its place meanwhile.
  const std::string path = "/proc/self/fd/" + std::to_string(file);
  const std::lock_guard lock(mutex_);
  const int number = ::inotify_add_watch(inotify_.get(), path.c_str(), events);
  if (number < 0) {
    throw cannot_watch(errno, watched_.size(), watched.directory.path);
  }
  std::optional<Directory> before;
  if (const auto found = watched_.find(number);
      found != watched_.end() && found->second.directory != watched.directory) {
    before = std::move(found->second.directory);
  }
  watched_[number] = std::move(watched);
  return before;
}

Taken Watches::take(const std::function<void(const Change&)>& changed) {
  alignas(inotify_event) std::array<char, 64 * 1024> buffer;
  Taken taken = Taken::kSome;
  const ssize_t size = ::read(inotify_.get(), buffer.data(), buffer.size());
  if (size < 0) {
    if (errno == EAGAIN || errno == EINTR) {
      return Taken::kNothing;
    }
    throw base::SystemError("read", "inotify events", errno);
  }
  for (ssize_t at = 0; at < size;) {
    const auto* event = reinterpret_cast<const inotify_event*>(buffer.data() + at);
    at += static_cast<ssize_t>(sizeof *event + event->len);
    if ((event->mask & IN_Q_OVERFLOW) != 0) {
      taken = Taken::kLost;
      continue;
    }
    Change change;
    std::string file;
    {
      const std::lock_guard lock(mutex_);
      const auto found = watched_.find(event->wd);
      if (found == watched_.end()) {
        continue;
      }
      if ((event->mask & IN_IGNORED) != 0) {
        watched_.erase(found);
        continue;
      }
      change.directory = found->second.directory;
      file = found->second.file;
    }
    if (event->len == 0 && file.empty()) {
      continue;
    }
    change.name = event->len == 0 ? std::string_view(file) : event->name;
    change.gone = (event->mask & kGone) != 0;
    changed(change);
  }
  return taken;
}

}  // namespace agentbox::masks
