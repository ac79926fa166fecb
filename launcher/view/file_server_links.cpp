// The files that lead git to another directory. The box may make those of a linked worktree, which
// `git worktree add` needs: each empty first, then written once and whole, then never again. An
// empty one leads nowhere (git refuses it), so at no time does one lead where the box likes.
#include <fcntl.h>
#include <limits.h>
#include <unistd.h>

#include <cerrno>

#include "launcher/view/file_server.h"
#include "launcher/view/link_text.h"

namespace agentbox::view {
namespace {

constexpr const char* kBackLinkName = "gitdir";

// Whether the box could have made this file as it is. `absent` is the answer where there is none.
bool could_be_made(int directory, const char* name, policy::LinkFile kind,
                   const Worktrees& worktrees, bool absent) {
  const base::UniqueFd file = open_below(directory, name, O_RDONLY);
  if (!file) {
    return errno == ENOENT && absent;
  }
  const Inode inode = inode_of(file.get());
  if (!inode.regular() || inode.stat.st_nlink != 1) {
    return false;
  }
  char text[PATH_MAX + 1];
  const long length = checked(::pread(file.get(), text, sizeof text, 0));
  return length == 0 || is_link_text(kind, {text, static_cast<std::size_t>(length)}, worktrees);
}

}  // namespace

bool FileServer::may_remove_link(const Slot& slot, const Found& found) const {
  const policy::LinkFile kind = found.verdict.link;
  if (kind == policy::LinkFile::kNone || !found.inode.regular() ||
      !could_be_made(slot.directory, slot.name.c_str(), kind, config_.worktrees, false)) {
    return false;
  }
  // The text is the same in all worktrees; those outside the project are not the box's to remove.
  return kind != policy::LinkFile::kCommonDirectory ||
         could_be_made(slot.directory, kBackLinkName, policy::LinkFile::kBackLink,
                       config_.worktrees, true);
}

std::size_t FileServer::write_link(const Opened& file, std::string_view bytes, off_t offset) {
  // One at a time: two texts must not mix.
  const std::lock_guard lock(linking_);
  const Inode inode = inode_of(file.fd.get());
  if (offset != 0 || !inode.regular() || inode.stat.st_size != 0 || inode.stat.st_nlink > 1 ||
      !is_link_text(file.verdict.link, bytes, config_.worktrees)) {
    refuse_write(file.verdict, file.path);
  }
  const ssize_t written = ::pwrite(file.fd.get(), bytes.data(), bytes.size(), 0);
  if (written != static_cast<ssize_t>(bytes.size())) {
    const int error = written < 0 ? errno : ENOSPC;
    checked(::ftruncate(file.fd.get(), 0));  // half a path is another path
    fail(error);
  }
  return bytes.size();
}

}  // namespace agentbox::view
