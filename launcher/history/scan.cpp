#include "launcher/history/scan.h"

#include <dirent.h>

#include <algorithm>
#include <climits>
#include <cstdlib>
#include <filesystem>
#include <unordered_set>

#include "base/error.h"
#include "base/sha256.h"
#include "launcher/history/contents.h"
#include "launcher/history/git.h"
#include "launcher/history/names.h"
#include "launcher/history/repositories.h"
#include "policy/detector.h"

namespace agentbox::history {

namespace {

constexpr int kTries = 3;

using IdSet = std::unordered_set<ObjectId, ObjectId::Hash>;

// The index of the repository and those of its linked worktrees.
std::vector<Stamp> find_indexes(const std::string& directory) {
  std::vector<Stamp> indexes;
  const auto add = [&](const std::string& path) {
    if (Stamp index = stamp(path); !index.path.empty()) {
      indexes.push_back(std::move(index));
    }
  };
  add(directory + "/index");
  std::error_code error;  // most repositories have no worktrees
  for (const auto& entry : std::filesystem::directory_iterator(directory + "/worktrees", error)) {
    add(entry.path().string() + "/index");
  }
  std::sort(indexes.begin(), indexes.end());
  return indexes;
}

bool is_unchanged(const Searched& searched, const Stores& stores,
                  const std::vector<Stamp>& indexes) {
  return searched.stores.packs == stores.packs && searched.stores.loose == stores.loose &&
         searched.indexes == indexes;
}

// Those of `now` that are not in `before`. Both in order.
template <typename T>
std::vector<T> added(const std::vector<T>& now, const std::vector<T>& before) {
  std::vector<T> list;
  std::set_difference(now.begin(), now.end(), before.begin(), before.end(),
                      std::back_inserter(list));
  return list;
}

// Where the working tree lies below the root; "" if it is the root's own, or nothing tells.
std::string find_prefix(const Git& git, const std::string& root) {
  const std::filesystem::path directory = git.directory();
  std::string tree = directory.filename() == ".git" ? directory.parent_path().string() : "";
  if (tree.empty()) {
    GitProcess process = git.start({"config", "--local", "--get", "core.worktree"});
    process.next(tree);
    process.finish();  // fails where it is not set, as in a bare repository
    char buffer[PATH_MAX];
    const std::string path = (directory / tree).string();
    tree = !tree.empty() && ::realpath(path.c_str(), buffer) != nullptr ? buffer : "";
  }
  return tree.size() > root.size() && tree.compare(0, root.size(), root) == 0 &&
                 tree[root.size()] == '/'
             ? tree.substr(root.size() + 1)
             : "";
}

std::vector<ObjectId> all_commits(const Git& git) {
  GitProcess process = git.start({"cat-file", "--batch-all-objects", "--unordered", "--buffer",
                                  "--batch-check=%(objecttype) %(objectname)"});
  std::vector<ObjectId> commits;
  std::string line;
  constexpr std::string_view kCommit = "commit ";
  while (process.next(line)) {
    if (line.compare(0, kCommit.size(), kCommit) == 0) {
      if (const auto id = ObjectId::parse(std::string_view(line).substr(kCommit.size()))) {
        commits.push_back(*id);
      }
    }
  }
  process.require();
  return commits;
}

bool in_order(const Secret& a, const Secret& b) {
  return std::tie(a.path, a.object, a.kind) < std::tie(b.path, b.object, b.kind);
}

// One repository's search, with what an earlier one has found as a start.
class Search {
 public:
  Search(const Options& options, const Git& git, Searched before)
      : options_(options), git_(git), before_(std::move(before)) {}

