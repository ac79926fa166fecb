// file:///absolute/path: the whole content of a file, not trimmed.
#pragma once

#include <string>
#include <vector>

#include "resolver/resolver.h"

namespace agentbox::resolver {

// Regular files of at most 1 MiB; the last component may not be a symbolic link (open(2),
// O_NOFOLLOW), and a FIFO or a device cannot hold up the launch.
class FileBackend : public Backend {
 public:
  std::string name() const override { return "file"; }
  bool waits() const override { return false; }
  std::vector<Answer> resolve(const std::vector<Reference>& references,
                              std::chrono::steady_clock::time_point deadline) override;
};

}  // namespace agentbox::resolver
