// The files that hold only bytes that came from the box: it made them, or emptied them, and nobody
// else has changed them since. A bounded number; thread-safe.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <cstdint>
#include <mutex>
#include <unordered_map>

#include "launcher/view/inode.h"

namespace agentbox::view {

class OwnFiles {
 public:
  // The box made this file, or cut it to no length.
  void made(const Inode& inode);

  bool any() const { return any_; }
  // Whether it is the box's own, in the very state in which the box left it.
  bool own(const Inode& inode) const;

  // The box changed a file from `before`; `size` is what that alone makes of its size. If somebody
  // else changed it too, it is not the box's own any more.
  void changed(const Inode& before, const Inode& after, off_t size);

  void removed(const Identity& identity);

  // Held around a change, from the look at the file before it to the one after it: two changes of
  // the box's at the same time are not taken for one of somebody else's.
  std::unique_lock<std::mutex> changing(const Identity& identity);

 private:
  struct State {
    std::int64_t born, modified, change;  // nanoseconds since the epoch
    off_t size;
    bool operator==(const State&) const = default;
  };
  static State state_of(const Inode& inode);

  std::atomic<bool> any_ = false;
  mutable std::mutex mutex_;
  std::unordered_map<Identity, State, IdentityHash> states_;
  std::mutex changing_[64];
};

}  // namespace agentbox::view
