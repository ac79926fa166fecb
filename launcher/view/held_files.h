// Descriptors of files that were created without the permission to be written again. A bounded
// number; the oldest go first. Thread-safe.
#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <unordered_map>

#include "base/unique_fd.h"

namespace agentbox::view {

class HeldFiles {
 public:
  explicit HeldFiles(unsigned most) : most_(most) {}

  void hold(std::uint64_t node, base::UniqueFd fd);
  // A duplicate, or none.
  base::UniqueFd get(std::uint64_t node);
  void drop(std::uint64_t node);

 private:
  struct Held {
    std::uint64_t node;
    base::UniqueFd fd;
  };
  const unsigned most_;
  std::mutex mutex_;
  std::list<Held> files_;  // the newest first
  std::unordered_map<std::uint64_t, std::list<Held>::iterator> by_node_;
};

}  // namespace agentbox::view
