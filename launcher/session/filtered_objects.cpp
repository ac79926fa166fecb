#include "launcher/session/filtered_objects.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>

#include "base/file.h"
#include "launcher/history/pack_index.h"
#include "launcher/session/paths.h"

namespace agentbox::session {

namespace {

constexpr std::size_t kMostPacks = 10'000;  // remembered: a box can make up names

bool is_hex(std::string_view text) {
  return text.find_first_not_of("0123456789abcdef") == text.npos;
}

// "ab/cdef…", of SHA-1.
bool is_loose(std::string_view name) {
  return name.size() == 41 && name[2] == '/' && is_hex(name.substr(0, 2)) && is_hex(name.substr(3));
}

std::int64_t nanoseconds(const timespec& time) {
  return time.tv_sec * 1'000'000'000L + time.tv_nsec;
}

}  // namespace

FilteredObjects::Stamp FilteredObjects::stamp_of(const struct stat& status) {
  return {.inode = status.st_ino,
          .size = static_cast<std::uint64_t>(status.st_size),
          .modified = nanoseconds(status.st_mtim)};
}

void FilteredObjects::add(std::string directory, const std::string& path,
                          std::vector<history::ObjectId> ids) {
  Directory one;
  one.path = std::move(directory);
  one.real = base::open_at(AT_FDCWD, path, O_PATH | O_DIRECTORY | O_NOFOLLOW);
  for (const history::ObjectId& id : ids) {
    one.loose.insert(id.hex().insert(2, "/"));
  }
  one.ids = std::move(ids);
  directories_.push_back(std::move(one));
}

bool FilteredObjects::hides(std::string_view path) const {
  return std::any_of(directories_.begin(), directories_.end(), [&](const Directory& directory) {
    return path.size() > directory.path.size() && is_below(path, directory.path) &&
           hides_below(directory, path.substr(directory.path.size() + 1));
  });
}

bool FilteredObjects::reaches_below(std::string_view path) const {
  return std::any_of(directories_.begin(), directories_.end(), [&](const Directory& directory) {
    return is_below(path, directory.path) || is_below(directory.path, path);
  });
}

bool FilteredObjects::hides_below(const Directory& directory, std::string_view name) const {
  constexpr std::string_view kPack = "pack/";
  constexpr std::string_view kInfo = "info/";
  if (name.substr(0, kInfo.size()) == kInfo) {
    return false;  // no object is in it
  }
  if (name.substr(0, kPack.size()) == kPack) {
    return hides_pack(directory, name.substr(kPack.size()));
  }
  return !is_loose(name) || directory.loose.contains(std::string(name));
}

bool FilteredObjects::hides_pack(const Directory& directory, std::string_view file) const {
  constexpr std::string_view kPrefix = "pack-";
  // An index of several packs holds no object, and git passes over a pack that it names and that is
  // not there. A box that removes a pack of them must be able to remove it too.
  constexpr std::string_view kManyPacks = "multi-pack-index";
  const std::string stem(file.substr(0, file.find('.')));
  if (file.starts_with(kManyPacks)) {
    return false;
  }
  if (stem.size() == file.size() || stem.substr(0, kPrefix.size()) != kPrefix ||
      !is_hex(std::string_view(stem).substr(kPrefix.size()))) {
    return true;
  }
  // Not blocking: the box may have put a pipe there.
  const base::UniqueFd index(::openat(directory.real.get(), ("pack/" + stem + ".idx").c_str(),
                                      O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
  struct stat status = {};
  if (!index) {
    // What else belongs to a pack holds no object. Git removes the index first.
    return errno != ENOENT || (file.ends_with(".pack") && hides_without_index(directory, stem));
  }
  if (::fstat(index.get(), &status) != 0 || !S_ISREG(status.st_mode)) {
    return true;
  }
  Seen now = {.index = stamp_of(status), .pack = {}};
  if (::fstatat(directory.real.get(), ("pack/" + stem + ".pack").c_str(), &status,
                AT_SYMLINK_NOFOLLOW) == 0) {
    now.pack = stamp_of(status);
  }
  {
    const std::lock_guard lock(mutex_);
    const auto found = directory.packs.find(stem);
    if (found != directory.packs.end() && found->second.index == now.index &&
        found->second.pack == now.pack) {
      return found->second.hides;
    }
  }
  now.hides = history::may_hold_any(index.get(), directory.ids);
  const std::lock_guard lock(mutex_);
  if (directory.packs.size() >= kMostPacks) {
    directory.packs.clear();
  }
  directory.packs[stem] = now;
  return now.hides;
}

bool FilteredObjects::hides_without_index(const Directory& directory,
                                          const std::string& stem) const {
  struct stat status = {};
  if (::fstatat(directory.real.get(), ("pack/" + stem + ".pack").c_str(), &status,
                AT_SYMLINK_NOFOLLOW) != 0) {
    return true;
  }
  const std::lock_guard lock(mutex_);
  const auto found = directory.packs.find(stem);
  return found == directory.packs.end() || found->second.hides ||
         found->second.pack != stamp_of(status);
}

}  // namespace agentbox::session
