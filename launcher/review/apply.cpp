#include "launcher/review/apply.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <set>

#include "base/encode.h"
#include "base/error.h"
#include "base/file.h"
#include "launcher/review/files.h"

namespace agentbox::review {
namespace {

using base::check;
using base::UniqueFd;
using State = Change::State;

// One sync serves a whole batch.
constexpr std::size_t kBatchFiles = 1'000;
constexpr std::uint64_t kBatchBytes = 256 << 20;
constexpr char kBackup[] = "backup";

std::string staging_name(const Layer& layer) { return ".agentbox-review-" + layer.manifest().id; }

// Makes the missing directories of `path` below `directory` and opens the last one.
UniqueFd make_directories(int directory, const std::string& path) {
  UniqueFd at = open_below(directory, "", O_PATH | O_DIRECTORY);
  for (std::size_t begin = 0; begin < path.size();) {
    const std::size_t end = std::min(path.find('/', begin), path.size());
    const std::string name = path.substr(begin, end - begin);
    if (::mkdirat(at.get(), name.c_str(), 0700) != 0 && errno != EEXIST) {
      check(-1, "make", name);
    }
    at = open_below(at.get(), name, O_PATH | O_DIRECTORY);
    check(at.get(), "open", name);
    begin = end + 1;
  }
  return at;
}

// The user's directory and the layer's for one part, and where files wait that are to be put into
// place: in the user's directory itself, because a rename does not cross file systems.
class Place {
 public:
  Place(const Layer& layer, std::size_t part)
      : name_(staging_name(layer)),
        upper_(layer.open_upper(part)),
        root_(open_absolute(layer.manifest().parts[part].root, O_RDONLY | O_DIRECTORY)) {
    remove_tree(root_.get(), name_);
    check(::mkdirat(root_.get(), name_.c_str(), 0700), "make", name_);
    staging_ = open_below(root_.get(), name_, O_RDONLY | O_DIRECTORY);
    check(staging_.get(), "open", name_);
  }
  ~Place() {
    try {
      remove_tree(root_.get(), name_);
    } catch (const base::Error&) {
      // Removed by the next call, and by clean().
    }
  }
  Place(const Place&) = delete;
  Place& operator=(const Place&) = delete;

  int upper() const { return upper_.get(); }
  int root() const { return root_.get(); }
  int staging() const { return staging_.get(); }
  void sync() const { check(::syncfs(root_.get()), "sync", "the project's file system"); }

 private:
  std::string name_;
  UniqueFd upper_, root_, staging_;
};

class Batch {
 public:
  Batch(const Layer& layer, Place& place, std::vector<Change*> changes)
      : layer_(layer), place_(place), changes_(std::move(changes)) {}

  // What `forced` holds is backed up first.
  void run(const std::set<const Change*>& forced);

 private:
  static std::string number(std::size_t index) { return std::to_string(index); }
  void back_up(const Change& change);
  void commit(std::size_t index, bool forced);
  void put(const Change& change, int parent, const std::string& name, const std::string& staged);
  void make_directory(const Change& change, int parent, const std::string& name);
  void take_away(const Change& change, int parent, const std::string& name,
                 const std::string& staged);
  void leave(Change* change, const std::string& reason);

