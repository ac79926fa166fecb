// What is kept for long because changes outside are told, and what such a change makes stale.
#include <cerrno>

#include "launcher/view/file_server.h"

namespace agentbox::view {

bool FileServer::watch(const NodePtr& node, const Opened& directory) {
  // One that is in the user's home and in the box's own is two directories.
  if (node->kind != Node::Kind::kReal ||
      (storage_.home() && directory.verdict.place == Verdict::Place::kAncestor)) {
    return false;
  }
  if (node->watch == 0) {
    node->watch = watcher_.watch(directory.fd.get(), node->id);
    if (node->watch == 0 && config_.unwatched) {
      std::call_once(told_unwatched_, config_.unwatched);
    }
  }
  return node->watch != 0;
}

void FileServer::note_watched(bool name_watched, std::uint64_t placed, const Found& found,
                              Reply* reply) {
  // What is shown of other files depends on more than their own names and attributes, and a file
  // with several names can be changed through one whose directory is not watched.
  if (!reply->node || found.kind != Node::Kind::kReal || found.verdict.content != Content::kPlain ||
      (!found.inode.directory() && found.inode.stat.st_nlink > 1)) {
    return;
  }
  reply->name_watched = name_watched;
  if (found.inode.directory()) {
    const std::uint64_t watch = reply->node->watch;
    reply->attributes_watched = watch != 0 && watch <= placed;
  } else {
    reply->attributes_watched = name_watched;
  }
}

bool FileServer::attributes_watched(std::uint64_t id) const {
  const NodePtr node = nodes_.get(id);
  if (node->kind != Node::Kind::kReal) {
    return false;
  }
  return node->directory() ? node->watch != 0 : nodes_.watched_by_name(node);
}

double FileServer::attribute_seconds(bool watched, const struct stat& stat) {
  return watched && (S_ISDIR(stat.st_mode) || stat.st_nlink == 1) ? kWatchedSeconds
                                                                  : kAttributeSeconds;
}

std::vector<Stale> FileServer::stale_after(const Watcher::Event& event) {
  std::vector<Stale> stale;
  stale.push_back({Stale::Kind::kAttributes, 0, event.directory, {}});
  if (event.name.empty()) {
    return stale;
  }
  NodePtr known;
  bool hidden = false;
  std::string path;
  try {
    const std::shared_lock lock(names_);
    const NodePtr parent = nodes_.get(event.directory);
    const Opened directory = open(parent, O_PATH | O_DIRECTORY);
    path = join(directory.path, event.name);
    Inode inode;
    const bool exists = inode_at(directory.fd.get(), event.name.c_str(), &inode) == 0;
    hidden = judge_.judge(path, exists && inode.directory()).content == Content::kHidden;
    if (exists) {
      known = nodes_.find(inode.identity);
    }
    indexes_.changed(path);
  } catch (const Failure&) {
    // The directory is gone or elsewhere: its names are looked up again.
  }
  if (known) {
    stale.push_back(
        {known->directory() ? Stale::Kind::kAttributes : Stale::Kind::kContents, 0, known->id, {}});
  }
  // A name that is known by what it was: also one that was hidden for what the file held.
  if (event.named || !known || hidden) {
    stale.push_back({Stale::Kind::kName, event.directory, 0, event.name});
  }
  if (hidden && config_.hidden_changed) {
    config_.hidden_changed(path);
  }
  return stale;
}

std::vector<Stale> FileServer::everything() const {
  std::vector<Stale> stale;
  for (Nodes::Known& known : nodes_.known()) {
    stale.push_back(
        {known.directory ? Stale::Kind::kAttributes : Stale::Kind::kContents, 0, known.node, {}});
    if (!known.name.empty()) {
      // Of a directory the name only: forgetting it whole would take mounts in it away.
      stale.push_back({known.directory ? Stale::Kind::kExpired : Stale::Kind::kName, known.parent,
                       0, std::move(known.name)});
    }
  }
  return stale;
}

}  // namespace agentbox::view
