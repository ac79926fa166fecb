// The fallback where no live view can be had: the box has the real tree, with covers over what its
// rules hide. Weaker than the view: docs/fallback.md says in what.
#pragma once

#include <atomic>
#include <exception>
#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "base/error.h"
#include "base/unique_fd.h"
#include "launcher/masks/backlog.h"
#include "launcher/masks/contents.h"
#include "launcher/masks/scan.h"
#include "launcher/masks/watches.h"
#include "policy/file_rules.h"

namespace agentbox::masks {

struct Config {
  std::vector<Tree> trees;
  const policy::FileRules* files = nullptr;  // must outlive the masks
  // Files outside the trees; what is a hard link to one is hidden too. One that cannot be looked at
  // is passed over.
  std::vector<std::string> hidden_elsewhere;  // absolute paths
  // Covers a path in the box (box::Guard::cover()). Never called by two threads at once.
  std::function<box::Guard::Outcome(const std::string& path, const Mask& mask)> cover;
  Search search;
  // Told of each path the first time that it is covered, or that something is found in it. Never
  // called by two threads at once.
  std::function<void(const std::string& path, const Mask& mask)> covered;
  // Told of each protected name that appeared; `now` is the path that it was renamed to, or "".
  std::function<void(const std::string& path, const std::string& now)> set_aside;
  // Called from a thread of the masks, each once, if what should be covered cannot be, or a
  // protected name appeared: the box must end.
  std::function<void(std::exception_ptr)> failed;
  int guard = -1;  // POLLHUP when the guard is dead; not closed
};

// What is made under a protected name while the command runs may be the box's, and programs outside
// act upon it as soon as it is there. So it is renamed, to an inert name beside it, and the session
// ends.
class Masks {
 public:
  explicit Masks(Config config);
  ~Masks();
  Masks(const Masks&) = delete;
  Masks& operator=(const Masks&) = delete;

  // Covers all that is there; `progress` counts names. Before the command runs. Throws base::Error.
  void cover_all(std::atomic<std::size_t>& progress);
  // Starts to cover what appears. After cover_all(), which has begun to watch.
  void watch();
  // More is looked for in files than before: they are all looked into again, by and by. At any
  // time, from any thread.
  void search_again() { backlog_.add_all(Backlog::All::kShown); }
  // When the box is dead: stops watching, and looks at what it did last. Throws base::Error if
  // protected names have appeared, now or before.
  void settle();

 private:
  struct Aside {
    std::string path, now;
  };
  struct Link {
    Inode inode;
    timespec changed;
    bool is(const Mask& mask) const;
  };

  void serve();
  void stop();
  // False if nothing had changed.
  bool follow();
  void look(bool running, std::atomic<std::size_t>* progress = nullptr);
  // `running`: the command does, so a read-only name that was not there before is one that it may
  // have made.
  void apply(Scan& scan, bool running);
  void put_found(const Scan& scan);
  void search(const std::function<void(Scan&)>& walk, bool tell_hidden);
  void protect(const Mask& mask, bool running);
  void set_aside(const Mask& mask, const std::string& path);
  bool shown(std::size_t tree, const std::string& path) const;
  void forget(const std::string& path);
  box::Guard::Outcome put(const Mask& mask);
  bool below_protected(const std::string& path) const;
  std::string absolute(std::size_t tree, const std::string& path) const;
  base::Error appeared() const;

  const Config config_;
  Watches watches_;
  std::set<Inode> hidden_;           // of files with further names
  std::set<Inode> linked_;           // with further names, and not known to be hidden
  std::set<std::string> protected_;  // absolute paths that were covered read-only
  // Links under protected names: they cannot be mounted on themselves, so the box can replace them.
  std::map<std::string, Link> links_;  // by absolute path
  std::mutex put_mutex_;
  std::set<std::pair<std::string, bool>> told_;  // absolute path, found in it; under put_mutex_
  std::vector<Aside> aside_;
  bool unsure_ = false;  // watching ended early: changes may not have been looked at
  base::UniqueFd stop_;
  Contents contents_;
  Backlog backlog_;
  std::thread thread_;
};

}  // namespace agentbox::masks
