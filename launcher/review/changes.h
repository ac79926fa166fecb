// What a layer would change in the user's tree, and what speaks against it.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "launcher/review/layer.h"
#include "launcher/view/view.h"
#include "policy/file_rules.h"

namespace agentbox::review {

// What is applied after what: git's objects before that which names them, HEAD and index at the
// end. A crash on the way leaves a repository with objects that nothing names yet.
enum class Phase { kTree, kGitObject, kGitObjectList, kGit, kGitEnd };
inline bool is_object(Phase phase) {
  return phase == Phase::kGitObject || phase == Phase::kGitObjectList;
}

struct Change {
  enum class State {
    kReady,
    kConflict,  // the user's file changed since the session started; only forced
    kRefused,   // the policy, or what is in the layer, forbids it; never
  };

  std::size_t part = 0;
  std::string path;                          // relative to the part's root
  mode_t before = 0;                         // st_mode of the user's file; 0: there is none
  mode_t after = 0;                          // of the layer's; 0: it is deleted
  std::uint64_t old_size = 0, new_size = 0;  // bytes; 0 for directories
  State state = State::kReady;
  std::string reason;  // unless it is ready
  Phase phase = Phase::kTree;
  std::string git;  // the git directory that it is in, relative to the part's root; "" for none

  // What the user's file was when this was found; a later one is a conflict.
  std::uint64_t number = 0;
  std::int64_t changed = 0;  // nanoseconds since the epoch

  // Deletions only: the layer holds a mark for this very path, not for a directory above it.
  bool marked = false;

  // 'A' added, 'M' modified, 'D' deleted, 'T' of another type, 'P' permissions alone.
  char letter() const;
};

// How paths are judged. The references must outlive its use.
struct Judging {
  const policy::FileRules& files;
  view::Worktrees worktrees;  // where worktrees may be made, as in the session
};

// All changes of a layer that is locked, in the order in which they can be applied within a phase.
// What is in the layer is taken for hostile: nothing but regular files, directories, links and
// overlayfs's own marks counts, and no link is followed. What git leaves behind for itself (locks,
// temporary files, objects that the user has as well) is left out. Also makes marks of single
// deletions from overlayfs's mark that a directory hides all that was there: a layer of which some
// is applied must not delete it again. Throws base::Error.
std::vector<Change> changes_of(const Layer& layer, const Judging& judging);

}  // namespace agentbox::review
