#include "launcher/masks/scan.h"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <tuple>

#include "base/error.h"
#include "base/file.h"
#include "launcher/survey/walk.h"

namespace agentbox::masks {

namespace {

using policy::FileAction;
using policy::FileDecision;

constexpr std::size_t kLargestSettings = 64 * 1024;  // bytes, as in the live view

std::string join(const std::string& directory, std::string_view name) {
  std::string path = directory;
  path.append(path.empty() || name.empty() ? "" : "/").append(name);
  return path;
}

bool gone(int error) { return error == ENOENT || error == ENOTDIR || error == ELOOP; }

// A file that cannot be judged is one that may hold a credential.
bool may_hold_credential(int directory, const std::string& name) {
  try {
    const base::UniqueFd file =
        base::open_beneath(directory, name, O_RDONLY | O_NONBLOCK | O_NOCTTY);
    return policy::holds_credential(base::read_all(file.get(), kLargestSettings, name));
  } catch (const base::Error&) {
    return true;
  }
}

}  // namespace

Scan::Scan(const policy::FileRules& rules, const std::vector<Tree>& trees, Watches& watches)
    : rules_(rules), trees_(trees), watches_(watches) {}

std::string Scan::judged(std::size_t tree, const std::string& path) const {
  return join(trees_[tree].prefix, path);
}

void Scan::whole(std::size_t tree, unsigned threads) {
  const base::UniqueFd root =
      base::open_beneath(trees_[tree].directory.get(), ".", O_RDONLY | O_DIRECTORY);
  watches_.add(root.get(), {tree, ""});
  below(tree, "", root.get(), threads);
}

void Scan::below(std::size_t tree, const std::string& path, int directory, unsigned threads) {
  survey::Options options;
  options.root = directory;
  options.files = &rules_;
  options.prefix = judged(tree, path);
  options.threads = threads;
  options.stay = false;
  // Names in it that the user cannot list could be opened by the box all the same.
  options.unlisted = [&](std::string_view unlisted, int) {
    const std::string whole = join(path, unlisted);
    struct stat status = {};
    if (::fstatat(directory, std::string(unlisted).c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0) {
      const std::lock_guard lock(mutex_);
      masks_.push_back(
          {tree, whole, Cover::kDirectory, {status.st_dev, status.st_ino}, nullptr, false});
    }
  };
  survey::walk(options, [&](const survey::Entry& found) {
    return entry(tree, join(path, found.path), found.directory, std::string(found.name),
                 found.decision, found.below_hidden);
  });
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
  const bool is_directory = S_ISDIR(status.st_mode);
  const bool further_names = !is_directory && status.st_nlink > 1;
  if (below_hidden) {
    // Cannot be reached by this name; what counts is whether it has another.
    if (further_names) {
      const std::lock_guard lock(mutex_);
      hidden_.insert(inode);
    }
    return is_directory;
  }
  if (S_ISLNK(status.st_mode)) {
    return false;
  }
  // No look is taken into what may hold references only: masks stay until somebody touches them.
  const bool hide = decision.action == FileAction::kHide ||
                    decision.action == FileAction::kHideUnlessReferences ||
                    (!is_directory && decision.action == FileAction::kRedact) ||
                    (!is_directory && decision.action == FileAction::kHideIfCredential &&
                     may_hold_credential(directory, name));
  if (is_directory && !hide) {
    try {
      const base::UniqueFd opened = base::open_beneath(directory, name, O_PATH | O_DIRECTORY);
      watches_.add(opened.get(), {tree, path});
    } catch (const base::SystemError& error) {
      if (!gone(error.error()) && error.error() != EACCES) {
        throw;
      }
    }
  }
  const std::lock_guard lock(mutex_);
  if (hide) {
    masks_.push_back(
        {tree, path, is_directory ? Cover::kDirectory : Cover::kFile, inode, decision.rule, false});
    if (further_names) {
      hidden_.insert(inode);
    }
    return is_directory;  // only for the further names of what is in it
  }
  if (decision.readonly) {
    masks_.push_back({tree, path, Cover::kReadOnly, inode, decision.readonly_rule, false});
  }
  if (further_names) {
    linked_.push_back({tree, path, Cover::kFile, inode, nullptr, false});
  }
  return is_directory;
}

void Scan::name(const Directory& place, std::string_view name) {
  const std::string path = join(place.path, name);
  base::UniqueFd directory;
  struct stat status = {};
  try {
    directory = base::open_beneath(trees_[place.tree].directory.get(),
                                   place.path.empty() ? "." : place.path, O_PATH | O_DIRECTORY);
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
  const bool is_directory = S_ISDIR(status.st_mode);
  const FileDecision decision = rules_.judge(judged(place.tree, path), is_directory);
  if (S_ISLNK(status.st_mode)) {
    if (decision.readonly && decision.action != FileAction::kHide &&
        decision.action != FileAction::kHideUnlessReferences) {
      masks_.push_back({place.tree,
                        path,
                        Cover::kReadOnly,
                        {status.st_dev, status.st_ino},
                        decision.readonly_rule,
                        true});
    }
    return;
  }
  if (entry(place.tree, path, directory.get(), text, decision, false)) {
    try {
      const base::UniqueFd opened =
          base::open_beneath(directory.get(), text, O_RDONLY | O_DIRECTORY);
      below(place.tree, path, opened.get(), 1);
    } catch (const base::SystemError& error) {
      if (error.error() == EACCES) {
        masks_.push_back(
            {place.tree, path, Cover::kDirectory, {status.st_dev, status.st_ino}, nullptr, false});
      } else if (!gone(error.error())) {
        throw;
      }
    }
  }
}

std::vector<Mask> Scan::masks() {
  std::sort(masks_.begin(), masks_.end(), [](const Mask& a, const Mask& b) {
    return std::tie(a.tree, a.path) < std::tie(b.tree, b.path);
  });
  return std::move(masks_);
}

}  // namespace agentbox::masks
