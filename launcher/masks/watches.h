// The directories of the trees, watched by inotify(7).
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/unique_fd.h"

namespace agentbox::masks {

// A directory of one of the trees.
struct Directory {
  std::size_t tree = 0;
  std::string path;  // relative to the tree's root; "" for the root

  bool operator==(const Directory&) const = default;
};

// A name in a directory that was made, moved there or written; or that has gone.
struct Change {
  Directory directory;
  std::string_view name;  // valid during the call
  bool gone = false;
};

enum class Taken {
  kNothing,  // none was waiting
  kSome,     // there may be more
  kLost,     // the kernel has dropped events: everything may have changed
};

// Thread-safe.
class Watches {
 public:
  Watches();

  // Watches the open directory; one that is watched already gets its new place. Returns the place
  // that it had, if that was another. Throws base::Error, with what to type, when the user's limit
  // is reached.
  std::optional<Directory> add(int directory, const Directory& place);
  // Watches what is written to an open file (O_PATH suffices), `name` in the directory. A
  // directory's own watch tells when it has been closed.
  void add_file(int file, const Directory& place, const std::string& name);

  int descriptor() const { return inotify_.get(); }

  // Calls `changed` for what has happened, in its order. Does not wait.
  Taken take(const std::function<void(const Change&)>& changed);

 private:
  struct Watched {
    Directory directory;
    std::string file;  // "": the directory itself
  };
  std::optional<Directory> watch(int file, std::uint32_t events, Watched watched);

  base::UniqueFd inotify_;
  std::mutex mutex_;
  std::unordered_map<int, Watched> watched_;
};

}  // namespace agentbox::masks
