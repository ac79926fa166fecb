#include "launcher/view/file_server.h"

#include <fcntl.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>

namespace agentbox::view {
namespace {

constexpr long kOverlayfs = 0x794c7630;  // statfs(2), OVERLAYFS_SUPER_MAGIC

// A third each for removed files, held files and what the requests in flight open.
unsigned third(const Config& config) { return std::max(config.descriptors / 3, 1u); }

bool keeps_birth_times(int root) {
  struct statfs space;
  return ::fstatfs(root, &space) == 0 && space.f_type != kOverlayfs;
}

}  // namespace

FileServer::FileServer(Config config)
    : config_(std::move(config)),
      judge_(config_),
      storage_(config_),
      nodes_(judge_, third(config_), keeps_birth_times(config_.root.get())),
      links_(config_, judge_, storage_),
      indexes_(config_, storage_, contents_,
               [this](const std::string& path) { return withheld(path); }),
      held_(third(config_)),
      refused_(config_.refused_objects ? config_.refused_objects
                                       : std::make_shared<RefusedObjects>()),
      watcher_(config_.watches) {
  ::clock_gettime(CLOCK_REALTIME, &started_);
  nodes_.set_root(inode_of(storage_.top()));
  for (const Synthetic& synthetic : config_.synthetic) {
    synthetic_[synthetic.path] = &synthetic;
    for (std::string_view path = synthetic.path; !path.empty(); path = parent_of(path)) {
      unreal_children_[std::string(parent_of(path))].emplace(name_of(path));
    }
  }
}

fuse_entry_param FileServer::entry_of(const Reply& reply) {
  fuse_entry_param entry = {};
  entry.entry_timeout = reply.name_watched ? kNoEntryWatchedSeconds : kNoEntrySeconds;
  if (reply.node) {
    entry.ino = reply.node->id;
    entry.attr = reply.stat;
    entry.entry_timeout = !reply.kept ? 0 : reply.name_watched ? kWatchedSeconds : kEntrySeconds;
    entry.attr_timeout = attribute_seconds(reply.attributes_watched, reply.stat);
  }
  return entry;
}

const Synthetic* FileServer::synthetic_at(const std::string& path) const {
  const auto found = synthetic_.find(path);
  return found == synthetic_.end() ? nullptr : found->second;
}

struct stat FileServer::shown(const Inode& inode, const Verdict& verdict) const {
  struct stat stat = inode.stat;
  owners_.translate(stat);
  if (verdict.readonly && !S_ISLNK(stat.st_mode)) {
    stat.st_mode &= ~static_cast<mode_t>(0222);
  }
  return stat;
}

Inode FileServer::unreal_inode(const Found& found) const {
  Inode inode;
  inode.stat.st_ino = std::hash<std::string>()(found.path);
  inode.stat.st_uid = ::geteuid();
  inode.stat.st_gid = ::getegid();
  inode.stat.st_nlink = 1;
  inode.stat.st_blksize = 4096;
  inode.stat.st_atim = inode.stat.st_mtim = inode.stat.st_ctim = started_;
  if (found.kind == Node::Kind::kVirtual) {
    inode.stat.st_mode = S_IFDIR | 0555;
    inode.stat.st_nlink = 2;
  } else {
    inode.stat.st_mode = found.synthetic->symlink ? S_IFLNK | 0777 : S_IFREG | 0444;
    inode.stat.st_size = static_cast<off_t>(found.synthetic->content.size());
  }
  return inode;
}

void FileServer::admit(const Inode& inode, Verdict* verdict, const std::string& path) {
  if (!inode.regular() || inode.stat.st_nlink < 2 || verdict->content == Content::kRedacted) {
    return;
  }
  switch (links_.check(inode)) {
    case HardLinks::Standing::kClean:
      break;
    case HardLinks::Standing::kReadonly:
      verdict->readonly = true;
      break;
    case HardLinks::Standing::kHidden:
      judge_.touched(Touch::Kind::kHidden, path, verdict->rule);
      fail(ESTALE);
  }
}

bool FileServer::uncover(const Inode& inode, int fd, Verdict* verdict) {
  if (own_.own(inode)) {
    verdict->content = Content::kPlain;
    return true;
  }
  if (!verdict->unless_references || !inode.regular()) {
    return false;
  }
  const base::UniqueFd readable = reopen(fd, O_RDONLY);
  if (!readable ||
      contents_.hides(Contents::Reason::kNoReferences, readable.get(), inode_of(readable.get()))) {
    return false;
  }
  verdict->content = Content::kReferences;
  verdict->readonly = true;
  return true;
}

FileServer::Opened FileServer::open(const NodePtr& node, int flags) {
  if (node->kind != Node::Kind::kReal) {
    fail(EROFS);
  }
  Nodes::Ways ways = nodes_.ways(node);
  int error = ESTALE;
  for (Nodes::Way& way : ways.paths) {
    const bool hidden = way.verdict.content == Content::kHidden;
    if (hidden && !own_.any() && !way.verdict.unless_references) {
      continue;
    }
    const Location location = storage_.locate(way.path, way.verdict);
    Opened opened{open_below(location.base, location.path.c_str(), flags), {}, way.verdict, {}};
    if (!opened.fd) {
      if (errno != ENOENT && errno != ENOTDIR && errno != ELOOP) {
        error = errno;
      }
      continue;
    }
    opened.inode = inode_of(opened.fd.get());
    if (opened.inode.identity != ways.identity) {
      continue;  // changed outside: the kernel has to look the name up again
    }
    if (hidden && !uncover(opened.inode, opened.fd.get(), &opened.verdict)) {
      continue;
    }
    opened.path = std::move(way.path);
    admit(opened.inode, &opened.verdict, opened.path);
    opened.verdict.readonly |= sealed_.sealed(opened.inode, opened.path);
    return opened;
  }
  if (ways.pin) {
    if ((flags & O_DIRECTORY) != 0) {
      fail(ENOENT);  // nothing can be in it any more
    }
    Opened opened{reopen(ways.pin->get(), flags), {}, ways.last, {}};
    checked(opened.fd.get());
    opened.inode = inode_of(opened.fd.get());
    // Removed in the box. With a name left that the view does not know, it may be a hidden one.
    if (opened.inode.regular() && opened.inode.stat.st_nlink > 0 &&
        links_.check(opened.inode) == HardLinks::Standing::kHidden) {
      fail(ESTALE);
    }
    if (opened.verdict.content == Content::kHidden) {
      uncover(opened.inode, opened.fd.get(), &opened.verdict);
    }
    opened.verdict.readonly |= sealed_.sealed(opened.inode, opened.path);
    return opened;
  }
  fail(error);
}

FileServer::Opened FileServer::open_directory(std::uint64_t id, NodePtr* node) {
  const NodePtr directory = nodes_.get(id);
  if (node != nullptr) {
    *node = directory;
  }
  return open(directory, O_PATH | O_DIRECTORY);
}

FileServer::Opened FileServer::open_contents(const NodePtr& node, int flags) {
  try {
    return open(node, flags);
  } catch (const Failure& failure) {
    if (failure.error != EACCES || !S_ISREG(node->type)) {
      throw;
    }
  }
  Opened opened = open(node, O_PATH);
  if (base::UniqueFd held = held_.get(node->id)) {
    opened.fd = std::move(held);
    return opened;
  }
  if (opened.inode.stat.st_uid != ::geteuid()) {
    fail(EACCES);
  }
  // One at a time: two would put back each other's mode.
  const std::lock_guard lock(lending_);
  const std::string file = "/proc/self/fd/" + std::to_string(opened.fd.get());
  const mode_t mode = inode_of(opened.fd.get()).stat.st_mode & 07777;
  checked(::chmod(file.c_str(), mode | 0600));
  base::UniqueFd contents = reopen(opened.fd.get(), flags);
  const int error = errno;
  checked(::chmod(file.c_str(), mode));
  if (!contents) {
    fail(error);
  }
  opened.fd = std::move(contents);
  return opened;
}

FileServer::Slot FileServer::slot(const Opened& directory, std::string name, std::string path,
                                  const Verdict& verdict, bool make_parents) {
  Slot slot{{}, directory.fd.get(), std::move(name), std::move(path), verdict};
  const bool shared = verdict.place == Verdict::Place::kShared;
  if (storage_.home() && shared != (directory.verdict.place == Verdict::Place::kShared)) {
    const Location location = storage_.locate(slot.path, verdict);
    slot.held = storage_.open_parent(location, make_parents);
    slot.directory = slot.held.get();
    slot.name = name_of(location.path);
  }
  return slot;
}

int FileServer::find(const NodePtr& parent, const Opened* directory, const char* name, bool walk,
                     Found* found) {
  found->path = join(directory != nullptr ? directory->path : nodes_.path(*parent), name);
  if (!synthetic_.empty()) {
    if (const Synthetic* synthetic = synthetic_at(found->path)) {
      found->kind = Node::Kind::kSynthetic;
      found->synthetic = synthetic;
      found->verdict.readonly = true;
      found->inode = unreal_inode(*found);
      return 0;
    }
  }
  int error = ENOENT;
  Slot at;
  if (directory != nullptr) {
    try {
      at = slot(*directory, name, found->path,
                storage_.home() ? judge_.judge(found->path, false) : Verdict(), false);
      error = inode_at(at.directory, at.name.c_str(), &found->inode);
    } catch (const Failure& failure) {
      error = failure.error;
    }
    const bool listed_top = at.held && at.verdict.place == Verdict::Place::kShared;
    if (error == 0 && listed_top && S_ISLNK(found->inode.stat.st_mode) &&
        storage_.follow_listed_link(found->path)) {
      at = slot(*directory, name, found->path, at.verdict, false);
      error = inode_at(at.directory, at.name.c_str(), &found->inode);
    }
    if (error == ENOENT && at.verdict.place == Verdict::Place::kAncestor) {
      storage_.make_private_directory(found->path);
      error = inode_at(at.directory, at.name.c_str(), &found->inode);
    }
  }
  if (error != 0) {
    if ((error == ENOENT || error == ENOTDIR) && unreal_children_.contains(found->path)) {
      found->kind = Node::Kind::kVirtual;
      found->verdict.readonly = true;
      found->inode = unreal_inode(*found);
      return 0;
    }
    return error;
  }
  found->verdict = judge_.judge(found->path, found->inode.directory());
  const bool by_name = found->verdict.content == Content::kHidden;
  if (by_name && found->inode.regular() && (own_.any() || found->verdict.unless_references)) {
    const base::UniqueFd fd = open_below(at.directory, at.name.c_str(), O_PATH);
    if (fd && inode_of(fd.get()).identity == found->inode.identity) {
      uncover(found->inode, fd.get(), &found->verdict);
    }
  }
  bool hidden = found->verdict.content == Content::kHidden;
  if (found->verdict.content == Content::kGitIndex && found->inode.regular()) {
    const base::UniqueFd fd = open_below(at.directory, at.name.c_str(), O_RDONLY);
    if (!fd) {
      return errno;
    }
    found->inode = inode_of(fd.get());
    indexes_.shown(found->path, fd.get())->amend(&found->inode.stat);
  }
  if (found->verdict.content == Content::kCredential && found->inode.regular()) {
    const base::UniqueFd fd = open_below(at.directory, at.name.c_str(), O_RDONLY);
    hidden = !fd || contents_.hides(Contents::Reason::kCredential, fd.get(), inode_of(fd.get()));
  }
  if (!hidden && found->inode.regular() && found->inode.stat.st_nlink > 1 &&
      found->verdict.content != Content::kRedacted) {
    const auto standing = walk ? links_.check(found->inode) : links_.known(found->inode);
    found->unsure = !standing;
    hidden = standing == HardLinks::Standing::kHidden;
    found->verdict.readonly |= standing == HardLinks::Standing::kReadonly;
  }
  if (hidden) {
    if (walk) {
      judge_.touched(Touch::Kind::kHidden, found->path, found->verdict.rule);
    }
    return ENOENT;
  }
  found->verdict.readonly |= sealed_.sealed(found->inode, found->path);
  return 0;
}

Reply FileServer::enter(const NodePtr& parent, const char* name, const Found& found) {
  Reply reply;
  reply.stat = shown(found.inode, found.verdict);
  // After a rename onto the index the kernel would show the file that was renamed, not what became
  // of it.
  reply.kept =
      found.verdict.content != Content::kGitIndex && name != std::string_view("index.lock");
  if (found.kind == Node::Kind::kReal) {
    reply.node = nodes_.enter(parent, name, found.inode);
  } else {
    reply.node = nodes_.enter_unreal(parent, name, found.kind, found.inode.stat.st_mode & S_IFMT,
                                     found.synthetic);
  }
  return reply;
}

Reply FileServer::lookup(std::uint64_t parent_id, const char* name) {
  const std::string_view asked = name;
  if (asked == "." || asked == "..") {
    fail(EINVAL);  // the kernel walks these itself
  }
  const std::shared_lock lock(names_);
  const NodePtr parent = nodes_.get(parent_id);
  Found found;
  int error;
  bool watched = false;
  std::uint64_t placed = 0;
  if (parent->kind == Node::Kind::kVirtual) {
    error = find(parent, nullptr, name, true, &found);
  } else {
    const Opened directory = open(parent, O_PATH | O_DIRECTORY);
    watched = watch(parent, directory);
    placed = watcher_.placed();
    error = find(parent, &directory, name, true, &found);
  }
  Reply reply;
  if (error == ENOENT) {
    reply.name_watched = watched;
    return reply;
  }
  if (error != 0) {
    fail(error);
  }
  reply = enter(parent, name, found);
  note_watched(watched, placed, found, &reply);
  return reply;
}

void FileServer::forget(std::uint64_t id, std::uint64_t lookups) {
  if (nodes_.forget(id, lookups)) {
    held_.drop(id);
  }
}

void FileServer::require_writable(const Verdict& verdict, const std::string& path) {
  if (verdict.readonly) {
    refuse_write(verdict, path);
  }
}

void FileServer::refuse_write(const Verdict& verdict, const std::string& path) {
  judge_.touched(Touch::Kind::kWriteRefused, path, verdict.rule);
  fail(EROFS);
}

}  // namespace agentbox::view
