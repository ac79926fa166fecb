// Carries changes of a layer out in the user's tree, or drops them.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include "launcher/review/changes.h"
#include "launcher/review/layer.h"

namespace agentbox::review {

struct Applied {
  std::size_t done = 0;
  std::vector<Change> left;  // conflicts and refusals among what was asked for, with the reason
};

// Told now and then: how many of how many changes are done.
using Progress = std::function<void(std::size_t done, std::size_t all)>;

// Applies those changes (of changes_of()) that are ready. Each file is replaced in one step by one
// that is on disk, and leaves the layer only when that step is on disk too: after a crash at any
// point each is the old one or the new one, and a second call ends what the first began. A file of
// the user's that is changed in the very moment is put back. A conflict in `forced` (indexes into
// `changes`) is applied too; the user's file is kept in the layer's `backup` directory, under its
// part's number and its path. Throws base::Error.
Applied apply(const Layer& layer, const std::vector<Change>& changes,
              const std::vector<std::size_t>& forced, const Progress& progress);

// Removes the changes from the layer for good. What lies below a directory that the box deleted goes
// with that directory only. Throws base::Error.
void drop(const Layer& layer, const std::vector<Change>& changes);

// Removes what an interrupted apply() left in the user's directories.
void clean(const Layer& layer);

// Whether files of the user's are kept in the layer.
bool has_backup(const Layer& layer);

}  // namespace agentbox::review
