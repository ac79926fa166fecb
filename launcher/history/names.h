// Under which names the blobs of a repository stood, and what the policy says of them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "launcher/history/git.h"
#include "launcher/history/object_id.h"
#include "policy/content_rules.h"
#include "policy/file_rules.h"

namespace agentbox::history {

// What the policy says of a path.
struct Verdict {
  policy::FileDecision file;
  bool searched = true;  // a secret in its contents counts
};

// A path that a blob stood at; of several, one that is hidden rather than one that is shown, and
// one that is searched rather than one that is not.
struct Name {
  const std::string* path = nullptr;  // from the root of the working tree
  const Verdict* verdict = nullptr;
  ObjectId commit;  // null(): the index
};

// Neither copied nor moved: its names point into it. Not thread-safe while names are added.
class Names {
 public:
  // `prefix` is put before the paths that are judged: where the working tree lies below the
  // project's root. The rules must outlive this.
  Names(const policy::FileRules& files, const policy::ContentRules& contents, std::string prefix);
  Names(const Names&) = delete;
  Names& operator=(const Names&) = delete;

  // The paths at which each of these commits differs from its parents. A commit whose parents are
  // gone is taken whole; one whose own trees are gone adds what can be read of it.
  void add_commits(const Git& git, std::span<const ObjectId> commits);
  // What an index file holds. Throws base::Error if git cannot read it.
  void add_index(const Git& git, const std::string& index);

  // Null if no name is known.
  const Name* find(const ObjectId& blob) const;
  // The blobs that stood at a path that is not simply shown.
  const std::vector<ObjectId>& suspects() const { return suspects_; }

 private:
  using Judged = std::unordered_map<std::string, Verdict>;

  void add(const ObjectId& blob, const std::string& path, const ObjectId& commit);
  bool add_differences(const Git& git, std::span<const ObjectId> commits);
  void add_tree(const Git& git, const ObjectId& commit);

  const policy::FileRules& files_;
  const policy::ContentRules& contents_;
  const std::string prefix_;
  Judged judged_;
  std::unordered_map<ObjectId, Name, ObjectId::Hash> names_;
  std::vector<ObjectId> suspects_;
};

}  // namespace agentbox::history
