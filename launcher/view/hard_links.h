// Other names of hidden and read-only files. A file with several links may have a hidden name
// somewhere; only a walk over all names can tell, so one is made when such a file is first met,
// and again when one is met that has changed since. Thread-safe.
#pragma once

#include <cstdint>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <unordered_set>

#include "launcher/view/inode.h"
#include "launcher/view/judge.h"
#include "launcher/view/storage.h"

namespace agentbox::view {

class HardLinks {
 public:
  enum class Standing { kClean, kHidden, kReadonly };

  HardLinks(const Config& config, const Judge& judge, const Storage& storage);

  // What `inode` (a regular file) must not be shown as. May walk the tree. A walk that fails leaves
  // everything with several links hidden.
  Standing check(const Inode& inode);
  // The same without a walk: nullopt if one would be needed.
  std::optional<Standing> known(const Inode& inode);

  // The box itself changed a file and its number of links by `links`: if it was clean before, it
  // still is, unless another link came at the same time.
  void changed(const Inode& before, const Inode& after, int links);

  // A cheap test for listings: whether some hidden file with several links has this number.
  bool maybe_hidden(std::uint64_t number);

 private:
  using Identities = std::unordered_set<Identity, IdentityHash>;
  struct State {
    std::int64_t change;  // nanoseconds since the epoch
    nlink_t links;
    bool operator==(const State&) const = default;
  };
  static State state_of(const Inode& inode);
  void walk();
  Standing standing(const Identity& identity) const;

  const Config& config_;
  const Judge& judge_;
  const Storage& storage_;

  std::mutex walking_;  // held by the one thread that walks; before mutex_
  std::mutex mutex_;
  Identities hidden_, readonly_;
  std::unordered_set<std::uint64_t> hidden_numbers_;
  std::unordered_map<Identity, State, IdentityHash> clean_;  // as the box itself left them
  std::int64_t complete_before_ = INT64_MIN;  // change times older than this are known
};

}  // namespace agentbox::view
