// Learns of changes that others make in directories, by fanotify(7) without privileges
// (Linux 5.13). It tells who made a change, so what this process does for its box never comes back
// as an event.
#pragma once

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/unique_fd.h"

namespace agentbox::view {

class Watcher {
 public:
  // Watches at most `most` directories, and a quarter of what the user may have.
  explicit Watcher(std::size_t most);
  Watcher(const Watcher&) = delete;
  Watcher& operator=(const Watcher&) = delete;

  // Readable when there are events; -1 if nothing can be watched.
  int fd() const { return group_.get(); }
  // How many watches were placed so far.
  std::uint64_t placed() const;

  // Watches an open directory (O_PATH will do) whose number in the view is `node`; what was already
  // watched gets the new number. Returns the number of the watch, counted from 1; 0: the directory
  // is not watched. Everything that happens to its entries after this returns is an event.
  // Thread-safe.
  std::uint64_t watch(int directory, std::uint64_t node);

  struct Event {
    std::uint64_t directory = 0;  // its number in the view
    std::string name;             // "": the directory itself
    bool named = false;           // the name came, went, or is now another file
  };
  struct Events {
    std::vector<Event> events;
    bool lost = false;  // some were dropped: anything may have changed
  };
  // What there is, without waiting. One thread at a time.
  Events read();

 private:
  struct Watch {
    std::uint64_t node;
    std::uint64_t number;
  };

  base::UniqueFd group_;
  std::size_t most_ = 0;
  mutable std::mutex mutex_;
  std::unordered_map<std::string, Watch> watches_;  // by file system and handle
  std::uint64_t placed_ = 0;
};

}  // namespace agentbox::view
