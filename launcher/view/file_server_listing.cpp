// Listings. There is no open directory between two requests, so the first one takes a picture that
// the following ones go on from: entries that the box removes meanwhile do not shift the rest.
#include <dirent.h>
#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <unordered_set>

#include "launcher/view/file_server.h"

namespace agentbox::view {
namespace {

constexpr std::size_t kMostListings = 64;
// Names in all of them: directories may be large, and a box can begin to read them at no cost.
constexpr std::size_t kMostEntries = 200'000;
// An offset is the listing's serial number and the place of the next entry in it.
constexpr int kSerialShift = 32;

}  // namespace

void FileServer::add_entries(const Opened& directory, int fd, bool listed_only,
                             std::vector<Entry>* entries) {
  for (Entry& entry : read_entries(fd)) {
    const std::string path = join(directory.path, entry.name);
    const Verdict verdict = judge_.judge(path, entry.type == DT_DIR);
    const bool hidden = verdict.content == Content::kHidden;
    if ((hidden && (entry.type != DT_REG || (!own_.any() && !verdict.unless_references))) ||
        synthetic_.contains(path)) {
      continue;
    }
    if (storage_.home() && directory.verdict.place == Verdict::Place::kAncestor) {
      const bool listed = verdict.place == Verdict::Place::kShared ||
                          (verdict.place == Verdict::Place::kAncestor && entry.type == DT_DIR);
      if (listed_only ? !listed : verdict.place == Verdict::Place::kShared) {
        continue;
      }
    }
    // Only these need a look at the file itself.
    if (hidden || (verdict.content == Content::kCredential && entry.type == DT_REG) ||
        links_.maybe_hidden(entry.number)) {
      Found found;
      if (find(nullptr, &directory, entry.name.c_str(), false, &found) != 0 || found.unsure) {
        continue;
      }
    }
    entries->push_back(std::move(entry));
  }
}

std::vector<Entry> FileServer::entries(const NodePtr& node) {
  std::vector<Entry> entries;
  std::string path;
  if (node->kind == Node::Kind::kVirtual) {
    path = nodes_.path(*node);
  } else {
    Opened directory = open(node, O_RDONLY | O_DIRECTORY);
    watch(node, directory);
    const int fd = directory.fd.get();
    path = directory.path;
    add_entries(directory, fd, false, &entries);
    if (storage_.home() && directory.verdict.place == Verdict::Place::kAncestor) {
      const base::UniqueFd real =
          open_below(config_.root.get(), path.c_str(), O_RDONLY | O_DIRECTORY);
      if (real) {
        add_entries(directory, real.get(), true, &entries);
      }
    }
  }
  const auto unreal = unreal_children_.find(path);
  if (unreal != unreal_children_.end() || storage_.home()) {
    std::unordered_set<std::string> seen;
    std::erase_if(entries, [&](const Entry& entry) { return !seen.insert(entry.name).second; });
    if (unreal != unreal_children_.end()) {
      for (const std::string& name : unreal->second) {
        const Synthetic* synthetic = synthetic_at(join(path, name));
        if (seen.insert(name).second) {
          const unsigned char type = synthetic == nullptr ? DT_DIR
                                     : synthetic->symlink ? DT_LNK
                                                          : DT_REG;
          entries.push_back({name, std::hash<std::string>()(join(path, name)), type});
        }
      }
    }
  }
  return entries;
}

std::shared_ptr<const FileServer::Listing> FileServer::listing(const NodePtr& node, off_t offset,
                                                               std::uint64_t* serial) {
  *serial = static_cast<std::uint64_t>(offset) >> kSerialShift;
  if (offset != 0) {
    const std::lock_guard lock(listings_mutex_);
    const auto found = listings_.find(*serial);
    if (found != listings_.end() && found->second->node == node->id) {
      return found->second;
    }
  }
  auto fresh = std::make_shared<const Listing>(Listing{node->id, entries(node)});
  const std::lock_guard lock(listings_mutex_);
  *serial = ++last_listing_ & 0x7fffffff;
  listings_[*serial] = fresh;
  std::size_t count = 0;
  for (const auto& [number, listing] : listings_) {
    count += listing->entries.size();
  }
  while (listings_.size() > 1 && (listings_.size() > kMostListings || count > kMostEntries)) {
    count -= listings_.begin()->second->entries.size();
    listings_.erase(listings_.begin());
  }
  return fresh;
}

std::size_t FileServer::list(fuse_req_t request, std::uint64_t id, char* buffer, std::size_t size,
                             off_t offset, bool with_attributes) {
  const std::shared_lock lock(names_);
  const NodePtr node = nodes_.get(id);
  std::uint64_t serial;
  const auto listing = this->listing(node, offset, &serial);
  const std::size_t count = listing->entries.size() + 2;  // "." and ".."
  std::size_t at = static_cast<std::size_t>(offset & 0xffffffff);
  if (at >= count) {
    const std::lock_guard listings_lock(listings_mutex_);
    listings_.erase(serial);
    return 0;
  }
  Opened directory;
  const bool real = node->kind == Node::Kind::kReal;
  if (with_attributes && real) {
    directory = open(node, O_PATH | O_DIRECTORY);
  }
  const bool watched = directory.fd && watch(node, directory);
  const std::uint64_t placed = watcher_.placed();
  std::size_t length = 0;
  for (; at < count; ++at) {
    const off_t next = static_cast<off_t>(serial << kSerialShift | (at + 1));
    const Entry* entry = at < 2 ? nullptr : &listing->entries[at - 2];
    const char* name = at == 0 ? "." : at == 1 ? ".." : entry->name.c_str();
    Reply reply;
    reply.stat.st_ino = entry == nullptr ? id : entry->number;
    reply.stat.st_mode = entry == nullptr ? S_IFDIR : static_cast<mode_t>(DTTOIF(entry->type));
    if (!with_attributes) {
      const std::size_t needed =
          fuse_add_direntry(request, buffer + length, size - length, name, &reply.stat, next);
      if (needed > size - length) {
        break;
      }
      length += needed;
      continue;
    }
    // Its lookup may only be counted if it fits.
    if (fuse_add_direntry_plus(request, nullptr, 0, name, nullptr, 0) > size - length) {
      break;
    }
    if (entry != nullptr) {
      Found found;
      const int error = find(node, real ? &directory : nullptr, name, false, &found);
      if (error != 0) {
        continue;  // gone since the picture was taken
      }
      if (!found.unsure) {
        reply = enter(node, name, found);
        note_watched(watched, placed, found, &reply);
      }
    }
    fuse_entry_param parameters = entry_of(reply);
    parameters.attr = reply.stat;
    length +=
        fuse_add_direntry_plus(request, buffer + length, size - length, name, &parameters, next);
  }
  return length;
}

}  // namespace agentbox::view
