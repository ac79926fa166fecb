// What a search of a repository's objects ends in.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace agentbox::history {

// One kind of secret in one object. No value, and nothing made from one.
struct Secret {
  std::string object = {};  // its id
  std::string type = {};    // "blob", "commit", "tag"
  std::string kind = {};    // policy::SecretKind::id, or kHiddenFile
  std::string title = {};   // of the kind; of a hidden file the rule that hides it
  std::string path = {};  // where it stood, from the root of its working tree; "" if nothing tells
  std::string commit = {};  // one that brought it there; "" if it is in an index, or nothing tells
  std::uint64_t line = 0;   // of the first; 0: the whole file
  std::uint64_t count = 1;  // how many of this kind

  bool operator==(const Secret&) const = default;
};

// The kind of a blob that stood at a path that the policy hides or redacts.
inline constexpr const char* kHiddenFile = "hidden-file";

}  // namespace agentbox::history
