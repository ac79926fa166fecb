// A view as a box has it: a real directory, served outside, mounted in namespaces of their own, in
// which commands run without any capability.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "base/unique_fd.h"
#include "launcher/view/view.h"
#include "policy/policy.h"

namespace agentbox::view {

// A directory of its own, removed at the end.
class TemporaryDirectory {
 public:
  explicit TemporaryDirectory(const std::string& parent = "");
  ~TemporaryDirectory();
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;

  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

struct Result {
  int status;          // exit status; 128 + N for a signal
  std::string output;  // stdout and stderr
};

// Runs a bash script outside.
Result run_outside(const std::string& directory, const std::string& script);

struct Options {
  policy::Policy policy;        // the floor by default
  bool with_files = true;       // false: Config::files is null
  bool with_worktrees = false;  // the box may make linked worktrees of the root's repository
  bool with_home = false;       // home mode, by policy.home
  std::vector<Synthetic> synthetic;
  std::vector<std::string> hidden_elsewhere;
  const Secrets* secrets = nullptr;
  const Released* released = nullptr;
  unsigned descriptors = 512;
  std::size_t watches = 1000;
  std::function<void(const Touch&)> touched;  // called first, if not empty
  std::string real;                           // the real tree; by default a new one
  std::string scratch;                        // home mode: the private home; by default a new one

  Options();
};

class MountedView {
 public:
  explicit MountedView(Options options = {});
  ~MountedView();  // the view first, then the box: the service must not wait for it
  MountedView(const MountedView&) = delete;
  MountedView& operator=(const MountedView&) = delete;

  // Runs a bash script in the box, in the view's root.
  Result run(const std::string& script);
  // As run(), in the real tree, outside.
  Result outside(const std::string& script) { return run_outside(real_, script); }

  // Paths by kind, as config.touched told them.
  std::vector<std::string> touched(Touch::Kind kind);

  // Hidden paths that changed outside, as config.hidden_changed told them.
  std::vector<std::string> hidden_changed();
  // How often config.unwatched was called.
  int unwatched();

  const std::string& real() const { return real_; }
  const std::string& scratch() const { return scratch_; }
  const std::string& mount_point() const { return mount_point_.path(); }

  void judge_again() { view_->judge_again(); }
  void stop_serving() { view_.reset(); }
  void kill_box();

 private:
  TemporaryDirectory real_directory_, scratch_directory_, mount_point_;
  std::string real_, scratch_;
  policy::Policy policy_;
  policy::FileRules files_;
  policy::HomeRules home_;
  policy::ContentRules contents_;
  std::mutex mutex_;
  std::vector<Touch> touches_;
  std::vector<std::string> hidden_changed_;
  int unwatched_ = 0;
  pid_t box_ = -1;
  base::UniqueFd channel_;
  std::unique_ptr<View> view_;
};

// Waits until the box's kernel has to ask again for everything that it was told.
void outlive_caches();

}  // namespace agentbox::view
