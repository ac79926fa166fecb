// A layer: what one session with --review changed, in a directory of its own outside every box.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/unique_fd.h"

namespace agentbox::review {

// One directory of the user's that the session sees through a layer: the project, or the git
// directory that a linked worktree shares.
struct Part {
  std::string root;    // absolute, without symbolic links
  std::string prefix;  // put before paths that the file rules judge (view::Config::prefix)
};

// What a layer says of itself. All text is UTF-8.
struct Manifest {
  std::string id;  // the session's
  std::string project;
  std::int64_t started = 0;  // nanoseconds since the epoch: before the box could write
  std::string command;       // argv[0]
  std::string scope, policy_file, policy;  // the last is the policy's hash
  std::vector<std::string> profiles;
  bool ended = false;  // the session said so; else it was killed, or runs
  std::vector<Part> parts;
};

// Owns the lock of one layer's directory, so that only one process at a time works with it. Every
// method throws base::Error. Not thread-safe.
class Layer {
 public:
  // Makes the directory for a session that is about to start, and copies the git indexes, which
  // tell later whether somebody staged something meanwhile. `directory` is all layers' own (made,
  // 0700). Sets `started`.
  static Layer create(const std::string& directory, Manifest manifest);
  // Opens one. Throws kFailed if a session runs in it, or another process works with it.
  static Layer open(const std::string& directory, const std::string& id);

  const Manifest& manifest() const { return manifest_; }
  // Absolute paths, for the box's mount.
  std::string upper(std::size_t part) const;
  std::string work(std::size_t part) const;
  base::UniqueFd open_upper(std::size_t part) const;
  // The layer's own directory, to keep things in.
  int directory() const { return fd_.get(); }
  // Name there of the copy of an index, by the index's absolute path.
  static std::string index_copy(const std::string& path);

  // Waits until what is changed from here on has a change time after `started`. Change times come
  // from a clock with a coarser tick: call it before the box's command runs.
  void wait_for_clock() const;
  void mark_ended();
  // Removes it with all that is in it.
  void remove();

 private:
  Layer(std::string place, base::UniqueFd fd) : place_(std::move(place)), fd_(std::move(fd)) {}
  void write_manifest();

  std::string place_;
  base::UniqueFd fd_;
  Manifest manifest_;
};

struct Listed {
  Manifest manifest;
  bool running = false;  // its session runs, or another process works with it
};

// All layers, by their ids, so the oldest first (audit::new_id()). One whose manifest cannot be read has only an id.
std::vector<Listed> list(const std::string& directory);

}  // namespace agentbox::review
