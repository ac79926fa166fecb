// The files of which the box was sent bytes with values taken out. It must not write them back:
// they are read-only from then on, by identity (under any name) and by path (also what an editor
// outside has put in their place). Thread-safe.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <set>
#include <string>
#include <unordered_map>

#include "launcher/view/inode.h"

namespace agentbox::view {

class SealedFiles {
 public:
  // False if it was sealed before. `path` is "" for a file without one.
  bool seal(const Inode& inode, const std::string& path);
  // For the rest of the session.
  bool sealed(const Inode& inode, const std::string& path) const;
  // Whether a file that was at this path is: nothing may take its place.
  bool sealed_path(const std::string& path) const;
  // A directory has another name; what is below it is sealed there.
  void renamed(const std::string& from, const std::string& to);

 private:
  std::atomic<bool> any_ = false;
  mutable std::mutex mutex_;
  std::unordered_map<Identity, std::int64_t, IdentityHash> born_;
  std::set<std::string> paths_;
};

}  // namespace agentbox::view
