#include "launcher/review/changes.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <optional>
#include <string_view>

#include "base/encode.h"
#include "base/error.h"
#include "launcher/review/files.h"
#include "launcher/view/git_index.h"
#include "launcher/view/link_text.h"

namespace agentbox::review {
namespace {

using base::check;
using base::UniqueFd;
using State = Change::State;

constexpr std::size_t kMostJudged = 256 << 20;  // bytes of a file that is looked into
// overlayfs's own marks (Documentation/filesystems/overlayfs.rst, "userxattr").
constexpr char kOpaque[] = "user.overlay.opaque";
constexpr const char* kForbidden[] = {"user.overlay.redirect", "user.overlay.metacopy",
                                      "user.overlay.whiteout", "user.overlay.protattr"};

bool is_whiteout(const struct stat& status) {
  return S_ISCHR(status.st_mode) && status.st_rdev == ::makedev(0, 0);
}

std::string rule_text(const policy::Pattern* rule) {
  return rule == nullptr ? std::string() : " by " + rule->place.text() + ": " + rule->text;
}

// An attribute of a directory or a regular file; "" if it has none.
std::string attribute(int fd, const char* name) {
  char value[16];
  const ssize_t length = ::fgetxattr(fd, name, value, sizeof value);
  if (length < 0 && (errno == ENODATA || errno == EOPNOTSUPP)) {
    return {};
  }
  return length < 0 ? "?" : std::string(value, static_cast<std::size_t>(length));
}

const char* forbidden_mark(int fd) {
  for (const char* name : kForbidden) {
    if (!attribute(fd, name).empty()) {
      return name;
    }
  }
  return nullptr;
}

// The deepest directory called ".git" in the path; "" if there is none. `path` in terms of the
// rules.
std::string git_directory_of(const std::string& path) {
  for (std::string at = path; !at.empty(); at = parent_of(at)) {
    if (name_of(at) == ".git") {
      return at;
    }
  }
  return {};
}

bool is_git_waste(std::string_view name) {
  return name.ends_with(".lock") || name.starts_with("tmp_obj_") || name.starts_with("tmp_pack_") ||
         name.starts_with("tmp_idx_") || name == "gc.pid";
}

// Directories that hide all below them in the user's tree become ones that name what is deleted.
void spell_out(int upper, int real) {
  if (attribute(upper, kOpaque) != "y") {
    return;
  }
  // Where the user has no such directory, there is nothing to hide.
  for (const std::string& name : real < 0 ? std::vector<std::string>() : names_in(real)) {
    const std::optional<struct stat> mine = status_of(upper, name);
    if (!mine) {
      check(::mknodat(upper, name.c_str(), S_IFCHR, ::makedev(0, 0)), "mark as deleted",
            base::printable(name));
    } else if (S_ISDIR(mine->st_mode)) {
      const UniqueFd below = open_below(upper, name, O_RDONLY | O_DIRECTORY);
      check(below.get(), "open", base::printable(name));
      check(::fsetxattr(below.get(), kOpaque, "y", 1, 0), "mark", base::printable(name));
    }
  }
  check(::fremovexattr(upper, kOpaque), "take the mark off", "a directory");
}

class Collector {
 public:
  Collector(const Layer& layer, const Judging& judging) : layer_(layer), judging_(judging) {}

  std::vector<Change> run();

 private:
  const Part& part() const { return layer_.manifest().parts[part_]; }
  std::string judged_path(const std::string& path) const { return join(part().prefix, path); }

  void walk(int upper, int real, const std::string& directory);
  void entry(int upper, int real, const std::string& directory, const std::string& name);
  void deleted(int real, const std::string& path, const struct stat& status, bool marked);
  Change change(const std::string& path, const struct stat* before, const struct stat* after) const;
  void judge(Change* change, int upper, int real) const;
  void find_conflict(Change* change, int real) const;
  bool same_index(const std::string& path, int real) const;
  bool unchanged(int upper, int real, const std::string& name, const struct stat& before,
                 const struct stat& after) const;
  void keep_directories();
  void hold_repositories();

