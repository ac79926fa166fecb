// Files whose bytes decide what is shown of them. Thread-safe.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>

#include "launcher/view/inode.h"

namespace agentbox::view {

class Contents {
 public:
  // Why a file is hidden.
  enum class Reason {
    kCredential,    // it holds one
    kNoReferences,  // it holds something else than references
  };
  // Whether that is true of an open file, as it is of one that is too long to be looked at whole
  // (64 KiB). Kept by identity, change time and size. Fails with an errno.
  bool hides(Reason reason, int fd, const Inode& inode);

  // The bytes of a file of which hides() is false: those that are returned are those judged. Fails
  // with EACCES if it is true of them.
  std::string checked_bytes(Reason reason, int fd, const Inode& inode);

  // The redacted bytes of the whole file. Fails with EACCES beyond 16 MiB.
  std::shared_ptr<const std::string> redacted(int fd, const Inode& inode);

 private:
  struct State {
    std::int64_t change = 0;  // nanoseconds since the epoch
    off_t size = 0;
    bool operator==(const State&) const = default;
  };
  static State state_of(const Inode& inode);

  std::mutex mutex_;
  struct Known {
    State state;
    Reason reason;
    bool hides;
  };
  std::unordered_map<Identity, Known, IdentityHash> known_;
  // The last one only: a big file is read in many pieces.
  Identity last_identity_;
  State last_state_;
  std::shared_ptr<const std::string> last_redacted_;
};

}  // namespace agentbox::view
