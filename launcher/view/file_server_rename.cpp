// Renames. What a name is judged by must not be shaken off by moving what stands above it.
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <vector>

#include "launcher/view/file_server.h"

namespace agentbox::view {
namespace {

void copy_bytes(int from, int to) {
  for (;;) {
    const ssize_t part = ::sendfile(to, from, nullptr, 1 << 20);
    if (part < 0 && errno == EINTR) {
      continue;
    }
    if (checked(part) == 0) {
      return;
    }
  }
}

}  // namespace

void FileServer::require_same_rights_below(const std::string& from, const std::string& to) {
  compare_rights_below(from, to);
  // Nothing differs now; but another session's box may be putting something into it, and its view
  // does not wait for this one. A program moves the files one by one then, and each is judged.
  if (judge_.reaches_below(from) || judge_.reaches_below(to)) {
    fail(EXDEV);
  }
}

void FileServer::compare_rights_below(const std::string& from, const std::string& to) {
  std::vector<std::string> left{""};
  while (!left.empty()) {
    const std::string below = std::move(left.back());
    left.pop_back();
    const std::string path = below.empty() ? from : join(from, below);
    const Location location = storage_.locate(path, judge_.judge(path, true));
    const base::UniqueFd fd =
        open_below(location.base, location.path.c_str(), O_RDONLY | O_DIRECTORY);
    checked(fd.get());
    for (const Entry& entry : read_entries(fd.get())) {
      const bool is_directory = entry.type == DT_DIR;
      std::string name = join(below, entry.name);
      const Verdict before = judge_.judge(join(from, name), is_directory);
      const Verdict after = judge_.judge(join(to, name), is_directory);
      if (!before.same_rights(after)) {
        judge_.touched(Touch::Kind::kWriteRefused, join(from, name),
                       before.rule != nullptr ? before.rule : after.rule);
        fail(EPERM);
      }
      if (is_directory && before.content != Content::kHidden) {
        left.push_back(std::move(name));
      }
    }
  }
}

void FileServer::move_across(const Slot& from, const Slot& to, const Found& source,
                             unsigned flags) {
  const std::string temporary = unused_name(to.directory, to.name);
  if (S_ISLNK(source.inode.stat.st_mode)) {
    char text[PATH_MAX];
    const long length =
        checked(::readlinkat(from.directory, from.name.c_str(), text, sizeof text - 1));
    text[length] = '\0';
    checked(::symlinkat(text, to.directory, temporary.c_str()));
  } else if (source.inode.regular()) {
    const base::UniqueFd in = open_below(from.directory, from.name.c_str(), O_RDONLY);
    checked(in.get());
    const base::UniqueFd out(::openat(to.directory, temporary.c_str(),
                                      O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
    checked(out.get());
    const struct timespec times[] = {source.inode.stat.st_atim, source.inode.stat.st_mtim};
    try {
      copy_bytes(in.get(), out.get());
      checked(::fchmod(out.get(), source.inode.stat.st_mode & 0777));
      checked(::futimens(out.get(), times));
      checked(::fsync(out.get()));
    } catch (const Failure&) {
      ::unlinkat(to.directory, temporary.c_str(), 0);
      throw;
    }
  } else {
    fail(EXDEV);  // a program that moves a directory copies it itself then
  }
  if (::renameat2(to.directory, temporary.c_str(), to.directory, to.name.c_str(), flags) != 0) {
    const int error = errno;
    ::unlinkat(to.directory, temporary.c_str(), 0);
    fail(error);
  }
  checked(::unlinkat(from.directory, from.name.c_str(), 0));
}

void FileServer::rename(std::uint64_t from_id, const char* name, std::uint64_t to_id,
                        const char* new_name, unsigned flags) {
  if ((flags & ~static_cast<unsigned>(RENAME_NOREPLACE | RENAME_EXCHANGE)) != 0) {
    fail(EINVAL);
  }
  const std::unique_lock lock(names_);
  NodePtr from_parent;
  NodePtr to_parent;
  const Opened from_directory = open_directory(from_id, &from_parent);
  const Opened to_directory = open_directory(to_id, &to_parent);

  Found source;
  if (const int error = find(from_parent, &from_directory, name, true, &source)) {
    fail(error);
  }
  if (source.kind != Node::Kind::kReal || storage_.is_listed_link(source.path) ||
      source.verdict.place == Verdict::Place::kAncestor) {
    fail(EBUSY);
  }
  require_writable(source.verdict, source.path);
  require_writable(from_directory.verdict, from_directory.path);
  const Slot from = slot(from_directory, name, source.path, source.verdict, false);
  const Slot to = target(to_directory, new_name, source.inode.directory(), false,
                         source.inode.regular() && own_.own(source.inode));
  if (to.verdict.place == Verdict::Place::kAncestor) {
    fail(EPERM);  // something listed lies below: it must not be built over
  }
  require_no_listed_link(to, source.inode);

  // What is replaced must be something that the box can see and may remove.
  Found replaced;
  Inode real;
  const bool exists = inode_at(to.directory, to.name.c_str(), &real) == 0;
  if (exists) {
    if (find(to_parent, &to_directory, new_name, true, &replaced) != 0) {
      fail(EACCES);
    }
    require_writable(replaced.verdict, replaced.path);
  }
  const bool exchange = (flags & RENAME_EXCHANGE) != 0;
  const bool across = source.verdict.place != to.verdict.place;
  if (source.inode.directory()) {
    if (across) {
      // A program copies and removes then: what the user keeps there is not for that.
      const bool listed = source.verdict.place == Verdict::Place::kShared &&
                          from_directory.verdict.place == Verdict::Place::kAncestor;
      fail(listed ? EBUSY : EXDEV);
    }
    require_same_rights_below(source.path, to.path);
  }
  if (exchange) {
    if (!exists) {
      fail(ENOENT);
    }
    if (across) {
      fail(EXDEV);
    }
    require_no_listed_link(target(from_directory, name, replaced.inode.directory()),
                           replaced.inode);
    if (replaced.inode.directory()) {
      require_same_rights_below(to.path, source.path);
    }
  }

  require_no_index_at(from, source.inode);
  if (exchange) {
    require_no_index_at(to, replaced.inode);
  }
  NodePtr moved = nodes_.find(source.inode.identity);
  NodePtr other;
  base::UniqueFd kept;
  const bool same_file = exists && replaced.inode.identity == source.inode.identity;
  if (exists && !same_file) {
    kept = pin(to, replaced.inode, &other);
  }
  if (to.verdict.content == Content::kGitIndex) {
    // The kernel knows the box's bytes, and not those of the file that takes their place: it stays
    // with whoever has it open, and the name is looked up again.
    base::UniqueFd original = pin(from, source.inode, &moved);
    if (rewrite_index(from, to, source, exists) && moved) {
      nodes_.removed(moved, from_parent, name, source.verdict, std::move(original));
      moved.reset();
    }
  }
  if (::renameat2(from.directory, from.name.c_str(), to.directory, to.name.c_str(), flags) != 0) {
    if (errno != EXDEV || !across) {
      fail(errno);
    }
    move_across(from, to, source, flags);
  }
  Inode after;
  if (const int error = inode_at(to.directory, to.name.c_str(), &after)) {
    fail(error);
  }
  if (same_file) {
    return;  // rename(2): two names of one file both stay
  }
  if (source.inode.directory()) {
    sealed_.renamed(source.path, to.path);
  }
  own_.changed(source.inode, after, source.inode.stat.st_size);
  if (other && exchange) {
    nodes_.renamed(other, to_parent, new_name, from_parent, name);
  } else if (other) {
    if (kept) {
      links_.changed(replaced.inode, inode_of(kept.get()), -1);
    }
    nodes_.removed(other, to_parent, new_name, replaced.verdict, std::move(kept));
  }
  if (moved) {
    if (after.identity != source.inode.identity) {
      nodes_.replaced(moved, after);
    } else {
      links_.changed(source.inode, after, 0);
    }
    nodes_.renamed(moved, from_parent, name, to_parent, new_name);
  }
}

}  // namespace agentbox::view
