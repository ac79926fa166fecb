// Where the paths of a view are on disk: one tree, or (home mode) the user's home and the box's
// private one. Thread-safe.
#pragma once

#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/unique_fd.h"
#include "launcher/view/judge.h"

namespace agentbox::view {

// A path below an open directory; "" is the directory itself. `base` belongs to the config.
struct Location {
  int base = -1;
  std::string path;
};

class Storage {
 public:
  explicit Storage(const Config& config) : config_(config) {}

  bool home() const { return config_.home != nullptr; }
  int top() const { return home() ? config_.scratch.get() : config_.root.get(); }

  Location locate(std::string_view path, const Verdict& verdict) const;

  // The user keeps a listed file or directory of their home elsewhere and has a symbolic link in
  // its place: follows it, once, as long as it stays in the home. Whether `path` is such a link.
  bool follow_listed_link(const std::string& path);
  bool is_listed_link(const std::string& path) const;

  // Opens the directory that `location` is in (O_PATH). With `make_parents`, missing ones are made,
  // mode 0700. Fails with an errno.
  base::UniqueFd open_parent(const Location& location, bool make_parents) const;

  // Home mode: makes sure that the box's private home has this directory. Fails with an errno.
  void make_private_directory(const std::string& path) const;

 private:
  const Config& config_;
  mutable std::mutex mutex_;
  std::unordered_map<std::string, std::string> links_;  // listed path → where it is in the home
};

// The part of a path before its last slash ("" if it has none), and after it.
std::string_view parent_of(std::string_view path);
std::string_view name_of(std::string_view path);
std::string join(std::string_view directory, std::string_view name);

}  // namespace agentbox::view
