#include "launcher/history/filter.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <filesystem>
#include <unordered_set>

#include "base/encode.h"
#include "base/error.h"
#include "base/file.h"
#include "base/sha256.h"
#include "launcher/history/git.h"
#include "launcher/history/pack_index.h"
#include "launcher/history/stores.h"

namespace agentbox::history {

namespace {

namespace fs = std::filesystem;
using base::Error;
using base::Status;

constexpr const char* kFormat = "1";  // of a replacement
constexpr std::size_t kSha1Bytes = 20;
constexpr std::string_view kNew = ".new-";  // a replacement that is being made
constexpr std::chrono::hours kLongestMaking{24};

[[noreturn]] void refuse(const std::string& what, const std::string& hint) {
  throw Error(Status::kDenied,
              what + ", and the policy says \"history\": \"filter\", which cannot leave that out",
              hint);
}

constexpr const char* kOtherChoices =
    "say \"refuse\" or \"warn\"; `agentbox scan --history` lists the secrets";

std::vector<ObjectId> blobs_of(const Report& report) {
  std::vector<ObjectId> ids;
  for (const Repository& repository : report.repositories) {
    for (const Secret& secret : repository.secrets) {
      if (secret.type != "blob") {
        refuse("the message of " + secret.type + " " + secret.object + " holds a secret",
               "rewrite that " + secret.type + ", or " + kOtherChoices);
      }
      const std::optional<ObjectId> id = ObjectId::parse(secret.object);
      if (!id || id->bytes().size() != kSha1Bytes) {
        refuse(base::printable(repository.directory) + " has SHA-256 objects", kOtherChoices);
      }
      ids.push_back(*id);
    }
  }
  std::sort(ids.begin(), ids.end());
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
  return ids;
}

bool holds_any(const Stamp& pack, const std::vector<ObjectId>& ids) {
  const std::string index = pack.path.substr(0, pack.path.size() - 5) + ".idx";
  return may_hold_any(base::open_at(AT_FDCWD, index, O_RDONLY).get(), ids);
}

// A box's view hides by path: no other path may lead to the same files.
void require_plain(const std::string& objects) {
  const auto check = [](const fs::directory_entry& entry) {
    if (entry.is_symlink()) {
      refuse(base::printable(entry.path().string()) + " is a symbolic link", kOtherChoices);
    }
  };
  for (const fs::directory_entry& entry : fs::directory_iterator(objects)) {
    check(entry);
  }
  if (fs::is_directory(objects + "/pack")) {
    for (const fs::directory_entry& entry : fs::directory_iterator(objects + "/pack")) {
      check(entry);
    }
  }
}

// In a partial clone it is the packs marked `.promisor` that say what may be missing: without one
// of them git takes the repository for broken. The mark alone tells nothing: a `git repack -a` in a
// box leaves one.
void require_whole(const Git& git) {
  GitProcess process = git.start({"config", "--list", "--name-only"});
  std::string name;
  while (process.next(name)) {
    if (name == "extensions.partialclone" ||
        (name.starts_with("remote.") && name.ends_with(".promisor"))) {
      refuse(base::printable(git.directory()) + " is a partial clone", kOtherChoices);
    }
  }
  process.require();
}

// An alternate that no view filters must have nothing to filter.
void require_clean(const std::string& objects, const Stores& stores,
                   const std::vector<ObjectId>& ids) {
  const bool packed = std::any_of(stores.packs.begin(), stores.packs.end(), [&](const Stamp& pack) {
    return fs::path(pack.path).parent_path() == objects + "/pack" && holds_any(pack, ids);
  });
  const bool loose = std::any_of(ids.begin(), ids.end(), [&](const ObjectId& id) {
    const std::string hex = id.hex();
    return ::access((objects + "/" + hex.substr(0, 2) + "/" + hex.substr(2)).c_str(), F_OK) == 0;
  });
  if (packed || loose) {
    refuse("a secret lies in the alternate " + base::printable(objects), kOtherChoices);
  }
}

class TemporaryDirectory {
 public:
  explicit TemporaryDirectory(const std::string& parent)
      : path_(parent + "/" + std::string(kNew) + "XXXXXX") {
    if (::mkdtemp(path_.data()) == nullptr) {
      throw base::SystemError("create directory", path_, errno);
    }
  }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  ~TemporaryDirectory() {
    std::error_code error;  // what stays is removed by a later launch
    fs::remove_all(path_, error);
  }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

void write_text(const std::string& path, std::string_view text) {
  base::write_all(base::open_at(AT_FDCWD, path, O_WRONLY | O_CREAT | O_TRUNC, 0600).get(), text);
}

std::string one_line(const Git& git, const std::vector<std::string>& arguments,
                     const std::string& input) {
  GitProcess process = git.start(arguments, input_of(input));
  std::string line;
  process.next(line);
  process.require();
  return line;
}

// The pack's name, without its extension.
std::string pack(const Git& git, const std::string& objects, const std::string& ids) {
  // No search for new deltas: those that the packs have are taken over.
  const std::string stem = objects + "/pack/pack";
  return stem + "-" + one_line(git, {"pack-objects", "-q", "--window=0", stem}, ids);
}

// `packs`: those that the box will not see.
void make_replacement(const std::string& program, const std::string& state,
                      const Repository& repository, const std::vector<Stamp>& packs,
                      const std::vector<ObjectId>& ids, const std::string& target) {
  const TemporaryDirectory temporary(state);
  const std::string objects = temporary.path() + "/objects";
  for (const char* name : {"", "/pack", "/info"}) {
    fs::create_directory(objects + name);
  }
  fs::create_directory(temporary.path() + "/refs");
  write_text(temporary.path() + "/HEAD", "ref: refs/heads/none\n");
  write_text(objects + "/info/alternates", repository.directory + "/objects\n");
  const Git git(program, temporary.path());

  std::unordered_set<ObjectId, ObjectId::Hash> seen(ids.begin(), ids.end());
  std::string kept;
  for (const Stamp& one : packs) {
    for (const ObjectId& id : objects_of(git, one)) {
      if (seen.insert(id).second) {
        kept += id.hex() + '\n';
      }
    }
  }
  if (!kept.empty()) {
    pack(git, objects, kept);
  }
  std::string entries;
  for (const ObjectId& id : ids) {
    entries += "100644 blob " + id.hex() + '\t' + id.hex() + '\n';
  }
  const std::string tree = one_line(git, {"mktree", "--missing"}, entries);
  write_text(pack(git, objects, tree + '\n') + ".promisor", {});
  // Only the packs are of use in a box.
  fs::remove_all(objects + "/info");
  fs::remove_all(objects + "/" + tree.substr(0, 2));

  if (::rename(objects.c_str(), target.c_str()) != 0 && errno != ENOTEMPTY && errno != EEXIST) {
    throw base::SystemError("rename", objects, errno);
  }
}

// Those of the same repository that no session uses, and what a launch has left that was killed.
void remove_others(const std::string& state, const std::string& prefix, const std::string& name) {
  std::error_code error;  // what is not cleaned up now is later
  for (const fs::directory_entry& entry : fs::directory_iterator(state, error)) {
    const std::string other = entry.path().filename().string();
    const bool abandoned = other.compare(0, kNew.size(), kNew) == 0 &&
                           fs::last_write_time(entry.path(), error) <
                               fs::file_time_type::clock::now() - kLongestMaking;
    if (!abandoned && (other == name || other.compare(0, prefix.size(), prefix) != 0)) {
      continue;
    }
    const base::UniqueFd directory(
        ::open(entry.path().c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (directory && ::flock(directory.get(), LOCK_EX | LOCK_NB) == 0) {
      fs::remove_all(entry.path(), error);
    }
  }
}

Filtered filter(const Repository& repository, const std::vector<std::string>& own,
                const std::vector<ObjectId>& ids, const std::string& program,
                const std::string& state) {
  const std::string objects = repository.directory + "/objects";
  if (repository.directory.find('\n') != std::string::npos) {
    refuse(base::printable(repository.directory) + " has a line break in its name", kOtherChoices);
  }
  const Stores stores = find_stores(repository.directory);
  if (stores.directories.empty() || stores.directories.front() != objects) {
    refuse("the objects of " + base::printable(repository.directory) + " lie elsewhere",
           kOtherChoices);
  }
  require_plain(objects);
  require_whole(Git(program, repository.directory));
  for (const std::string& directory : stores.directories) {
    if (std::find(own.begin(), own.end(), directory) == own.end()) {
      require_clean(directory, stores, ids);
    }
  }
  std::vector<Stamp> packs;
  std::string key = std::string(kFormat) + '\n' + program + '\n';
  for (const Stamp& one : stores.packs) {
    if (fs::path(one.path).parent_path() == objects + "/pack" && holds_any(one, ids)) {
      packs.push_back(one);
      key += one.path + ' ' + std::to_string(one.size) + ' ' + std::to_string(one.modified) + ' ' +
             std::to_string(one.inode) + '\n';
    }
  }
  for (const ObjectId& id : ids) {
    key += id.hex();
  }
  const std::string prefix = base::sha256_hex(repository.directory).substr(0, 32) + "-";
  const std::string name = prefix + base::sha256_hex(key).substr(0, 32);
  const std::string target = state + "/" + name;
  if (::access(target.c_str(), F_OK) != 0) {
    make_replacement(program, state, repository, packs, ids, target);
  }
  remove_others(state, prefix, name);
  return {.directory = repository.directory, .replacement = target, .ids = ids};
}

}  // namespace

std::vector<Filtered> make_filters(const Report& report, const std::string& program,
                                   const std::string& state) {
  const std::vector<ObjectId> ids = blobs_of(report);
  if (ids.empty()) {
    return {};
  }
  if (program.empty()) {
    throw Error(Status::kFailed, "there is no git to filter the history with",
                "install git, or put it into PATH");
  }
  const std::string directory = state + "/filtered";
  base::open_private_directory(directory);
  std::vector<std::string> own;
  for (const Repository& repository : report.repositories) {
    own.push_back(repository.directory + "/objects");
  }
  std::vector<Filtered> list;
  try {
    for (const Repository& repository : report.repositories) {
      list.push_back(filter(repository, own, ids, program, directory));
    }
  } catch (const fs::filesystem_error& error) {
    throw Error(Status::kFailed, std::string("the history cannot be filtered: ") + error.what());
  }
  return list;
}

base::UniqueFd lock_replacement(const std::string& replacement) {
  base::UniqueFd directory =
      base::open_at(AT_FDCWD, replacement, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  struct stat status = {};
  if (::flock(directory.get(), LOCK_SH | LOCK_NB) != 0 || ::fstat(directory.get(), &status) != 0 ||
      status.st_nlink == 0) {
    throw Error(Status::kFailed, "another launch has just filtered the history anew",
                "start it once more");
  }
  return directory;
}

}  // namespace agentbox::history
