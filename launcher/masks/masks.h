// The fallback where no live view can be had: the box has the real tree, with covers over what its
// rules hide. Weaker than the view: docs/fallback.md says in what.
#pragma once

#include <exception>
#include <functional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "base/unique_fd.h"
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
  // Told of each path the first time that it is covered.
  std::function<void(const std::string& path, const Mask& mask)> covered;
  // Called once, from the watching thread, if what should be covered cannot be: the box must end.
  std::function<void(std::exception_ptr)> failed;
  int guard = -1;  // readable when the guard is dead; not closed
};

class Masks {
 public:
  explicit Masks(Config config);
  ~Masks();
  Masks(const Masks&) = delete;
  Masks& operator=(const Masks&) = delete;

  // Covers all that is there. Before the command runs. Throws base::Error.
  void cover_all();
  // Starts to cover what appears. After cover_all(), which has begun to watch.
  void watch();

 private:
  void serve();
  void look(bool running);
  // `running`: the command does, so a read-only name that was not there before is one that it may
  // have made.
  void apply(Scan& scan, bool running);
  box::Guard::Outcome put(const Mask& mask);
  bool below_protected(const std::string& path) const;
  std::string absolute(const Mask& mask) const;

  const Config config_;
  Watches watches_;
  std::set<Inode> hidden_;           // of files with further names
  std::set<Inode> linked_;           // with further names, and not known to be hidden
  std::set<std::string> protected_;  // absolute paths that were covered read-only
  std::set<std::string> told_;       // absolute paths
  base::UniqueFd stop_;
  std::thread thread_;
};

}  // namespace agentbox::masks
