#include "launcher/scan/hidden_files.h"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/error.h"
#include "launcher/scan/file.h"
#include "launcher/values/harvest.h"
#include "policy/detector.h"
#include "policy/file_rules.h"

namespace agentbox::scan {

namespace {

using policy::FileAction;

// As launcher/view: what is longer is hidden without a look.
constexpr std::size_t kMostJudged = 64 * 1024;
// What is longer is a dump, not a file of secrets: its beginning has to do.
constexpr std::size_t kMostHarvested = 1024 * 1024;

bool by_path(const Hidden& a, const Hidden& b) { return a.path < b.path; }

// Of one scan: nobody outside it is to recognise a fingerprint.
std::string random_key() {
  std::string key(32, '\0');
  base::check(::getentropy(key.data(), key.size()), "getentropy");
  return key;
}

// Whether a file that its name leaves to its contents is hidden. -1 with errno if that fails.
int hides(FileAction action, int fd) {
  WipedBuffer text(kMostJudged + 1);
  const ssize_t size = read_fully(fd, text.bytes());
  if (size < 0) {
    return -1;
  }
  const std::string_view bytes(text.bytes().data(), static_cast<std::size_t>(size));
  if (bytes.size() > kMostJudged) {
    return 1;
  }
  return action == FileAction::kHideIfCredential ? policy::holds_credential(bytes)
                                                 : !policy::holds_only_references(bytes);
}

}  // namespace

HiddenFiles::HiddenFiles() : values_(random_key()) {}

void HiddenFiles::add_elsewhere(const std::string& path) {
  struct stat status = {};
  if (::lstat(path.c_str(), &status) != 0 || !S_ISREG(status.st_mode)) {
    return;
  }
  if (status.st_nlink > 1) {
    inodes_.emplace(std::pair(status.st_dev, status.st_ino), path);
  }
  // One that this user cannot read is not read by a box either.
  const base::UniqueFd fd(
      ::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
  if (fd) {
    int error = 0;
    take_values(fd.get(), path, error);
  }
}

bool HiddenFiles::visit(const survey::Entry& entry) {
  if (entry.name == ".git") {
    const std::size_t length = entry.path.size() - entry.name.size();
    const std::lock_guard lock(mutex_);
    repositories_.emplace_back(entry.path.substr(0, length == 0 ? 0 : length - 1));
  }
  if (entry.type == DT_REG && entry.decision.action != FileAction::kShow) {
    visit_file(entry);
  } else if (hides(entry.decision.action)) {
    const std::lock_guard lock(mutex_);
    hidden_.push_back({.path = std::string(entry.path),
                       .directory = entry.type == DT_DIR,
                       .rule = Rule::of(entry.decision.rule),
                       .link_of = {},
                       .below_hidden = entry.below_hidden});
  }
  return true;
}

void HiddenFiles::visit_file(const survey::Entry& entry) {
  const FileAction action = entry.decision.action;
  Hidden found = {.path = std::string(entry.path),
                  .why = hides(action) ? Hidden::Why::kName : Hidden::Why::kCredential,
                  .rule = Rule::of(entry.decision.rule),
                  .link_of = {},
                  .below_hidden = entry.below_hidden};
  struct stat status = {};
  const base::UniqueFd fd = open_regular(entry, status);
  int error = fd ? 0 : errno;
  if (!fd && error == 0) {
    return;
  }
  bool hidden = action == FileAction::kHide;
  if (!fd) {
    // What it is may be told all the same: it shows in its other names.
    if (::fstatat(entry.directory, entry.name.data(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
      status = {};
    }
    hidden = hidden || depends_on_contents(action);
  } else if (depends_on_contents(action)) {
    const int holds = hides(action, fd.get());
    error = holds < 0 ? errno : 0;
    hidden = holds != 0;
  }
  const bool taken = hidden || action == FileAction::kRedact;
  found.holds_secret =
      error != 0 || (taken && status.st_size > 0 && take_values(fd.get(), found.path, error));
  const std::lock_guard lock(mutex_);
  if (status.st_nlink > 1) {
    inodes_.emplace(std::pair(status.st_dev, status.st_ino), found.path);
  }
  if (error != 0) {
    unreadable_.push_back({found.path, error});
  }
  if (hidden) {
    hidden_.push_back(std::move(found));
  } else if (action == FileAction::kRedact) {
    redacted_.push_back({std::move(found.path), std::move(found.rule)});
  }
}

// Whether something in the file is secret, as far as can be told.
bool HiddenFiles::take_values(int fd, const std::string& path, int& error) {
  WipedBuffer buffer(kMostHarvested);
  const ssize_t size = ::lseek(fd, 0, SEEK_SET) != 0 ? -1 : read_fully(fd, buffer.bytes());
  if (size < 0) {
    error = errno;
    return true;
  }
  const std::string_view text(buffer.bytes().data(), static_cast<std::size_t>(size));
  std::uint32_t source = 0;
  {
    const std::lock_guard lock(mutex_);
    source = static_cast<std::uint32_t>(sources_.size());
    sources_.push_back(path);
  }
  // A key store is no text, and what is longer was not read to its end.
  bool secret = text.find('\0') != std::string_view::npos || text.size() == kMostHarvested;
  values::harvest(text, path, [&](std::string_view value, std::string_view key) {
    secret = values_.add(value, key, source) || secret;
  });
  if (!secret) {
    // One that is too short to be looked for elsewhere.
    std::vector<policy::Finding> findings;
    policy::Detector::shipped().find(text, path, findings);
    secret = !findings.empty();
  }
  return secret;
}

void HiddenFiles::add_unlisted(std::string_view path, int error) {
  const std::lock_guard lock(mutex_);
  unreadable_.push_back({std::string(path), error});
}

void HiddenFiles::finish() {
  std::sort(hidden_.begin(), hidden_.end(), by_path);
  std::sort(repositories_.begin(), repositories_.end());
}

const Hidden* HiddenFiles::find(std::string_view path) const {
  const auto found = std::lower_bound(
      hidden_.begin(), hidden_.end(), path,
      [](const Hidden& hidden, std::string_view wanted) { return hidden.path < wanted; });
  return found != hidden_.end() && found->path == path ? &*found : nullptr;
}

const std::string* HiddenFiles::find_inode(const struct stat& status) const {
  const auto found = inodes_.find({status.st_dev, status.st_ino});
  return found == inodes_.end() ? nullptr : &found->second;
}

}  // namespace agentbox::scan