  // How many objects were read.
  std::size_t run(const Stores& stores, const std::vector<Stamp>& indexes) {
    std::vector<ObjectId> ids = added(stores.loose, before_.stores.loose);
    IdSet seen(ids.begin(), ids.end());
    for (const Stamp& pack : added(stores.packs, before_.stores.packs)) {
      for (const ObjectId& id : objects_of(git_, pack)) {
        if (seen.insert(id).second) {
          ids.push_back(id);
        }
      }
    }
    std::vector<Object> objects = describe(git_, ids);
    require_all(ids, objects);
    std::vector<ObjectId> commits;
    for (const Object& object : objects) {
      if (object.type == ObjectType::kCommit) {
        commits.push_back(object.id);
      }
    }
    std::erase_if(objects, [](const Object& one) { return one.type == ObjectType::kTree; });

    Names names(*options_.files, *options_.contents, before_.prefix);
    names.add_commits(git_, commits);
    for (const Stamp& index : added(indexes, before_.indexes)) {
      names.add_index(git_, index.path);
    }
    // An object that was searched before may have got a name only now.
    std::vector<ObjectId> renamed;
    for (const ObjectId& id : names.suspects()) {
      if (seen.insert(id).second) {
        renamed.push_back(id);
      }
    }
    for (const Secret& secret : before_.secrets) {
      const ObjectId id = *ObjectId::parse(secret.object);
      if (secret.path.empty() && names.find(id) != nullptr && seen.insert(id).second) {
        renamed.push_back(id);
      }
    }
    const std::vector<Object> again = describe(git_, renamed);
    objects.insert(objects.end(), again.begin(), again.end());

    std::vector<Secret> found = look(objects, names);
    name_all(found);
    keep(stores, std::move(found), again);
    return ids.size();
  }

  std::vector<Secret> take() { return std::move(before_.secrets); }

 private:
  // What lies there and cannot be read is damaged, or was taken away a moment ago.
  static void require_all(const std::vector<ObjectId>& ids, const std::vector<Object>& objects) {
    if (ids.size() == objects.size()) {
      return;
    }
    const auto [id, object] = std::mismatch(
        ids.begin(), ids.begin() + static_cast<std::ptrdiff_t>(objects.size()), objects.begin(),
        [](const ObjectId& one, const Object& other) { return one == other.id; });
    throw base::Error(base::Status::kFailed, "git cannot read its object " + id->hex(),
                      "`git fsck` tells what is wrong with the repository");
  }

  std::vector<Secret> look(const std::vector<Object>& objects, const Names& names) {
    if (options_.progress != nullptr) {
      options_.progress->total += objects.size();
    }
    return search(git_, objects,
                  {.names = &names,
                   .threads = options_.threads,
                   .progress = options_.progress != nullptr ? &options_.progress->done : nullptr});
  }

  // A blob may have come before the commit that names it, or the other way round. With its path
  // known it is judged once more: a checksum in a lock file is none in a file without a name.
  void name_all(std::vector<Secret>& secrets) {
    std::vector<ObjectId> nameless;
    for (const Secret& secret : secrets) {
      if (secret.path.empty() && secret.type == "blob") {
        nameless.push_back(*ObjectId::parse(secret.object));
      }
    }
    const bool first = before_.stores.packs.empty() && before_.stores.loose.empty();
    if (nameless.empty() || first) {
      return;  // all commits there are were asked just now
    }
    Names names(*options_.files, *options_.contents, before_.prefix);
    names.add_commits(git_, all_commits(git_));
    std::erase_if(nameless, [&](const ObjectId& id) { return names.find(id) == nullptr; });
    std::sort(nameless.begin(), nameless.end());
    nameless.erase(std::unique(nameless.begin(), nameless.end()), nameless.end());
    const IdSet named(nameless.begin(), nameless.end());
    std::erase_if(secrets, [&](const Secret& secret) {
      return named.count(*ObjectId::parse(secret.object)) != 0;
    });
    std::vector<Secret> found = look(describe(git_, nameless), names);
    std::move(found.begin(), found.end(), std::back_inserter(secrets));
  }

  // Puts what was found to what was known, of which some may be gone or have a new name.
  void keep(const Stores& stores, std::vector<Secret> found, const std::vector<Object>& again) {
    IdSet stale;
    for (const Object& object : again) {
      stale.insert(object.id);
    }
    const bool gone = !added(before_.stores.packs, stores.packs).empty() ||
                      !added(before_.stores.loose, stores.loose).empty();
    std::vector<ObjectId> ids;
    for (const Secret& secret : before_.secrets) {
      ids.push_back(*ObjectId::parse(secret.object));
    }
    IdSet there(ids.begin(), ids.end());
    if (gone) {
      there.clear();
      for (const Object& object : describe(git_, ids)) {
        there.insert(object.id);
      }
    }
    for (const Secret& secret : found) {
      stale.insert(*ObjectId::parse(secret.object));
    }
    std::erase_if(before_.secrets, [&](const Secret& secret) {
      const ObjectId id = *ObjectId::parse(secret.object);
      return stale.count(id) != 0 || there.count(id) == 0;
    });
    std::move(found.begin(), found.end(), std::back_inserter(before_.secrets));
    std::sort(before_.secrets.begin(), before_.secrets.end(), in_order);
  }

