// What the box's kernel has to be told to forget.
#pragma once

#include <cstdint>
#include <mutex>
#include <string>
#include <vector>

#include "base/unique_fd.h"

namespace agentbox::view {

struct Stale {
  enum class Kind {
    kName,        // `name` in `parent`
    kExpired,     // the same, of a directory that is most likely still there
    kAttributes,  // of `node`
    kContents,    // and the pages too
  } kind;
  std::uint64_t parent = 0, node = 0;
  std::string name;
};

// From the threads that answer requests, which must not tell the kernel themselves, to the one that
// does. Thread-safe.
class StaleQueue {
 public:
  StaleQueue();  // throws base::Error
  void add(Stale stale);
  // All pages of all files: what is looked for in them has changed.
  void add_all_contents();

  int fd() const { return fd_.get(); }  // readable while there is something to take
  struct Taken {
    std::vector<Stale> stale;
    bool all_contents = false;
  };
  Taken take();

 private:
  base::UniqueFd fd_;
  std::mutex mutex_;
  Taken waiting_;
};

}  // namespace agentbox::view