  const Layer& layer_;
  Place& place_;
  std::vector<Change*> changes_;
};

// The user's file is not the one that was judged.
struct Changed {};

// Whether what was taken out of the user's tree is what was found there before. Its change time is
// of the taking.
bool is_same(const Change& change, const struct stat& status) {
  return status.st_ino == change.number && status.st_mode == change.before &&
         (S_ISDIR(status.st_mode) || static_cast<std::uint64_t>(status.st_size) == change.old_size);
}

void Batch::run(const std::set<const Change*>& forced) {
  bool staged = false;
  for (std::size_t i = 0; i < changes_.size(); ++i) {
    const Change& change = *changes_[i];
    if (forced.contains(&change) && change.before != 0 && !S_ISDIR(change.before)) {
      back_up(change);
    }
    if (change.state == State::kReady && (S_ISREG(change.after) || S_ISLNK(change.after))) {
      const UniqueFd from =
          open_below(place_.upper(), parent_of(change.path), O_PATH | O_DIRECTORY);
      check(from.get(), "open", "the layer");
      try {
        copy(from.get(), name_of(change.path), place_.staging(), number(i));
        staged = true;
      } catch (const base::SystemError& error) {
        if (error.error() == ENOSPC || error.error() == EDQUOT || error.error() == EIO) {
          throw;  // it will be no better with the next one
        }
        leave(changes_[i], error.what());
      }
    }
  }
  if (staged) {
    place_.sync();
  }
  for (std::size_t i = 0; i < changes_.size(); ++i) {
    if (changes_[i]->state == State::kReady) {
      commit(i, forced.contains(changes_[i]));
    }
  }
  place_.sync();
  for (const std::string& name : names_in(place_.staging())) {
    check(::unlinkat(place_.staging(), name.c_str(), 0), "remove", name);
  }
  for (const Change* change : changes_) {
    const bool mark = change->after == 0 && change->marked;
    if (change->state == State::kReady &&
        (mark || S_ISREG(change->after) || S_ISLNK(change->after))) {
      const UniqueFd from =
          open_below(place_.upper(), parent_of(change->path), O_PATH | O_DIRECTORY);
      // What stays, in a directory that forbids it, is no change any more.
      if (from) {
        ::unlinkat(from.get(), name_of(change->path).c_str(), 0);
      }
    }
  }
}

void Batch::leave(Change* change, const std::string& reason) {
  change->state = State::kConflict;
  change->reason = reason;
}

void Batch::back_up(const Change& change) {
  const UniqueFd from = open_below(place_.root(), parent_of(change.path), O_PATH | O_DIRECTORY);
  check(from.get(), "open", base::printable(change.path));
  const std::string path = join(std::to_string(change.part), change.path);
  const UniqueFd to = make_directories(layer_.directory(), join(kBackup, parent_of(path)));
  // A second one, forced after a crash, must not take the first one's place.
  std::string name = name_of(path);
  while (status_of(to.get(), name)) {
    name += "~";
  }
  copy(from.get(), name_of(change.path), to.get(), name);
  check(::syncfs(layer_.directory()), "sync", "the layer");
}

void Batch::commit(std::size_t index, bool forced) {
  Change& change = *changes_[index];
  const std::string name = name_of(change.path);
  const UniqueFd parent = open_below(place_.root(), parent_of(change.path), O_PATH | O_DIRECTORY);
  try {
    if (!parent) {
      check(change.after == 0 && errno == ENOENT ? 0 : -1, "open", base::printable(change.path));
      return;
    }
    const std::optional<struct stat> now = status_of(parent.get(), name);
    if (!now && change.after == 0) {
      return;
    }
    const bool as_found =
        now.has_value() == (change.before != 0) &&
        (!now || (is_same(change, *now) &&
                  (S_ISDIR(now->st_mode) || nanoseconds(now->st_ctim) == change.changed)));
    if (!as_found && !forced) {
      throw Changed();
    }
    if (change.after == 0) {
      take_away(change, parent.get(), name, number(index));
    } else if (S_ISDIR(change.after)) {
      make_directory(change, parent.get(), name);
    } else {
      put(change, parent.get(), name, number(index));
    }
  } catch (const Changed&) {
    leave(&change, "it changed outside a moment ago");
  } catch (const base::SystemError& error) {
    leave(&change, error.what());
  }
}

void Batch::put(const Change& change, int parent, const std::string& name,
                const std::string& staged) {
  if (change.before == 0 || S_ISDIR(change.before)) {
    if (S_ISDIR(change.before)) {
      check(::unlinkat(parent, name.c_str(), AT_REMOVEDIR), "replace directory",
            base::printable(change.path));
    }
    if (::renameat2(place_.staging(), staged.c_str(), parent, name.c_str(), RENAME_NOREPLACE) !=
        0) {
      check(errno == EEXIST ? 0 : -1, "put in place", base::printable(change.path));
      throw Changed();
    }
    return;
  }
  // Both change places, so that what is taken out can be looked at, and put back if it is not what
  // was there a moment ago.
  const auto exchange = [&] {
    check(::renameat2(place_.staging(), staged.c_str(), parent, name.c_str(), RENAME_EXCHANGE),
          "put in place", base::printable(change.path));
  };
  exchange();
  if (!is_same(change, status_of(place_.staging(), staged).value())) {
    exchange();
    throw Changed();
  }
}

void Batch::make_directory(const Change& change, int parent, const std::string& name) {
  if (change.before != 0 && !S_ISDIR(change.before)) {
    take_away(change, parent, name, "replaced-" + std::to_string(change.number));
  }
  if (!S_ISDIR(change.before)) {
    check(::mkdirat(parent, name.c_str(), 0700), "make", base::printable(change.path));
  }
}

void Batch::take_away(const Change& change, int parent, const std::string& name,
                      const std::string& staged) {
  if (S_ISDIR(change.before)) {
    if (::unlinkat(parent, name.c_str(), AT_REMOVEDIR) != 0) {
      check(errno == ENOTEMPTY || errno == EEXIST ? 0 : -1, "remove", base::printable(change.path));
      throw Changed();
    }
    return;
  }
  check(::renameat2(parent, name.c_str(), place_.staging(), staged.c_str(), RENAME_NOREPLACE),
        "remove", base::printable(change.path));
  if (!is_same(change, status_of(place_.staging(), staged).value())) {
    check(::renameat2(place_.staging(), staged.c_str(), parent, name.c_str(), RENAME_NOREPLACE),
          "put back", base::printable(change.path));
    throw Changed();
  }
}

// A step that failed after all stops the rest of its repository.
void hold_rest(const std::vector<Change*>& list, std::size_t done) {
  for (std::size_t i = 0; i < done; ++i) {
    const Change& cause = *list[i];
    if (cause.state == State::kReady || cause.git.empty() || is_object(cause.phase)) {
      continue;
    }
    for (std::size_t k = done; k < list.size(); ++k) {
      if (list[k]->git == cause.git && list[k]->state == State::kReady) {
        list[k]->state = State::kConflict;
        list[k]->reason = "it goes with " + base::printable(cause.path) + ", which is not applied";
      }
    }
    return;
  }
}

// Last, and inner ones first: a directory that forbids writing could not be filled.
void set_directory_modes(Place& place, std::vector<Change*>& changes) {
  for (auto at = changes.rbegin(); at != changes.rend(); ++at) {
    Change& change = **at;
    if (!S_ISDIR(change.after) || change.state != State::kReady) {
      continue;
    }
    const UniqueFd directory = open_below(place.root(), change.path, O_RDONLY | O_DIRECTORY);
    if (!directory || ::fchmod(directory.get(), change.after & 01777) != 0) {
      change.state = State::kConflict;
      change.reason = "its permissions cannot be set: " + base::errno_name(errno);
    }
  }
}

}  // namespace

Applied apply(const Layer& layer, const std::vector<Change>& changes,
              const std::vector<std::size_t>& forced_indexes, const Progress& progress) {
  std::vector<Change> all = changes;
  std::set<const Change*> forced;
  for (const std::size_t index : forced_indexes) {
    if (all[index].state == State::kConflict) {
      all[index].state = State::kReady;
      forced.insert(&all[index]);
    }
  }
  std::size_t ready = 0;
  std::vector<std::vector<Change*>> of_part(layer.manifest().parts.size());
  for (Change& change : all) {
    if (change.state == State::kReady) {
      ++ready;
      of_part[change.part].push_back(&change);
    }
  }
  std::size_t at = 0;
  for (std::size_t part = 0; part < of_part.size(); ++part) {
    std::vector<Change*>& list = of_part[part];
    if (list.empty()) {
      continue;
    }
    Place place(layer, part);
    for (std::size_t begin = 0; begin < list.size();) {
      std::size_t end = begin;
      std::uint64_t bytes = 0;
      do {
        bytes += list[end++]->new_size;
      } while (end < list.size() && end - begin < kBatchFiles && bytes < kBatchBytes &&
               list[end]->phase == list[begin]->phase);
      const auto first = list.begin();
      Batch(layer, place,
            std::vector<Change*>(first + static_cast<std::ptrdiff_t>(begin),
                                 first + static_cast<std::ptrdiff_t>(end)))
          .run(forced);
      at += end - begin;
      begin = end;
      hold_rest(list, end);
      if (progress) {
        progress(at, ready);
      }
    }
    set_directory_modes(place, list);
    place.sync();
  }
  Applied applied;
  for (Change& change : all) {
    if (change.state == State::kReady) {
      ++applied.done;
    } else {
      applied.left.push_back(std::move(change));
    }
  }
  return applied;
}

void drop(const Layer& layer, const std::vector<Change>& changes) {
  // What is in a directory goes before the directory.
  for (auto at = changes.rbegin(); at != changes.rend(); ++at) {
    if (at->after == 0 && !at->marked) {
      continue;
    }
    const UniqueFd upper = layer.open_upper(at->part);
    const UniqueFd parent = open_below(upper.get(), parent_of(at->path), O_PATH | O_DIRECTORY);
    if (parent) {
      remove_tree(parent.get(), name_of(at->path));
    }
  }
}

void clean(const Layer& layer) {
  for (const Part& part : layer.manifest().parts) {
    const UniqueFd root(::open(part.root.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (root) {
      remove_tree(root.get(), staging_name(layer));
    }
  }
}

bool has_backup(const Layer& layer) { return status_of(layer.directory(), kBackup).has_value(); }

}  // namespace agentbox::review
