// Searches what objects hold.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "launcher/history/git.h"
#include "launcher/history/names.h"
#include "launcher/history/object_id.h"
#include "launcher/history/secret.h"

namespace agentbox::history {

enum class ObjectType : unsigned char { kCommit, kTree, kBlob, kTag };

struct Object {
  ObjectId id;
  ObjectType type = ObjectType::kBlob;
  std::uint64_t size = 0;  // bytes
};

// Types and sizes of objects, in the same order; those that git does not have are left out.
std::vector<Object> describe(const Git& git, std::span<const ObjectId> ids);

struct Contents {
  const Names* names = nullptr;
  unsigned threads = 2;                          // with a git each
  std::atomic<std::size_t>* progress = nullptr;  // counts objects
};

// The secrets in these objects: files that the policy hides by name, and what policy::Detector
// finds in all others, whatever their size. No tree may be among them. Throws base::Error if one
// cannot be read: an answer is never short of an object.
std::vector<Secret> search(const Git& git, std::span<const Object> objects,
                           const Contents& contents);

}  // namespace agentbox::history
