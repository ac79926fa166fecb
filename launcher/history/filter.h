// What stands in for those parts of a repository's objects that a box does not see.
#pragma once

#include <string>
#include <vector>

#include "base/unique_fd.h"
#include "launcher/history/object_id.h"
#include "launcher/history/scan.h"

namespace agentbox::history {

// A repository as a box is to see it: without these objects and without the packs that hold them.
struct Filtered {
  std::string directory;  // the git directory, absolute, no symbolic link in it
  // An object directory, absolute, for the box's `objects/info/alternates`. It has all else that
  // those packs hold, and nothing besides: what git in the box takes for a duplicate and removes is
  // still in a pack that it cannot remove. Of what is left out, a tree in a pack marked `.promisor`
  // tells git that somebody else has it (partial-clone.txt, "Handling Missing Objects").
  std::string replacement;
  std::vector<ObjectId> ids;  // blobs, in order
};

// One for each repository of the report, with the secrets of all of them, as one may borrow from
// another; none if there is no secret. Made below `state`/filtered, which no box may write to, and
// made once for the same packs and secrets; others that no session has locked (lock_replacement)
// are removed. Writes nothing else, reads the repositories only. `program`: git, absolute path.
// Throws base::Error; kDenied for what cannot be left out: secrets in messages, and repositories
// whose objects lie elsewhere, or that are partial clones or have SHA-256.
std::vector<Filtered> make_filters(const Report& report, const std::string& program,
                                   const std::string& state);

// Keeps a replacement from being removed as long as the descriptor is open. Throws base::Error if
// it has been removed already.
base::UniqueFd lock_replacement(const std::string& replacement);

}  // namespace agentbox::history