  const Options& options_;
  const Git& git_;
  Searched before_;
};

}  // namespace

std::string rules_digest(const policy::Policy& policy) {
  std::string text = std::to_string(policy::Detector::shipped().version());
  for (const std::vector<policy::Pattern>* list :
       {&policy.files.hide, &policy.files.redact, &policy.files.show, &policy.credential_files,
        &policy.key_files}) {
    for (const policy::Pattern& pattern : *list) {
      text += '\n' + std::to_string(static_cast<int>(pattern.layer)) + ' ' + pattern.text;
    }
    text += "\n\n";
  }
  for (const policy::ChoiceFor<policy::Detect>& one : policy.files.detect) {
    text += '\n' + std::to_string(static_cast<int>(one.choice)) + ' ' +
            std::to_string(static_cast<int>(one.pattern.layer)) + ' ' + one.pattern.text;
  }
  return base::sha256_hex(text);
}

std::size_t Report::secrets() const {
  std::size_t count = 0;
  for (const Repository& repository : repositories) {
    count += repository.secrets.size();
  }
  return count;
}

Scan::Scan(Options options)
    : options_(std::move(options)), cache_(options_.state, options_.rules) {}

std::optional<Report> Scan::known() const {
  const std::optional<std::vector<std::string>> list = cache_.load_repositories(options_.root);
  if (!list) {
    return std::nullopt;
  }
  Report report;
  for (const std::string& directory : *list) {
    if (!is_repository(directory)) {
      continue;
    }
    std::optional<Searched> searched = cache_.load(directory);
    if (!searched || !is_unchanged(*searched, find_stores(directory), find_indexes(directory))) {
      return std::nullopt;
    }
    report.repositories.push_back({.directory = directory,
                                   .prefix = searched->prefix,
                                   .secrets = std::move(searched->secrets)});
  }
  return report;
}

Repository Scan::search_repository(const std::string& directory, std::size_t& searched) {
  for (int tries = 1;; ++tries) {
    const Stores stores = find_stores(directory);
    try {
      return try_repository(directory, stores, searched);
    } catch (const base::Error&) {
      // A `git gc` beside may have put all into another pack meanwhile; else it would fail again.
      const Stores now = find_stores(directory);
      if (tries == kTries || (now.packs == stores.packs && now.loose == stores.loose)) {
        throw;
      }
    }
  }
}

Repository Scan::try_repository(const std::string& directory, const Stores& stores,
                                std::size_t& searched) {
  std::optional<Searched> before = cache_.load(directory);
  // As the stores, looked at before anything is read: what comes meanwhile is new the next time.
  const std::vector<Stamp> indexes = find_indexes(directory);
  Repository repository = {.directory = directory, .prefix = {}, .secrets = {}};
  if (before && is_unchanged(*before, stores, indexes)) {
    repository.prefix = before->prefix;
    repository.secrets = std::move(before->secrets);
    return repository;
  }
  if (options_.program.empty()) {
    throw base::Error(base::Status::kFailed, "there is no git to search the history with",
                      "install git, or put it into PATH");
  }
  const Git git(options_.program, directory);
  Searched start = before ? std::move(*before) : Searched{};
  start.prefix = find_prefix(git, options_.root);
  repository.prefix = start.prefix;
  Search search(options_, git, std::move(start));
  searched += search.run(stores, indexes);
  repository.secrets = search.take();
  cache_.save(directory, {.stores = stores,
                          .indexes = indexes,
                          .prefix = repository.prefix,
                          .secrets = repository.secrets});
  return repository;
}

Report Scan::run() {
  std::vector<std::string> list =
      find_repositories(options_.root, *options_.files, options_.threads);
  if (!options_.git_directory.empty() &&
      std::find(list.begin(), list.end(), options_.git_directory) == list.end()) {
    list.push_back(options_.git_directory);
  }
  Report report;
  for (const std::string& directory : list) {
    report.repositories.push_back(search_repository(directory, report.searched));
  }
  cache_.save_repositories(options_.root, list);
  return report;
}

}  // namespace agentbox::history
