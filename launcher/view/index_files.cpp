#include "launcher/view/index_files.h"

#include <fcntl.h>
#include <limits.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <optional>

namespace agentbox::view {
namespace {

// A repository of two million files has an index of about this size.
constexpr off_t kMostBytes = 256 << 20;
// A project seldom has more than its own and one of each submodule.
constexpr std::size_t kMostKnown = 16;
// Changed files that are looked at one by one.
constexpr std::size_t kMostChanged = 1'000;

std::string bytes_of(int fd) {
  const off_t size = inode_of(fd).stat.st_size;
  if (size > kMostBytes) {
    fail(EFBIG);
  }
  std::string bytes(static_cast<std::size_t>(size), '\0');
  std::size_t length = 0;
  while (length < bytes.size()) {
    const ssize_t part =
        ::pread(fd, bytes.data() + length, bytes.size() - length, static_cast<off_t>(length));
    if (part < 0 && errno == EINTR) {
      continue;
    }
    if (checked(part) == 0) {
      break;
    }
    length += static_cast<std::size_t>(part);
  }
  bytes.resize(length);
  return bytes;
}

std::string target_of(int directory, const std::string& path) {
  const base::UniqueFd fd = open_below(directory, path.c_str(), O_RDONLY);
  char text[PATH_MAX];
  const ssize_t length = fd ? ::read(fd.get(), text, sizeof text) : -1;
  std::string target(text, static_cast<std::size_t>(std::max<ssize_t>(length, 0)));
  return target.substr(0, target.find('\n'));
}

std::string path_of(int fd) {
  char text[PATH_MAX];
  const std::string link = "/proc/self/fd/" + std::to_string(fd);
  const ssize_t length = ::readlink(link.c_str(), text, sizeof text);
  return std::string(text, static_cast<std::size_t>(std::max<ssize_t>(length, 0)));
}

long shift_of(const std::vector<bool>& denied, const std::set<std::string>& withheld) {
  std::size_t hash = std::hash<std::vector<bool>>()(denied);
  for (const std::string& path : withheld) {
    hash = hash * 31 + std::hash<std::string>()(path);
  }
  return static_cast<long>(hash % 1'000);
}

}  // namespace

bool is_git_index(std::string_view path, std::string_view* top, std::string_view* inner) {
  if (name_of(path) != "index") {
    return false;
  }
  // The innermost ".git": nothing within a git directory is called so.
  for (std::string_view at = parent_of(path); !at.empty(); at = parent_of(at)) {
    if (name_of(at) != ".git") {
      continue;
    }
    const std::string_view below = path.substr(at.size() + 1);
    const std::string_view directory = parent_of(below);
    if (top != nullptr) {
      *top = parent_of(at);
      *inner = directory;
    }
    return directory.empty() || parent_of(directory) == "worktrees" ||
           (directory.starts_with("modules/") && directory.size() > 8);
  }
  return false;
}

void IndexFiles::Shown::amend(struct stat* stat) const {
  if (how == How::kRewritten) {
    stat->st_size = static_cast<off_t>(bytes.size());
    const long nanoseconds = stat->st_mtim.tv_nsec - older;
    stat->st_mtim.tv_sec -= nanoseconds < 0 ? 1 : 0;
    stat->st_mtim.tv_nsec = nanoseconds < 0 ? nanoseconds + 1'000'000'000 : nanoseconds;
  }
}

IndexFiles::Worktrees IndexFiles::worktrees(const std::string& path) const {
  const std::string whole = config_.prefix.empty() ? path : join(config_.prefix, path);
  std::string_view top, inner;
  is_git_index(whole, &top, &inner);
  if (inner.starts_with("modules/")) {
    // Where a submodule is checked out is the box's to change: its name is where git puts it.
    return {std::string(top), join(top, inner.substr(8))};
  }
  if (!inner.empty() && config_.prefix.empty()) {
    const std::string start =
        (config_.path.empty() ? path_of(config_.root.get()) : config_.path) + "/";
    const std::string target = target_of(config_.root.get(), join(parent_of(path), "gitdir"));
    if (target.starts_with(start)) {
      return {std::string(parent_of(std::string_view(target).substr(start.size())))};
    }
    return {""};  // elsewhere: not in this view
  }
  return {std::string(top)};
}

bool IndexFiles::denied(const std::string& path) {
  if (!config_.prefix.empty()) {
    return true;  // it is not in this view, so nobody knows
  }
  const Location location = storage_.locate(path, Verdict());
  const base::UniqueFd fd = open_below(location.base, location.path.c_str(), O_RDONLY);
  if (!fd) {
    return errno != ENOENT && errno != ENOTDIR && errno != ELOOP;
  }
  const Inode inode = inode_of(fd.get());
  return inode.regular() && contents_.hides(Contents::Reason::kCredential, fd.get(), inode);
}

bool IndexFiles::reads_withheld(const GitIndex& index, const GitIndex::Entry& entry,
                                const struct stat& status, const std::string& path) const {
  // Not of a view of a git directory alone: the files are in another.
  if (config_.secrets == nullptr || !config_.prefix.empty() || entry.submodule ||
      entry.stage != 0) {
    return false;
  }
  const Location location = storage_.locate(path, Verdict());
  struct stat file;
  return ::fstatat(location.base, location.path.c_str(), &file, AT_SYMLINK_NOFOLLOW) == 0 &&
         S_ISREG(file.st_mode) && !index.unchanged(entry, file, status) && withheld_(path);
}

bool IndexFiles::was_withheld(const std::string& path) {
  const std::lock_guard lock(mutex_);
  return withholds_.contains(path);
}

void IndexFiles::changed(const std::string& path) {
  if (path.starts_with(".git/") || path.find("/.git/") != path.npos) {
    return;  // git tracks none of these
  }
  const std::lock_guard lock(mutex_);
  ++changes_;
  for (Known& known : known_) {
    if (known.changed.size() < kMostChanged) {
      known.changed.insert(path);
    } else {
      known.much_changed = true;
    }
  }
}

IndexFiles::Judged IndexFiles::judge(const GitIndex& index, const struct stat* status,
                                     const Worktrees& worktrees) {
  Judged judged;
  judged.hidden.reserve(index.entries().size());
  for (const GitIndex::Entry& entry : index.entries()) {
    bool hidden = false;
    for (const std::string& worktree : worktrees) {
      if (entry.sparse_directory) {
        break;  // it has the bit, and nothing of it is in the worktree
      }
      std::string path = join(worktree, entry.path);
      switch (config_.files->judge(path, entry.submodule).action) {
        case policy::FileAction::kShow:
          if (entry.skip_worktree
                  ? was_withheld(path)
                  : status != nullptr && reads_withheld(index, entry, *status, path)) {
            hidden = true;
            judged.withheld.insert(std::move(path));
          }
          break;
        case policy::FileAction::kHide:
        case policy::FileAction::kHideUnlessReferences:
          hidden = true;
          break;
        case policy::FileAction::kRedact:
          hidden |= !entry.submodule;
          break;
        case policy::FileAction::kHideIfCredential:
          if (!entry.submodule) {
            judged.denied.push_back(denied(path));
            hidden |= judged.denied.back();
            judged.doubtful.push_back(std::move(path));
          }
          break;
      }
    }
    judged.hidden.push_back(hidden);
    judged.any |= hidden;
    judged.conflict |= hidden && entry.stage != 0;
  }
  return judged;
}

std::shared_ptr<const IndexFiles::Shown> IndexFiles::known(const std::string& path,
                                                           const Inode& inode) {
  std::vector<std::string> doubtful;
  std::vector<bool> before;
  std::set<std::string> changed, withheld;
  std::shared_ptr<const Shown> shown;
  {
    const std::lock_guard lock(mutex_);
    const auto found = std::find_if(known_.begin(), known_.end(), [&](const Known& known) {
      const struct stat& stat = known.inode.stat;
      return known.inode.identity == inode.identity && known.inode.born == inode.born &&
             stat.st_size == inode.stat.st_size &&
             nanoseconds(stat.st_mtim) == nanoseconds(inode.stat.st_mtim) &&
             (path.empty() || nanoseconds(stat.st_ctim) == nanoseconds(inode.stat.st_ctim));
    });
    if (found == known_.end()) {
      return nullptr;
    }
    known_.splice(known_.begin(), known_, found);
    shown = found->shown;
    doubtful = found->doubtful;
    before = found->denied;
    if (!path.empty()) {
      if (found->much_changed) {
        return nullptr;
      }
      changed.swap(found->changed);
      withheld = found->withheld;
    }
  }
  for (const std::string& file : changed) {
    if (withheld_(file) != withheld.contains(file)) {
      this->changed(file);  // looked at again, should this fail
      return nullptr;
    }
  }
  if (!path.empty()) {
    for (std::size_t i = 0; i < doubtful.size(); ++i) {
      if (denied(doubtful[i]) != before[i]) {
        return nullptr;
      }
    }
  }
  return shown;
}

std::shared_ptr<const IndexFiles::Shown> IndexFiles::shown(const std::string& path, int fd) {
  const Inode inode = inode_of(fd);
  if (auto shown = known(path, inode)) {
    return shown;
  }
  if (path.empty()) {
    fail(ESTALE);  // no longer known what of it was hidden
  }
  Known fresh;
  fresh.inode = inode;
  std::uint64_t changes = 0;
  {
    const std::lock_guard lock(mutex_);
    changes = changes_;
  }
  auto shown = std::make_shared<Shown>();
  const bool fits = inode.stat.st_size <= kMostBytes;
  const std::string bytes = fits ? bytes_of(fd) : "";
  if (const auto index = GitIndex::parse(bytes)) {
    shown->legible = true;
    Judged judged = judge(*index, &inode.stat, worktrees(path));
    if (judged.conflict || (judged.any && !index->checksum_holds())) {
      shown->how = Shown::How::kLocked;
    } else if (judged.any || index->remembers_worktree()) {
      shown->how = Shown::How::kRewritten;
      for (std::size_t i = 0; i < judged.hidden.size(); ++i) {
        judged.hidden[i] = judged.hidden[i] || index->entries()[i].skip_worktree;
      }
      shown->bytes = index->with_skip_worktree(judged.hidden);
      shown->older = judged.denied.empty() && judged.withheld.empty()
                         ? 0
                         : shift_of(judged.denied, judged.withheld);
    }
    fresh.withheld = std::move(judged.withheld);
    fresh.doubtful = std::move(judged.doubtful);
    fresh.denied = std::move(judged.denied);
  } else if (!fits || bytes.starts_with("DIRC")) {
    shown->how = Shown::How::kLocked;
  }
  fresh.shown = shown;
  const std::lock_guard lock(mutex_);
  fresh.much_changed = changes_ != changes;
  withholds_.insert(fresh.withheld.begin(), fresh.withheld.end());
  known_.remove_if([&](const Known& known) { return known.inode.identity == inode.identity; });
  known_.push_front(std::move(fresh));
  if (known_.size() > kMostKnown) {
    known_.pop_back();
  }
  return shown;
}

IndexFiles::Written IndexFiles::written(const std::string& path, int fresh, int replaced) {
  const std::string bytes = bytes_of(fresh);
  const auto index = GitIndex::parse(bytes);
  if (!index) {
    fail(EACCES);
  }
  const std::string old_bytes = replaced < 0 ? std::string() : bytes_of(replaced);
  const auto old = GitIndex::parse(old_bytes);
  const Judged judged = judge(*index, nullptr, worktrees(path));
  if (!judged.any && !index->remembers_worktree()) {
    return {};
  }
  if (judged.conflict || !index->checksum_holds()) {
    fail(EACCES);
  }
  std::vector<bool> skip;
  for (std::size_t i = 0; i < judged.hidden.size(); ++i) {
    const GitIndex::Entry& entry = index->entries()[i];
    // Only what the box was shown with a bit that is not there can have got it from us.
    const GitIndex::Entry* before = judged.hidden[i] && old ? old->find(entry.path) : nullptr;
    skip.push_back(before != nullptr ? before->skip_worktree : entry.skip_worktree);
  }
  return {true, index->with_skip_worktree(skip)};
}

}  // namespace agentbox::view
