#include "launcher/session/masked_files.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <optional>

#include "base/encode.h"
#include "base/error.h"
#include "base/file.h"
#include "launcher/session/home.h"
#include "launcher/session/paths.h"
#include "launcher/session/progress.h"
#include "policy/home_glob.h"

namespace agentbox::session {

namespace {

using base::Error;
using base::Status;
using policy::HomeAccess;

std::string path_of(int descriptor) {
  std::array<char, PATH_MAX> buffer;
  const long size = base::check(::readlink(("/proc/self/fd/" + std::to_string(descriptor)).c_str(),
                                           buffer.data(), buffer.size()),
                                "read", "the scratch home's path");
  return {buffer.data(), static_cast<std::size_t>(size)};
}

// What the home's rules list, of what is there. Only directories with something listed below are
// read.
class Listing {
 public:
  Listing(const std::string& home, const policy::Policy& policy, const policy::HomeRules& rules)
      : home_(home), rules_(rules) {
    for (const auto* patterns : {&policy.home.read, &policy.home.write}) {
      for (const policy::Pattern& pattern : *patterns) {
        globs_.emplace_back(pattern);
      }
    }
  }

  std::vector<box::Bind> binds() {
    look("", HomeAccess::kAncestor);
    return std::move(binds_);
  }

 private:
  // `bound`: how the whole directory is shown, if it is.
  void look(const std::string& directory, HomeAccess bound) {
    const std::string path = directory.empty() ? home_ : join(home_, directory);
    DIR* listing = ::opendir(path.c_str());
    if (listing == nullptr) {
      return;
    }
    std::vector<std::string> names;
    while (const dirent* entry = ::readdir(listing)) {
      names.emplace_back(entry->d_name);
    }
    ::closedir(listing);
    for (const std::string& name : names) {
      if (name != "." && name != "..") {
        judge(directory, name, bound);
      }
    }
  }

  void judge(const std::string& directory, const std::string& name, HomeAccess bound) {
    const std::string relative = directory.empty() ? name : join(directory, name);
    const std::string path = join(home_, relative);
    const HomeAccess access = rules_.judge(relative);
    struct stat status = {};
    if (access == HomeAccess::kScratch || ::lstat(path.c_str(), &status) != 0) {
      return;
    }
    std::string source = path;
    if (S_ISLNK(status.st_mode)) {
      // A listed link (dotfile managers) is followed if it ends inside the home; not one in a
      // listed directory, which may be a box's.
      const HomeAccess above = directory.empty() ? HomeAccess::kAncestor : rules_.judge(directory);
      std::array<char, PATH_MAX> real;
      if (above == HomeAccess::kRead || above == HomeAccess::kWrite ||
          ::realpath(path.c_str(), real.data()) == nullptr || !is_below(real.data(), home_)) {
        return;
      }
      source = real.data();
    }
    const bool deeper =
        std::any_of(globs_.begin(), globs_.end(), [&](const policy::HomeGlob& glob) {
          return glob.relate(relative) == policy::HomeGlob::Relation::kAncestor;
        });
    // Where more is listed below, the box could make what is not there: a file that it may only
    // read, a link to what it may not. So of a writable directory it gets what is in it now.
    const bool whole = access == HomeAccess::kRead || (access == HomeAccess::kWrite && !deeper);
    if (whole && access != bound) {
      binds_.push_back({.source = source,
                        .target = path,
                        .writable = access == HomeAccess::kWrite,
                        .optional = true});
    }
    if (deeper && S_ISDIR(status.st_mode)) {
      look(relative, whole ? access : HomeAccess::kAncestor);
    }
  }

