// What the policy says of one path of the view. Thread-safe.
#pragma once

#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_set>

#include "launcher/view/view.h"

namespace agentbox::view {

enum class Content {
  kPlain,
  kHidden,      // the name does not exist
  kCredential,  // hidden if what is in it holds a credential
  kReferences,  // of a name that hides, but nothing to hide is in it
  kRedacted,    // read-only, value bytes replaced
  kGitIndex,    // shown so that git leaves hidden files alone (index_files.h)
};

struct Verdict {
  Content content = Content::kPlain;
  bool readonly = false;
  bool unless_references = false;  // kHidden, but kReferences if it holds nothing else
  // Where the file really is: in the tree that the box shares with the user, or (home mode) in the
  // box's private home; an ancestor is there too, with what is listed below it shown in it.
  enum class Place { kShared, kPrivate, kAncestor } place = Place::kShared;
  const policy::Pattern* rule = nullptr;
  // Not kNone: one that the box may make (file_server_links.cpp), read-only from then on.
  policy::LinkFile link = policy::LinkFile::kNone;

  // Whether a file may change from one verdict to the other without any right changing.
  bool same_rights(const Verdict& other) const {
    return content == other.content && readonly == other.readonly && place == other.place &&
           link == other.link;
  }
};

class Judge {
 public:
  // Keeps references into `config`.
  explicit Judge(const Config& config) : config_(config) {}

  Verdict judge(std::string_view path, bool directory) const;

  // Whether the directory's own name or place decides about what is in it.
  bool reaches_below(std::string_view directory) const;

  // Tells config.touched the first time that this path is met in this way.
  void touched(Touch::Kind kind, const std::string& path, const policy::Pattern* rule,
               std::string_view what = {});

 private:
  const Config& config_;
  std::mutex mutex_;
  std::unordered_set<std::string> seen_;
};

}  // namespace agentbox::view
