// The directories of the trees, watched by inotify(7).
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/unique_fd.h"

namespace agentbox::masks {

// A directory of one of the trees.
struct Directory {
  std::size_t tree = 0;
  std::string path;  // relative to the tree's root; "" for the root
};

// A name in a directory that was made, moved there or written.
struct Change {
  Directory directory;
  std::string_view name;  // valid during the call
};

// Thread-safe.
class Watches {
 public:
  Watches();

  // Watches the open directory; one that is watched already gets its new place. Throws base::Error,
  // with what to type, when the user's limit is reached.
  void add(int directory, Directory place);

  int descriptor() const { return inotify_.get(); }

  // Calls `changed` for what has happened. False if the kernel has dropped events: everything may
  // have changed.
  bool take(const std::function<void(const Change&)>& changed);

 private:
  base::UniqueFd inotify_;
  std::mutex mutex_;
  std::unordered_map<int, Directory> places_;
};

}  // namespace agentbox::masks
