// What a walk has still to do.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "launcher/survey/directory.h"
#include "policy/file_rules.h"

namespace agentbox::survey {

// A directory that was met, for as long as something in it waits. Of its path only the last name:
// in a deep tree with much that waits, whole paths would fill the memory. Immutable once shared.
struct Listing {
  Listing() = default;
  ~Listing();
  Listing(const Listing&) = delete;
  Listing& operator=(const Listing&) = delete;

  std::string path() const;  // relative to the walk's root, which is ""

  std::shared_ptr<Listing> parent;  // null: the root
  std::string name;
  std::size_t depth = 0;
  policy::FileRules::Directory::Handed handed;
  std::shared_ptr<const Kept> nearest;  // itself if it is kept open, else one above it
};

// A directory to be listed (`name` in `parent`), or one to be listed further (`begun`).
struct Task {
  std::shared_ptr<Listing> parent;
  std::string name;
  std::shared_ptr<Listing> begun;
};

// Last in, first out: a walk that goes deep leaves little waiting. Thread-safe.
class Tasks {
 public:
  // Takes them all; `tasks` is empty afterwards.
  void push(std::vector<Task>& tasks);
  // Waits for a task. Nothing once all are done, or after end(). done() ends each one it gives.
  std::optional<Task> pop();
  void done();
  void end();

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Task> waiting_;
  std::size_t running_ = 0;
  bool ended_ = false;
};

// "directory/name"; one of them if the other is empty.
std::string join(std::string_view directory, std::string_view name);

}  // namespace agentbox::survey
