#include "launcher/view/hard_links.h"

#include <dirent.h>
#include <fcntl.h>
#include <time.h>

#include <cerrno>
#include <string>
#include <vector>

#include "launcher/view/entries.h"

namespace agentbox::view {
namespace {

// File systems stamp with the coarse clock, which may be one tick (10 ms at HZ=100) behind.
constexpr std::int64_t kTick = 20'000'000;
constexpr std::size_t kMostClean = 100'000;
constexpr Verdict kHidden = {.content = Content::kHidden};

}  // namespace

HardLinks::HardLinks(const Config& config, const Judge& judge, const Storage& storage)
    : config_(config), judge_(judge), storage_(storage) {}

HardLinks::Standing HardLinks::standing(const Identity& identity) const {
  if (hidden_.contains(identity)) {
    return Standing::kHidden;
  }
  return readonly_.contains(identity) ? Standing::kReadonly : Standing::kClean;
}

HardLinks::State HardLinks::state_of(const Inode& inode) {
  return {nanoseconds(inode.stat.st_ctim), inode.stat.st_nlink};
}

std::optional<HardLinks::Standing> HardLinks::known(const Inode& inode) {
  const State state = state_of(inode);
  const std::lock_guard lock(mutex_);
  // link(2) and rename(2) set the change time: what is older has had its names since before.
  if (state.change < complete_before_) {
    return standing(inode.identity);
  }
  const auto found = clean_.find(inode.identity);
  if (found != clean_.end() && found->second == state) {
    return Standing::kClean;
  }
  return std::nullopt;
}

HardLinks::Standing HardLinks::check(const Inode& inode) {
  if (const auto answer = known(inode)) {
    return *answer;
  }
  const std::lock_guard walking(walking_);
  if (const auto answer = known(inode)) {  // the walk that was waited for has told
    return *answer;
  }
  try {
    walk();
  } catch (const Failure&) {
    return Standing::kHidden;
  }
  // Not noted as clean: what changed less than a tick ago may have got a link since.
  const std::lock_guard lock(mutex_);
  return standing(inode.identity);
}

void HardLinks::changed(const Inode& before, const Inode& after, int links) {
  if (!after.regular() || after.stat.st_nlink < 2 ||
      after.stat.st_nlink != before.stat.st_nlink + static_cast<nlink_t>(links) ||
      (before.stat.st_nlink > 1 && known(before) != Standing::kClean)) {
    return;
  }
  const std::lock_guard lock(mutex_);
  if (clean_.size() >= kMostClean) {
    clean_.clear();
  }
  clean_[after.identity] = state_of(after);
}

bool HardLinks::maybe_hidden(std::uint64_t number) {
  const std::lock_guard lock(mutex_);
  return hidden_numbers_.contains(number);
}

void HardLinks::walk() {
  struct timespec now;
  ::clock_gettime(CLOCK_REALTIME_COARSE, &now);
  Identities hidden, readonly;
  const auto add = [&](int directory, const std::string& name, const Verdict& verdict) {
    Inode inode;
    if (inode_at(directory, name.c_str(), &inode) != 0 || !inode.regular() ||
        inode.stat.st_nlink < 2) {
      return;
    }
    // A second name of a redacted file would show its bytes.
    (verdict.content == Content::kPlain ? readonly : hidden).insert(inode.identity);
  };
  for (const std::string& path : config_.hidden_elsewhere) {
    add(AT_FDCWD, path, kHidden);
  }
  struct Directory {
    std::string path;
    bool hidden;
  };
  std::vector<Directory> left{{"", false}};
  if (config_.files == nullptr && config_.home == nullptr) {
    left.clear();
  }
  while (!left.empty()) {
    const Directory directory = std::move(left.back());
    left.pop_back();
    Verdict shared;
    const base::UniqueFd fd =
        open_below(config_.root.get(), storage_.locate(directory.path, shared).path.c_str(),
                   O_RDONLY | O_DIRECTORY);
    if (!fd) {
      // What this user cannot list they cannot read a file of either; the rest went away.
      if (errno == EACCES || errno == ENOENT || errno == ENOTDIR || errno == ELOOP) {
        continue;
      }
      fail(errno);
    }
    for (Entry& entry : read_entries(fd.get())) {
      const bool is_directory = entry.type == DT_DIR;
      std::string path = join(directory.path, entry.name);
      Verdict verdict;
      if (directory.hidden) {
        verdict.content = Content::kHidden;
      } else {
        verdict = judge_.judge(path, is_directory);
      }
      if (verdict.place == Verdict::Place::kPrivate) {
        continue;
      }
      if (is_directory) {
        left.push_back({std::move(path), verdict.content == Content::kHidden});
      } else if (entry.type == DT_REG && (verdict.content != Content::kPlain || verdict.readonly)) {
        add(fd.get(), entry.name, verdict);
      }
    }
  }
  std::unordered_set<std::uint64_t> numbers;
  for (const Identity& identity : hidden) {
    numbers.insert(identity.number);
  }
  const std::lock_guard lock(mutex_);
  hidden_ = std::move(hidden);
  readonly_ = std::move(readonly);
  hidden_numbers_ = std::move(numbers);
  complete_before_ = nanoseconds(now) - kTick;
}

}  // namespace agentbox::view
