// The requests that make and remove names.
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "launcher/view/file_server.h"

namespace agentbox::view {
namespace {

// Nothing that the box makes runs with other rights outside. On directories the bits are harmless.
mode_t without_set_id(mode_t mode) { return mode & ~static_cast<mode_t>(S_ISUID | S_ISGID); }

}  // namespace

FileServer::Slot FileServer::target(const Opened& directory, const char* name, bool is_directory,
                                    bool new_file, bool own) {
  std::string path = join(directory.path, name);
  Verdict verdict = judge_.judge(path, is_directory);
  if (synthetic_at(path) != nullptr) {
    fail(EROFS);
  }
  if (sealed_.sealed_path(path)) {
    refuse_write(verdict, path);
  }
  if (config_.secrets != nullptr &&
      refused_->refused(config_.prefix.empty() ? path : join(config_.prefix, path))) {
    judge_.touched(Touch::Kind::kWriteRefused, path, nullptr);
    fail(EACCES);
  }
  if (own && verdict.content == Content::kHidden) {
    verdict.content = Content::kPlain;  // for as long as it is the box's own
  }
  if (verdict.content == Content::kHidden || verdict.content == Content::kRedacted) {
    // It would be gone for the box, or taken for something it is not: said, never silent.
    judge_.touched(Touch::Kind::kWriteRefused, path, verdict.rule);
    fail(EACCES);
  }
  require_writable(directory.verdict, directory.path);
  if (!new_file || verdict.link == policy::LinkFile::kNone) {
    require_writable(verdict, path);
  }
  require_no_locked_index(directory, path);
  return slot(directory, name, std::move(path), verdict, true);
}

void FileServer::require_no_listed_link(const Slot& slot, const Inode& inode) {
  const bool listed_top = slot.held && slot.verdict.place == Verdict::Place::kShared;
  if (listed_top && S_ISLNK(inode.stat.st_mode)) {
    judge_.touched(Touch::Kind::kWriteRefused, slot.path, slot.verdict.rule);
    fail(EPERM);
  }
}

Reply FileServer::made(const NodePtr& parent, const Opened& directory, const char* name) {
  const bool watched = watch(parent, directory);
  const std::uint64_t placed = watcher_.placed();
  Found found;
  if (const int error = find(parent, &directory, name, true, &found)) {
    fail(error);
  }
  Reply reply = enter(parent, name, found);
  note_watched(watched, placed, found, &reply);
  return reply;
}

Reply FileServer::create(std::uint64_t parent_id, const char* name, mode_t mode, int flags) {
  const std::shared_lock lock(names_);
  NodePtr parent;
  const Opened directory = open_directory(parent_id, &parent);
  const Slot slot = target(directory, name, false, true, true);
  mode = without_set_id(mode);
  const bool watched = watch(parent, directory);
  const std::uint64_t placed = watcher_.placed();
  base::UniqueFd fd(::openat(slot.directory, slot.name.c_str(),
                             O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode));
  if (!fd) {
    if (errno != EEXIST || (flags & O_EXCL) != 0) {
      fail(errno);
    }
    // Made outside since the box looked. If the box may not see it, it may not have it either.
    Found found;
    if (find(parent, &directory, name, true, &found) != 0 || !found.inode.regular()) {
      fail(EACCES);
    }
    require_writable(found.verdict, found.path);
    Reply reply = enter(parent, name, found);
    if ((flags & O_TRUNC) != 0) {
      const Opened file = open(reply.node, O_WRONLY);
      require_no_shown_index(file);
      checked(::ftruncate(file.fd.get(), 0));
      reply.stat = inode_of(file.fd.get()).stat;
    }
    return reply;
  }
  Found found;
  found.path = slot.path;
  found.verdict = slot.verdict;
  found.inode = inode_of(fd.get());
  own_.made(found.inode);
  Reply reply = enter(parent, name, found);
  note_watched(watched, placed, found, &reply);
  // Such as git's objects, 0444 from the start. Not programs: what is open for writing cannot be
  // executed outside (ETXTBSY).
  if ((mode & 0333) == 0) {
    held_.hold(reply.node->id, std::move(fd));
  }
  return reply;
}

Reply FileServer::make_node(std::uint64_t parent_id, const char* name, mode_t mode) {
  if (!S_ISREG(mode) && !S_ISFIFO(mode) && !S_ISSOCK(mode)) {
    fail(EPERM);
  }
  const std::shared_lock lock(names_);
  NodePtr parent;
  const Opened directory = open_directory(parent_id, &parent);
  const Slot slot = target(directory, name, false);
  checked(::mknodat(slot.directory, slot.name.c_str(), without_set_id(mode), 0));
  return made(parent, directory, name);
}

Reply FileServer::make_directory(std::uint64_t parent_id, const char* name, mode_t mode) {
  const std::shared_lock lock(names_);
  NodePtr parent;
  const Opened directory = open_directory(parent_id, &parent);
  const Slot slot = target(directory, name, true);
  checked(::mkdirat(slot.directory, slot.name.c_str(), mode & ~static_cast<mode_t>(S_ISUID)));
  return made(parent, directory, name);
}

Reply FileServer::make_symlink(std::uint64_t parent_id, const char* name, const char* text) {
  const std::shared_lock lock(names_);
  NodePtr parent;
  const Opened directory = open_directory(parent_id, &parent);
  const Slot slot = target(directory, name, false);
  Inode link;
  link.stat.st_mode = S_IFLNK;
  require_no_listed_link(slot, link);
  checked(::symlinkat(text, slot.directory, slot.name.c_str()));
  return made(parent, directory, name);
}

Reply FileServer::link(std::uint64_t id, std::uint64_t parent_id, const char* name) {
  const std::shared_lock lock(names_);
  const NodePtr node = nodes_.get(id);
  const Opened file = open(node, O_PATH);
  if (file.verdict.content != Content::kPlain) {
    fail(EPERM);  // a second name would be judged by its own name only
  }
  require_writable(file.verdict, file.path);
  NodePtr parent;
  const Opened directory = open_directory(parent_id, &parent);
  const Slot slot = target(directory, name, false);
  if (slot.verdict.content != Content::kPlain) {
    fail(EPERM);
  }
  require_no_listed_link(slot, file.inode);
  const std::string source = "/proc/self/fd/" + std::to_string(file.fd.get());
  checked(::linkat(AT_FDCWD, source.c_str(), slot.directory, slot.name.c_str(), AT_SYMLINK_FOLLOW));
  const Inode after = inode_of(file.fd.get());
  own_.changed(file.inode, after, file.inode.stat.st_size);
  links_.changed(file.inode, after, 1);
  return made(parent, directory, name);
}

base::UniqueFd FileServer::pin(const Slot& slot, const Inode& inode, NodePtr* node) {
  *node = nodes_.find(inode.identity);
  return *node ? open_below(slot.directory, slot.name.c_str(), O_PATH) : base::UniqueFd();
}

void FileServer::remove(std::uint64_t parent_id, const char* name, bool is_directory) {
  const std::unique_lock lock(names_);
  NodePtr parent;
  const Opened directory = open_directory(parent_id, &parent);
  Found found;
  if (const int error = find(parent, &directory, name, true, &found)) {
    fail(error);
  }
  if (found.kind != Node::Kind::kReal) {
    fail(EROFS);
  }
  const Slot at = slot(directory, name, found.path, found.verdict, false);
  if (is_directory || !may_remove_link(at, found)) {
    require_writable(found.verdict, found.path);
  }
  require_writable(directory.verdict, directory.path);
  if (storage_.is_listed_link(found.path) || found.verdict.place == Verdict::Place::kAncestor) {
    fail(EBUSY);  // the user's own symbolic link stands there, or something listed lies below
  }
  require_no_index_at(at, found.inode);
  NodePtr node;
  base::UniqueFd kept = pin(at, found.inode, &node);
  checked(::unlinkat(at.directory, at.name.c_str(), is_directory ? AT_REMOVEDIR : 0));
  if (kept) {
    const Inode after = inode_of(kept.get());
    own_.changed(found.inode, after, found.inode.stat.st_size);
    links_.changed(found.inode, after, -1);
  } else {
    own_.removed(found.inode.identity);
  }
  if (!node) {
    return;
  }
  nodes_.removed(node, parent, name, found.verdict, std::move(kept));
}

std::string FileServer::read_link(std::uint64_t id) {
  const std::shared_lock lock(names_);
  const NodePtr node = nodes_.get(id);
  if (node->synthetic != nullptr) {
    return node->synthetic->content;
  }
  const Opened link = open(node, O_PATH);
  std::string text(PATH_MAX, '\0');
  text.resize(
      static_cast<std::size_t>(checked(::readlinkat(link.fd.get(), "", text.data(), text.size()))));
  return text;
}

}  // namespace agentbox::view
