#include "launcher/view/watcher.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/fanotify.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <exception>

#include "base/file.h"

namespace agentbox::view {
namespace {

constexpr std::uint64_t kNamed =
    FAN_CREATE | FAN_DELETE | FAN_MOVED_FROM | FAN_MOVED_TO | FAN_DELETE_SELF;
constexpr std::uint64_t kMask =
    kNamed | FAN_MODIFY | FAN_ATTRIB | FAN_CLOSE_WRITE | FAN_ONDIR | FAN_EVENT_ON_CHILD;

// What changes on another machine, or in another file system below, is no event here.
constexpr long kCifs = 0xff534d42, kSmb2 = 0xfe534d42, kFuse = 0x65735546, k9p = 0x01021997,
               kCeph = 0x00c36400;

bool tells_all_changes(long type) {
  switch (type) {
    case NFS_SUPER_MAGIC:
    case kCifs:
    case kSmb2:
    case kFuse:
    case k9p:
    case kCeph:
      return false;
    default:
      return true;
  }
}

std::string key_of(const void* file_system, const struct file_handle& handle) {
  std::string key(static_cast<const char*>(file_system), sizeof(fsid_t));
  key.append(reinterpret_cast<const char*>(&handle.handle_type), sizeof handle.handle_type);
  key.append(reinterpret_cast<const char*>(handle.f_handle), handle.handle_bytes);
  return key;
}

// The file system and handle of an open directory; "" if it has none.
std::string key_of(int directory) {
  alignas(struct file_handle) char bytes[sizeof(struct file_handle) + MAX_HANDLE_SZ] = {};
  auto* handle = reinterpret_cast<struct file_handle*>(bytes);
  handle->handle_bytes = MAX_HANDLE_SZ;
  int mount;
  struct statfs space;
  if (::fstatfs(directory, &space) != 0 || !tells_all_changes(space.f_type) ||
      ::name_to_handle_at(directory, "", handle, &mount, AT_EMPTY_PATH) != 0) {
    return "";
  }
  return key_of(&space.f_fsid, *handle);
}

std::size_t marks_of_user() {
  try {
    const base::UniqueFd file =
        base::open_at(AT_FDCWD, "/proc/sys/fs/fanotify/max_user_marks", O_RDONLY);
    return std::stoul(base::read_all(file.get(), 64, "max_user_marks"));
  } catch (const std::exception&) {
    return 8192;  // the kernel's least
  }
}

}  // namespace

Watcher::Watcher(std::size_t most)
    : group_(most == 0 ? -1
                       : ::fanotify_init(
                             FAN_CLASS_NOTIF | FAN_CLOEXEC | FAN_NONBLOCK | FAN_REPORT_DFID_NAME,
                             O_RDONLY | O_CLOEXEC)) {
  if (group_) {
    most_ = std::min(most, marks_of_user() / 4);
  }
}

std::uint64_t Watcher::placed() const {
  const std::lock_guard lock(mutex_);
  return placed_;
}

std::uint64_t Watcher::watch(int directory, std::uint64_t node) {
  if (!group_) {
    return 0;
  }
  std::string key = key_of(directory);
  if (key.empty()) {
    return 0;
  }
  const std::lock_guard lock(mutex_);
  if (const auto found = watches_.find(key); found != watches_.end()) {
    found->second.node = node;
    return found->second.number;
  }
  const std::string path = "/proc/self/fd/" + std::to_string(directory);
  if (watches_.size() >= most_ || ::fanotify_mark(group_.get(), FAN_MARK_ADD | FAN_MARK_ONLYDIR,
                                                  kMask, AT_FDCWD, path.c_str()) != 0) {
    return 0;
  }
  watches_[std::move(key)] = {node, ++placed_};
  return placed_;
}

Watcher::Events Watcher::read() {
  Events result;
  const pid_t own = ::getpid();
  alignas(struct fanotify_event_metadata) char buffer[64 * 1024];
  for (;;) {
    ssize_t left = ::read(group_.get(), buffer, sizeof buffer);
    if (left <= 0) {
      return result;
    }
    const std::lock_guard lock(mutex_);
    for (auto* event = reinterpret_cast<struct fanotify_event_metadata*>(buffer);
         FAN_EVENT_OK(event, left); event = FAN_EVENT_NEXT(event, left)) {
      if ((event->mask & FAN_Q_OVERFLOW) != 0) {
        result.lost = true;
        continue;
      }
      struct fanotify_event_info_fid info;
      if (event->event_len < sizeof *event + sizeof info + sizeof(struct file_handle)) {
        continue;
      }
      const char* at = reinterpret_cast<const char*>(event) + event->metadata_len;
      std::memcpy(&info, at, sizeof info);
      if (info.hdr.info_type != FAN_EVENT_INFO_TYPE_DFID_NAME) {
        continue;
      }
      const auto* handle = reinterpret_cast<const struct file_handle*>(
          at + offsetof(struct fanotify_event_info_fid, handle));
      const auto found = watches_.find(key_of(&info.fsid, *handle));
      if (found == watches_.end()) {
        continue;
      }
      std::string name(reinterpret_cast<const char*>(handle->f_handle) + handle->handle_bytes);
      const std::uint64_t directory = found->second.node;
      if (name == ".") {
        name.clear();
        if ((event->mask & FAN_DELETE_SELF) != 0) {
          watches_.erase(found);  // the kernel has dropped it
        }
      }
      if (event->pid != own) {
        result.events.push_back({directory, std::move(name), (event->mask & kNamed) != 0});
      }
    }
  }
}

}  // namespace agentbox::view
