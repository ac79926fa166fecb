// Git objects that a box must not make: what files hold with their secrets taken out. Git in the
// box reads such a file when its times are in doubt, and would commit stars over the user's secret.
// Thread-safe.
#pragma once

#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "launcher/view/inode.h"
#include "launcher/view/verdicts.h"

namespace agentbox::view {

class RefusedObjects {
 public:
  // A longer file's are not computed, and are not refused.
  static constexpr std::size_t kMostBytes = 64 << 20;

  // Whether what a file shows in this state has been added.
  bool has(const Verdicts::State& state) const;
  // `shown`: the whole file as the box sees it.
  void add(const Verdicts::State& state, std::string shown);

  // By the path that git gives an object, in terms of the rules: ".git/objects/ab/cdef…".
  bool refused(std::string_view path) const;

 private:
  mutable std::mutex mutex_;
  std::unordered_map<Identity, Verdicts::State, IdentityHash> states_;
  std::unordered_set<std::string> names_;  // in hexadecimal digits, of both of git's hashes
};

}  // namespace agentbox::view