  const Layer& layer_;
  const Judging& judging_;
  std::size_t part_ = 0;
  std::vector<Change> changes_;
};

std::vector<Change> Collector::run() {
  for (part_ = 0; part_ < layer_.manifest().parts.size(); ++part_) {
    const UniqueFd upper = layer_.open_upper(part_);
    const UniqueFd real = open_absolute(part().root, O_RDONLY | O_DIRECTORY);
    walk(upper.get(), real.get(), "");
  }
  keep_directories();
  hold_repositories();
  std::stable_sort(changes_.begin(), changes_.end(),
                   [](const Change& a, const Change& b) { return a.phase < b.phase; });
  return std::move(changes_);
}

// `real` is -1 where the user has no such directory.
void Collector::walk(int upper, int real, const std::string& directory) {
  spell_out(upper, real);
  for (const std::string& name : names_in(upper)) {
    try {
      entry(upper, real, directory, name);
    } catch (const base::SystemError& error) {
      // Such as a directory without any permission: it must not keep the rest from being seen.
      Change change;
      change.part = part_;
      change.path = join(directory, name);
      change.after = status_of(upper, name).value_or((struct stat){}).st_mode;
      change.state = State::kRefused;
      change.reason = error.what();
      changes_.push_back(std::move(change));
    }
  }
}

void Collector::entry(int upper, int real, const std::string& directory, const std::string& name) {
  const std::string path = join(directory, name);
  const struct stat after = status_of(upper, name).value();
  const std::optional<struct stat> before = real < 0 ? std::nullopt : status_of(real, name);
  if (is_whiteout(after)) {
    if (before) {
      deleted(real, path, *before, true);
    }
    return;
  }
  if (!git_directory_of(judged_path(path)).empty() && is_git_waste(name)) {
    return;
  }
  Change found = change(path, before ? &*before : nullptr, &after);
  if (S_ISDIR(after.st_mode)) {
    const UniqueFd inner = open_below(upper, name, O_RDONLY | O_DIRECTORY);
    check(inner.get(), "open", base::printable(path));
    if (const char* mark = forbidden_mark(inner.get())) {
      found.state = State::kRefused;
      found.reason = std::string("the layer holds a mark that no session makes: ") + mark;
      changes_.push_back(std::move(found));
      return;
    }
    UniqueFd below;
    if (before && S_ISDIR(before->st_mode)) {
      below = open_below(real, name, O_RDONLY | O_DIRECTORY);
      check(below.get(), "open", base::printable(path));
    }
    if (!below || ((before->st_mode ^ after.st_mode) & 01777) != 0) {
      judge(&found, upper, real);
      changes_.push_back(std::move(found));
    }
    walk(inner.get(), below.get(), path);
    return;
  }
  if (before && unchanged(upper, real, name, *before, after)) {
    return;
  }
  if (before && S_ISDIR(before->st_mode)) {
    const UniqueFd old = open_below(real, name, O_RDONLY | O_DIRECTORY);
    check(old.get(), "open", base::printable(path));
    for (const std::string& child : names_in(old.get())) {
      deleted(old.get(), join(path, child), status_of(old.get(), child).value(), false);
    }
  }
  const bool grows =
      path.find("objects/info/") != std::string::npos || name.starts_with("multi-pack-index");
  if (before && is_object(found.phase) && !grows) {
    return;  // an object's name tells its content: the user's own stays
  }
  judge(&found, upper, real);
  changes_.push_back(std::move(found));
}

void Collector::deleted(int real, const std::string& path, const struct stat& status, bool marked) {
  Change found = change(path, &status, nullptr);
  found.marked = marked;
  if (is_object(found.phase)) {
    return;  // somebody outside may use it by now; git's own gc removes what nobody does
  }
  if (S_ISDIR(status.st_mode)) {
    const UniqueFd below = open_below(real, name_of(path), O_RDONLY | O_DIRECTORY);
    if (!below) {
      found.state = State::kRefused;
      found.reason = "it cannot be opened: " + base::errno_name(errno);
    } else {
      for (const std::string& name : names_in(below.get())) {
        if (const auto child = status_of(below.get(), name)) {
          deleted(below.get(), join(path, name), *child, false);
        }
      }
    }
  }
  if (found.state == State::kReady) {
    judge(&found, -1, real);
  }
  changes_.push_back(std::move(found));
}

Change Collector::change(const std::string& path, const struct stat* before,
                         const struct stat* after) const {
  Change change;
  change.part = part_;
  change.path = path;
  if (before != nullptr) {
    change.before = before->st_mode;
    change.old_size = S_ISDIR(before->st_mode) ? 0 : static_cast<std::uint64_t>(before->st_size);
    change.number = before->st_ino;
    change.changed = nanoseconds(before->st_ctim);
  }
  if (after != nullptr) {
    change.after = after->st_mode;
    change.new_size = S_ISDIR(after->st_mode) ? 0 : static_cast<std::uint64_t>(after->st_size);
  }
  const std::string judged = judged_path(path);
  const std::string git = git_directory_of(judged);
  if (!git.empty() && git != judged) {
    change.git = git;
    const std::string below = judged.substr(git.size() + 1);
    if (below.starts_with("objects/") || below.find("/objects/") != std::string::npos) {
      // What lists a pack's objects comes after the pack.
      const bool lists =
          below.find("objects/info/") != std::string::npos ||
          (below.find("objects/pack/") != std::string::npos && !below.ends_with(".pack"));
      change.phase = lists ? Phase::kGitObjectList : Phase::kGitObject;
    } else if ((name_of(below) == "HEAD" || name_of(below) == "index") &&
               below.find("logs/") == std::string::npos) {
      change.phase = Phase::kGitEnd;
    } else {
      change.phase = Phase::kGit;
    }
  }
  return change;
}

bool Collector::unchanged(int upper, int real, const std::string& name, const struct stat& before,
                          const struct stat& after) const {
  if (before.st_mode != after.st_mode || before.st_size != after.st_size) {
    return false;
  }
  if (S_ISLNK(before.st_mode)) {
    return link_text(upper, name) == link_text(real, name);
  }
  return S_ISREG(before.st_mode) && same_bytes(upper, name, real, name);
}

void Collector::judge(Change* change, int upper, int real) const {
  const auto refuse = [&](std::string reason) {
    change->state = State::kRefused;
    change->reason = std::move(reason);
  };
  const std::string name = name_of(change->path);
  const mode_t type = change->after & S_IFMT;
  if (type != 0 && type != S_IFREG && type != S_IFDIR && type != S_IFLNK) {
    return refuse("only files, directories and symbolic links are applied");
  }
  if (type == S_IFREG) {
    if ((change->after & (S_ISUID | S_ISGID)) != 0) {
      return refuse("it has a set-user-id or set-group-id bit");
    }
    const UniqueFd file = open_below(upper, name, O_RDONLY | O_NONBLOCK);
    check(file.get(), "open", base::printable(change->path));
    if (const char* mark = forbidden_mark(file.get())) {
      return refuse(std::string("the layer holds a mark that no session makes: ") + mark);
    }
  }
  // Both what is there and what shall be: a file must not be removed by becoming a directory.
  for (const mode_t mode : {change->before, change->after}) {
    if (mode == 0) {
      continue;
    }
    const bool directory = S_ISDIR(mode);
    const policy::FileDecision decision =
        judging_.files.judge(judged_path(change->path), directory);
    switch (decision.action) {
      case policy::FileAction::kShow:
        break;
      case policy::FileAction::kHide:
      case policy::FileAction::kHideUnlessReferences:
        return refuse("it is hidden from boxes" + rule_text(decision.rule));
      case policy::FileAction::kHideIfCredential: {
        const int where = mode == change->after ? upper : real;
        if (S_ISREG(mode) &&
            (where < 0 || policy::holds_credential(bytes_of(where, name, kMostJudged)))) {
          return refuse("it holds a credential" + rule_text(decision.rule));
        }
        break;
      }
      case policy::FileAction::kRedact:
        if (!directory) {
          return refuse("boxes see it redacted" + rule_text(decision.rule));
        }
        break;
    }
    if (decision.readonly) {
      const bool link =
          decision.link != policy::LinkFile::kNone && change->before == 0 && S_ISREG(mode) &&
          judged_path(change->path) != ".git" &&
          view::is_link_text(decision.link, bytes_of(upper, name, kMostJudged), judging_.worktrees);
      if (!link) {
        return refuse("it is read-only for boxes" + rule_text(decision.readonly_rule));
      }
    }
  }
  find_conflict(change, real);
}

void Collector::find_conflict(Change* change, int real) const {
  if (change->phase == Phase::kGitEnd && real >= 0 &&
      status_of(real, name_of(change->path) + ".lock")) {
    change->state = State::kConflict;
    change->reason = "git works on it outside: " + name_of(change->path) + ".lock exists";
    return;
  }
  // The change time of a directory tells of its entries, and those are looked at one by one.
  if (change->before == 0 || S_ISDIR(change->before) ||
      change->changed < layer_.manifest().started) {
    return;
  }
  if (change->phase == Phase::kGitEnd && same_index(change->path, real)) {
    return;
  }
  change->state = State::kConflict;
  change->reason = "it changed outside since the session started";
}

// `git status` outside writes the index again without a change of what it lists.
bool Collector::same_index(const std::string& path, int real) const {
  const std::string copy = Layer::index_copy(join(part().root, path));
  if (name_of(path) != "index" || !status_of(layer_.directory(), copy)) {
    return false;
  }
  const std::string old_bytes = bytes_of(layer_.directory(), copy, kMostJudged);
  const std::string new_bytes = bytes_of(real, name_of(path), kMostJudged);
  const auto old_index = view::GitIndex::parse(old_bytes);
  const auto new_index = view::GitIndex::parse(new_bytes);
  return old_index && new_index && new_index->checksum_holds() && old_index->lists_same(*new_index);
}

// A directory is not deleted that holds something that stays.
void Collector::keep_directories() {
  // A directory's own deletion follows those below it.
  std::vector<std::pair<std::size_t, std::string>> kept;
  for (Change& change : changes_) {
    const bool gone = S_ISDIR(change.before) && !S_ISDIR(change.after);
    if (gone && change.state == State::kReady) {
      for (const auto& [part, path] : kept) {
        if (part == change.part && is_below(path, change.path)) {
          change.state = State::kConflict;
          change.reason = "it holds " + base::printable(path) + ", which stays";
          break;
        }
      }
    }
    if (change.after == 0 && change.state != State::kReady) {
      kept.emplace_back(change.part, change.path);
    }
  }
}

// One repository is one thing: a branch without its index, or the other way round, would show the
// user changes that nobody made.
void Collector::hold_repositories() {
  std::map<std::pair<std::size_t, std::string>, std::string> causes;
  for (const Change& change : changes_) {
    if (!change.git.empty() && change.state != State::kReady && !is_object(change.phase)) {
      causes.emplace(std::pair(change.part, change.git), base::printable(change.path));
    }
  }
  for (Change& change : changes_) {
    const auto cause = causes.find({change.part, change.git});
    if (cause != causes.end() && change.state == State::kReady && !is_object(change.phase)) {
      change.state = State::kConflict;
      change.reason = "it goes with " + cause->second + ", which is not applied";
    }
  }
}

}  // namespace

char Change::letter() const {
  if (before == 0) {
    return 'A';
  }
  if (after == 0) {
    return 'D';
  }
  if ((before & S_IFMT) != (after & S_IFMT)) {
    return 'T';
  }
  return S_ISDIR(after) ? 'P' : 'M';
}

std::vector<Change> changes_of(const Layer& layer, const Judging& judging) {
  return Collector(layer, judging).run();
}

}  // namespace agentbox::review