  const std::string home_;
  const policy::HomeRules& rules_;
  std::vector<policy::HomeGlob> globs_;
  std::vector<box::Bind> binds_;
};

}  // namespace

MaskedFiles::MaskedFiles(const Identity& identity, const Project& project,
                         const policy::Policy& policy, const policy::FileRules& files,
                         const policy::HomeRules& home, const std::vector<Place>& places,
                         bool fresh, box::Plan& plan)
    : identity_(identity), files_(files), places_(places) {
  require_shown(project.working_directory);
  if (!fresh) {
    scratch_ = open_scratch(project);
  }
  add_home(policy, home, plan);
  for (const Place& place : places_) {
    prepare(place.root, true);
    plan.binds.push_back({.source = place.root, .target = place.root, .writable = true});
  }
  plan.guarded = true;
}

void MaskedFiles::add_home(const policy::Policy& policy, const policy::HomeRules& rules,
                           box::Plan& plan) {
  if (scratch_) {
    plan.binds.push_back(
        {.source = path_of(scratch_.get()), .target = identity_.home, .writable = true});
  } else {
    plan.scratch.push_back(identity_.home);
  }
  const std::vector<view::Synthetic> synthetic = synthetic_gitconfig(identity_);
  for (box::Bind& bind : Listing(identity_.home, policy, rules).binds()) {
    const bool replaced =
        std::any_of(synthetic.begin(), synthetic.end(), [&](const view::Synthetic& entry) {
          return join(identity_.home, entry.path) == bind.target;
        });
    struct stat status = {};
    if (!replaced && ::stat(bind.source.c_str(), &status) == 0) {
      require_one_name(bind);
      prepare(bind.target, S_ISDIR(status.st_mode));
      listed_.push_back(bind.target);
      plan.binds.push_back(std::move(bind));
    }
  }
  for (const view::Synthetic& entry : synthetic) {
    if (scratch_) {
      base::replace_file(scratch_.get(), entry.path, entry.content, 0444);
    } else {
      plan.files.push_back({join(identity_.home, entry.path), entry.content});
    }
  }
}

// A mask lies on one path: by another mount of the same directory its files could be read.
void MaskedFiles::require_one_name(const box::Bind& bind) const {
  for (const Place& place : places_) {
    if (bind.source != bind.target &&
        (is_below(bind.source, place.root) || is_below(place.root, bind.source))) {
      throw Error(Status::kConfiguration,
                  "\"home\" lists " + base::printable(bind.target) + ", which is another name of " +
                      base::printable(bind.source) +
                      ": what is hidden in the project could be read there",
                  "take it out of \"home\", or make /dev/fuse available (agentbox doctor)");
    }
  }
}

void MaskedFiles::require_shown(const std::string& directory) const {
  for (const Place& place : places_) {
    if (!is_below(directory, place.root) || directory == place.root) {
      continue;
    }
    const std::string relative = relative_to(directory, place.root);
    if (files_.judge(place.prefix.empty() ? relative : join(place.prefix, relative), true).action ==
        policy::FileAction::kHide) {
      throw Error(Status::kFailed, base::printable(directory) + " is hidden from the box",
                  "start in a directory that the policy shows to the box");
    }
  }
}

bool MaskedFiles::is_listed(const std::string& path) const {
  return std::any_of(listed_.begin(), listed_.end(),
                     [&](const std::string& listed) { return is_below(path, listed); });
}

// A mount point in the kept scratch home. In a fresh one the box's set-up makes it; in a listed
// directory it is there.
void MaskedFiles::prepare(const std::string& path, bool directory) {
  if (!scratch_ || path == identity_.home || !is_below(path, identity_.home) || is_listed(path)) {
    return;
  }
  const std::string relative = relative_to(path, identity_.home);
  if (directory) {
    prepare_mount_point(scratch_.get(), relative);
    return;
  }
  const std::string above = parent("/" + relative).substr(1);
  if (!above.empty()) {
    prepare_mount_point(scratch_.get(), above);
  }
  struct stat status = {};
  const base::UniqueFd holder =
      base::open_beneath(scratch_.get(), above.empty() ? "." : above, O_PATH | O_DIRECTORY);
  const std::string name = path.substr(path.rfind('/') + 1);
  if (::fstatat(holder.get(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0) {
    if (S_ISREG(status.st_mode)) {
      return;
    }
    // What an earlier box left there; no file of the user's is lost.
    base::check(::unlinkat(holder.get(), name.c_str(), S_ISDIR(status.st_mode) ? AT_REMOVEDIR : 0),
                "remove", path);
  }
  base::open_at(holder.get(), name, O_WRONLY | O_CREAT | O_EXCL, 0600);
}

void MaskedFiles::add_link(const std::string& target, const std::string& text, box::Plan& plan) {
  const bool in_place = std::any_of(places_.begin(), places_.end(), [&](const Place& place) {
    return is_below(target, place.root);
  });
  if (in_place || is_listed(target) || !is_below(target, identity_.home)) {
    throw Error(Status::kConfiguration,
                "the file of a secret cannot appear at " + base::printable(target) +
                    " without the live view: it would be made in your own directory",
                "choose a path below ~/ that the policy's \"home\" does not list, or make "
                "/dev/fuse available (agentbox doctor)");
  }
  if (!scratch_) {
    plan.symlinks.push_back({target, text});
    return;
  }
  const std::string relative = relative_to(target, identity_.home);
  const std::string above = parent("/" + relative).substr(1);
  if (!above.empty()) {
    prepare_mount_point(scratch_.get(), above);
  }
  const base::UniqueFd holder =
      base::open_beneath(scratch_.get(), above.empty() ? "." : above, O_PATH | O_DIRECTORY);
  const std::string name = target.substr(target.rfind('/') + 1);
  if (::unlinkat(holder.get(), name.c_str(), 0) < 0 && errno != ENOENT) {
    base::check(-1, "replace", target);
  }
  base::check(::symlinkat(text.c_str(), holder.get(), name.c_str()), "make a link at", target);
}

void MaskedFiles::start(box::Handles& handles) { guard_ = std::make_unique<box::Guard>(handles); }

masks::Search MaskedFiles::search_with(SecretSearch& search,
                                       const policy::ContentRules& contents) const {
  return {.rules = &contents,
          .reach = view::Secrets::kReach,
          .find = [&search](std::string_view text, const std::string& path) -> std::string {
            thread_local std::vector<view::Secrets::Finding> findings;
            findings.clear();
            search.find(text, path, findings);
            return findings.empty() ? std::string() : std::string(findings.front().what);
          },
          .hidden_changed =
              [this, &search](std::size_t tree, const std::string& path) {
                search.reread({places_[tree].root, places_[tree].prefix}, path);
              }};
}

void MaskedFiles::cover(Recorder& recorder, SecretSearch& search,
                        const policy::ContentRules& contents, bool progress) {
  masks::Config config;
  config.files = &files_;
  const base::UniqueFd root = base::open_at(AT_FDCWD, "/", O_PATH | O_DIRECTORY);
  for (const Place& place : places_) {
    config.trees.push_back(
        {.root = place.root,
         .directory = base::open_beneath(root.get(), "." + place.root, O_PATH | O_DIRECTORY),
         .prefix = place.prefix});
  }
  config.hidden_elsewhere = credential_files(identity_);
  config.search = search_with(search, contents);
  config.guard = guard_->descriptor();
  config.cover = [this](const std::string& path, const masks::Mask& mask) {
    return guard_->cover(path, mask.cover, mask.inode.first, mask.inode.second);
  };
  config.covered = [&recorder](const std::string& path, const masks::Mask& mask) {
    if (mask.cover != masks::Cover::kFile && mask.cover != masks::Cover::kDirectory) {
      return;
    }
    audit::Record record;
    record.event = mask.found.empty() ? "hide" : "find";
    record.subject = path;
    record.reason = mask.found;
    record.outcome = mask.report ? "shown" : "masked";
    record.rule = mask.rule == nullptr ? "" : mask.rule->place.text() + ": " + mask.rule->text;
    recorder.note(std::move(record));
  };
  config.set_aside = [&recorder](const std::string& path, const std::string& now) {
    audit::Record record;
    record.event = "deny";
    record.subject = path;
    record.outcome = "set aside";
    record.reason = now.empty() ? "it was gone again" : "renamed to " + now;
    recorder.note(std::move(record));
  };
  config.failed = [&recorder](std::exception_ptr failure) { recorder.fail(std::move(failure)); };
  masks_ = std::make_unique<masks::Masks>(std::move(config));
  {
    std::atomic<std::size_t> names{0};
    std::optional<Progress> shown;
    if (progress) {
      shown.emplace([&names] {
        return "agentbox: looking for files to hide before the start: " + std::to_string(names.load());
      });
    }
    masks_->cover_all(names);
  }
  searching_ = masks_.get();
  masks_->watch();
}

void MaskedFiles::search_again() {
  if (masks::Masks* const masks = searching_) {
    masks->search_again();
  }
}

void MaskedFiles::settle() { masks_->settle(); }

}  // namespace agentbox::session
