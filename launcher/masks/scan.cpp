#include "launcher/masks/scan.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/vfs.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <tuple>

#include "base/encode.h"
#include "base/error.h"
#include "base/file.h"
#include "launcher/survey/walk.h"

namespace agentbox::masks {

namespace {

using base::Error;
using base::Status;
using policy::FileAction;
using policy::FileDecision;

constexpr std::size_t kLargestSettings = 64 * 1024;  // bytes, as in the live view

std::string join(const std::string& directory, std::string_view name) {
  std::string path = directory;
  path.append(path.empty() || name.empty() ? "" : "/").append(name);
  return path;
}

std::string parent(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string::npos ? "" : path.substr(0, slash);
}

const char* or_dot(const std::string& path) { return path.empty() ? "." : path.c_str(); }

bool gone(int error) { return error == ENOENT || error == ENOTDIR || error == ELOOP; }

// File systems that nobody but this kernel changes. On others a file is replaced without an event,
// and the kernel takes a mask off what it finds changed (d_invalidate()).
bool is_local(long type) {
  constexpr long kXfs = 0x58465342, kBcachefs = 0xca451a4e, kZfs = 0x2fc12fc1, kJfs = 0x3153464a;
  switch (type) {
    case EXT4_SUPER_MAGIC:
    case BTRFS_SUPER_MAGIC:
    case F2FS_SUPER_MAGIC:
    case TMPFS_MAGIC:
    case RAMFS_MAGIC:
    case OVERLAYFS_SUPER_MAGIC:
    case SQUASHFS_MAGIC:
    case EROFS_SUPER_MAGIC_V1:
    case NILFS_SUPER_MAGIC:
    case REISERFS_SUPER_MAGIC:
    case kXfs:
    case kBcachefs:
    case kZfs:
    case kJfs:
      return true;
    default:
      return false;
  }
}

}  // namespace

std::string Scan::judged(std::size_t tree, const std::string& path) const {
  return join(trees_[tree].prefix, path);
}

void Scan::whole(std::size_t tree, unsigned threads) {
  const base::UniqueFd root =
      base::open_beneath(trees_[tree].directory.get(), ".", O_RDONLY | O_DIRECTORY);
  struct stat status = {};
  base::check(::fstat(root.get(), &status), "look at", trees_[tree].root);
  require_local(status.st_dev, root.get(), trees_[tree].root);
  watch(root.get(), {tree, ""});
  below(tree, "", root.get(), threads);
}

void Scan::below(std::size_t tree, const std::string& path, int directory, unsigned threads) {
  survey::Options options;
  options.root = directory;
  options.files = &rules_;
  options.prefix = judged(tree, path);
  options.threads = threads;
  options.stay = false;
  options.progress = options_.progress;
  options.stop = options_.contents == nullptr ? nullptr : &options_.contents->stopped();
  // Names in it that the user cannot list could be opened by the box all the same.
  options.unlisted = [&](std::string_view unlisted, int) {
    const std::string whole = join(path, unlisted);
    struct stat status = {};
    if (::fstatat(directory, std::string(unlisted).c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0) {
      const std::lock_guard lock(mutex_);
      masks_.push_back(
          {tree, whole, Cover::kDirectory, {status.st_dev, status.st_ino}, S_IFDIR, nullptr});
    }
  };
  survey::walk(options, [&](const survey::Entry& found) {
    return entry(tree, join(path, found.path), found.directory, std::string(found.name),
                 found.decision, found.below_hidden);
  });
}

void Scan::require_local(dev_t device, int file, const std::string& path) {
  struct statfs space = {};
  base::check(::fstatfs(file, &space), "look at the file system of", path);
  if (!is_local(static_cast<long>(space.f_type))) {
    throw Error(Status::kFailed,
                base::printable(path) +
                    " is on a file system whose files can change without this machine's kernel "
                    "being told: what is hidden there could come to light",
                "make /dev/fuse available (agentbox doctor), or use a copy on a local disk");
  }
  device_ = device;
}

void Scan::watch(int directory, const Directory& place) {
  if (options_.watches == nullptr) {
    return;
  }
  const std::optional<Directory> before = options_.watches->add(directory, place);
  if (!before) {
    return;
  }
  struct stat there = {}, here = {};
  try {
    const base::UniqueFd old = base::open_beneath(trees_[before->tree].directory.get(),
                                                  or_dot(before->path), O_PATH | O_DIRECTORY);
    base::check(::fstat(old.get(), &there), "look at", before->path);
  } catch (const base::SystemError& error) {
    return;  // it was renamed
  }
  base::check(::fstat(directory, &here), "look at", place.path);
  if (here.st_dev == there.st_dev && here.st_ino == there.st_ino) {
    throw Error(Status::kFailed,
                base::printable(place.path) + " and " + base::printable(before->path) +
                    " are one directory, mounted twice: a change in it is told for one name only",
                "unmount one of them, or make /dev/fuse available (agentbox doctor)");
  }
}

// A file that cannot be judged is one that may hold a secret.
bool Scan::hides(FileAction action, const Directory& place, int directory,
                 const std::string& name) {
  if (action != FileAction::kHideIfCredential && action != FileAction::kHideUnlessReferences) {
    return true;
  }
  base::UniqueFd file;
  try {
    file = base::open_beneath(directory, name, O_PATH);
  } catch (const base::SystemError&) {
    return true;
  }
  // Before it is read, so that no write is missed.
  if (options_.watches != nullptr) {
    options_.watches->add_file(file.get(), place, name);
  }
  try {
    file = base::open_beneath(directory, name, O_RDONLY | O_NONBLOCK | O_NOCTTY);
    const std::string bytes = base::read_all(file.get(), kLargestSettings, name);
    return action == FileAction::kHideIfCredential ? policy::holds_credential(bytes)
                                                   : !policy::holds_only_references(bytes);
  } catch (const Error&) {
    return true;
  }
}

void Scan::look_into(const Mask& file, int directory, const std::string& name) {
  std::optional<Contents::Finding> finding =
      options_.contents->look(directory, name, judged(file.tree, file.path));
  if (finding) {
    Mask mask = file;
    mask.rule = finding->rule;
    mask.found = std::move(finding->what);
    mask.report = finding->report;
    const std::lock_guard lock(mutex_);
    found_.push_back(std::move(mask));
  }
}

void Scan::tell_hidden(std::size_t tree, const std::string& path, mode_t type) {
  if (options_.tell_hidden && type == S_IFREG) {
    options_.contents->hidden_changed(tree, path);
  }
}

bool Scan::entry(std::size_t tree, const std::string& path, int directory, const std::string& name,
                 const FileDecision& decision, bool below_hidden) {
  struct stat status = {};
  if (::fstatat(directory, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
    if (gone(errno)) {
      return false;
    }
    throw base::SystemError("look at", path, errno);
  }
  const Inode inode(status.st_dev, status.st_ino);
  const mode_t type = status.st_mode & S_IFMT;
  const bool is_directory = type == S_IFDIR;
  const bool further_names = !is_directory && status.st_nlink > 1;
  if (below_hidden) {
    tell_hidden(tree, path, type);
    // Cannot be reached by this name; what counts is whether it has another.
    if (further_names) {
      const std::lock_guard lock(mutex_);
      hidden_.insert(inode);
    }
    return is_directory;
  }
  if (type == S_IFLNK) {
    if (decision.readonly && decision.action != FileAction::kHide &&
        decision.action != FileAction::kHideUnlessReferences) {
      const std::lock_guard lock(mutex_);
      masks_.push_back({tree, path, Cover::kReadOnly, inode, type, decision.readonly_rule, false,
                        status.st_ctim});
    }
    return false;
  }
  const bool hide = decision.action != FileAction::kShow &&
                    (is_directory ? decision.action == FileAction::kHide ||
                                        decision.action == FileAction::kHideUnlessReferences
                                  : hides(decision.action, {tree, parent(path)}, directory, name));
  if ((is_directory && !hide) || status.st_dev != device_) {
    try {
      const base::UniqueFd opened = base::open_beneath(directory, name, O_PATH);
      if (status.st_dev != device_) {
        require_local(status.st_dev, opened.get(), path);
      }
      if (is_directory && !hide) {
        watch(opened.get(), {tree, path});
      }
    } catch (const base::SystemError& error) {
      if (!gone(error.error()) && error.error() != EACCES) {
        throw;
      }
    }
  }
  if (hide) {
    tell_hidden(tree, path, type);
  } else if (options_.contents != nullptr && type == S_IFREG && status.st_size > 0) {
    look_into({tree, path, Cover::kFile, inode, type}, directory, name);
  }
  const std::lock_guard lock(mutex_);
  if (hide) {
    masks_.push_back(
        {tree, path, is_directory ? Cover::kDirectory : Cover::kFile, inode, type, decision.rule});
    if (further_names) {
      hidden_.insert(inode);
    }
    return is_directory;  // only for the further names of what is in it
  }
  if (decision.readonly) {
    masks_.push_back({tree, path, Cover::kReadOnly, inode, type, decision.readonly_rule});
  } else if (!is_directory && decision.action == FileAction::kHideUnlessReferences) {
    masks_.push_back({tree, path, Cover::kReadOnly, inode, type, decision.rule, true});
  }
  if (further_names) {
    linked_.push_back({tree, path, Cover::kFile, inode, type, nullptr});
  }
  return is_directory;
}

void Scan::name(const Directory& place, std::string_view name) {
  const std::string path = join(place.path, name);
  base::UniqueFd directory;
  struct stat status = {};
  try {
    directory = base::open_beneath(trees_[place.tree].directory.get(), or_dot(place.path),
                                   O_PATH | O_DIRECTORY);
  } catch (const base::SystemError& error) {
    if (gone(error.error())) {
      return;  // its new name is an event of its own
    }
    throw;
  }
  const std::string text(name);
  if (::fstatat(directory.get(), text.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
    if (gone(errno)) {
      return;
    }
    throw base::SystemError("look at", path, errno);
  }
  const mode_t type = status.st_mode & S_IFMT;
  const FileDecision decision = rules_.judge(judged(place.tree, path), type == S_IFDIR);
  if (entry(place.tree, path, directory.get(), text, decision, false)) {
    try {
      const base::UniqueFd opened =
          base::open_beneath(directory.get(), text, O_RDONLY | O_DIRECTORY);
      below(place.tree, path, opened.get(), 1);
    } catch (const base::SystemError& error) {
      if (error.error() == EACCES) {
        masks_.push_back(
            {place.tree, path, Cover::kDirectory, {status.st_dev, status.st_ino}, type, nullptr});
      } else if (!gone(error.error())) {
        throw;
      }
    }
  }
}

void Scan::add_deciding() {
  std::set<std::pair<std::size_t, std::string>> seen;
  std::vector<Mask> deciding;
  for (const Mask& mask : masks_) {
    for (std::string path = parent(mask.path);
         !path.empty() && seen.insert({mask.tree, path}).second; path = parent(path)) {
      if (!rules_.reaches_below(judged(mask.tree, path))) {
        continue;
      }
      struct stat status = {};
      try {
        const base::UniqueFd directory =
            base::open_beneath(trees_[mask.tree].directory.get(), path, O_PATH | O_DIRECTORY);
        base::check(::fstat(directory.get(), &status), "look at", path);
      } catch (const base::SystemError& error) {
        if (gone(error.error())) {
          continue;
        }
        throw;
      }
      deciding.push_back(
          {mask.tree, path, Cover::kInPlace, {status.st_dev, status.st_ino}, S_IFDIR, nullptr});
    }
  }
  masks_.insert(masks_.end(), deciding.begin(), deciding.end());
}

std::vector<Mask> Scan::masks() {
  std::sort(masks_.begin(), masks_.end(), [](const Mask& a, const Mask& b) {
    return std::tie(a.tree, a.path) < std::tie(b.tree, b.path);
  });
  return std::move(masks_);
}

}  // namespace agentbox::masks
