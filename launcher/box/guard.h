// Covers files of a box that runs, from outside it: the fallback where no live view can be had.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "base/unique_fd.h"
#include "launcher/box/box.h"

namespace agentbox::box {

// On the box's root, below its read-only /dev. What a hidden file and directory look like: a socket
// that nobody can open, an empty directory that nobody can enter.
inline constexpr char kHiddenFile[] = "dev/.hidden-file";
inline constexpr char kHiddenDirectory[] = "dev/.hidden-directory";

// A process that is in the box's user and mount namespaces (setns(2)) but in no other of them: the
// box cannot see it. It has the rights of the namespaces' creator, holds no secret, and dies with
// the supervisor. Masks are placed by descriptor (open_tree(2), move_mount(2)): no link is
// followed.
class Guard {
 public:
  enum class Cover : std::uint32_t {
    kFile,
    kDirectory,
    kReadOnly,  // mounted on itself: whoever is in a directory already stays in the one below
    kInPlace,   // the same, writable: it cannot be renamed or removed in the box
  };
  enum class Outcome : std::uint32_t {
    kCovered,
    kAlready,  // covered before
    kGone,     // nothing is there, or something else than was judged
  };

  // Forks; the calling process must have a single thread. Uses Handles::users and mounts up.
  explicit Guard(Handles& handles);
  // Ends the process; what it has covered stays covered.
  ~Guard();
  Guard(const Guard&) = delete;
  Guard& operator=(const Guard&) = delete;

  // Covers what stands at the absolute path in the box, if it is this file. Only once the box is
  // ready. From one thread at a time. Throws base::SystemError if it cannot be covered, base::Error
  // if the guard is dead: the box must not run on.
  Outcome cover(const std::string& path, Cover cover, dev_t device, ino_t inode);

  // POLLHUP when the guard is dead; readable also while it answers.
  int descriptor() const { return orders_.get(); }

 private:
  base::UniqueFd orders_;
  pid_t process_ = -1;
};

}  // namespace agentbox::box
