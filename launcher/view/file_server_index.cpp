// The requests' part in showing git an index in which hidden files are left alone (index_files.h).
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "base/error.h"
#include "base/file.h"
#include "launcher/view/file_server.h"

namespace agentbox::view {
namespace {

using How = IndexFiles::Shown::How;

constexpr std::string_view kLock = ".lock";

}  // namespace

std::shared_ptr<const IndexFiles::Shown> FileServer::index_of(const Opened& file) {
  if (file.verdict.content != Content::kGitIndex || !file.inode.regular()) {
    return nullptr;
  }
  const base::UniqueFd fd = reopen(file.fd.get(), O_RDONLY);
  checked(fd.get());
  return indexes_.shown(file.path, fd.get());
}

struct stat FileServer::shown(const Opened& file) {
  struct stat stat = shown(file.inode, file.verdict);
  if (const auto index = index_of(file)) {
    index->amend(&stat);
  }
  return stat;
}

void FileServer::require_no_shown_index(const Opened& file) {
  const auto index = index_of(file);
  // One that makes no sense may be in the middle of being written by a program that does not
  // replace it.
  if (index && index->how != How::kAsItIs && index->legible) {
    judge_.touched(Touch::Kind::kWriteRefused, file.path, file.verdict.rule);
    fail(EACCES);
  }
}

void FileServer::require_no_index_at(const Slot& slot, const Inode& inode) {
  if (!inode.regular() || judge_.judge(slot.path, false).content != Content::kGitIndex) {
    return;
  }
  // Without it git takes every file for new, and a hidden one for deleted.
  const base::UniqueFd fd = open_below(slot.directory, slot.name.c_str(), O_RDONLY);
  if (!fd || indexes_.shown(slot.path, fd.get())->how != How::kAsItIs) {
    judge_.touched(Touch::Kind::kWriteRefused, slot.path, slot.verdict.rule);
    fail(EACCES);
  }
}

void FileServer::require_no_locked_index(const Opened& directory, const std::string& path) {
  if (!path.ends_with("index.lock")) {
    return;
  }
  const std::string index = path.substr(0, path.size() - kLock.size());
  if (judge_.judge(index, false).content != Content::kGitIndex) {
    return;
  }
  const base::UniqueFd fd =
      open_below(directory.fd.get(), std::string(name_of(index)).c_str(), O_RDONLY);
  if (fd && indexes_.shown(index, fd.get())->how == How::kLocked) {
    judge_.touched(Touch::Kind::kWriteRefused, index, nullptr);
    fail(EROFS);
  }
}

bool FileServer::rewrite_index(const Slot& from, const Slot& to, const Found& source,
                               bool replaces) {
  IndexFiles::Written written;
  try {
    if (!source.inode.regular()) {
      fail(EACCES);
    }
    const base::UniqueFd fresh = open_below(from.directory, from.name.c_str(), O_RDONLY);
    checked(fresh.get());
    base::UniqueFd replaced;
    if (replaces) {
      replaced = open_below(to.directory, to.name.c_str(), O_RDONLY);
      checked(replaced.get());
      if (indexes_.shown(to.path, replaced.get())->how == How::kLocked) {
        fail(EACCES);
      }
    }
    written = indexes_.written(to.path, fresh.get(), replaced.get());
  } catch (const Failure& failure) {
    if (failure.error == EACCES) {
      judge_.touched(Touch::Kind::kWriteRefused, to.path, to.verdict.rule);
    }
    throw;
  }
  if (!written.changed) {
    return false;
  }
  // First in the place of the box's file, so that the rename that it asked for stays one step.
  const std::string temporary = unused_name(from.directory, from.name);
  const base::UniqueFd file(::openat(from.directory, temporary.c_str(),
                                     O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
  checked(file.get());
  // Git tells by the index's time which files may have changed since.
  const struct timespec times[] = {source.inode.stat.st_atim, source.inode.stat.st_mtim};
  int error = 0;
  try {
    base::write_all(file.get(), written.bytes);
  } catch (const base::SystemError& failure) {
    error = EIO;
  }
  if (error == 0 &&
      (::fchmod(file.get(), source.inode.stat.st_mode & 0777) != 0 ||
       ::futimens(file.get(), times) != 0 ||
       ::renameat(from.directory, temporary.c_str(), from.directory, from.name.c_str()) != 0)) {
    error = errno;
  }
  if (error != 0) {
    ::unlinkat(from.directory, temporary.c_str(), 0);
    fail(error);
  }
  return true;
}

}  // namespace agentbox::view
