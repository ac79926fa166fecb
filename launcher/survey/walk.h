// A parallel walk over a real tree that judges every name on its way.
#pragma once

#include <atomic>
#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

#include "base/unique_fd.h"
#include "policy/file_rules.h"

namespace agentbox::survey {

struct Entry {
  std::string_view path;   // relative to the root; valid during the call
  std::string_view name;   // the last component of it
  int directory = -1;      // open: the entry is `name` in it
  unsigned char type = 0;  // DT_REG, DT_DIR, DT_LNK, …; never DT_UNKNOWN
  policy::FileDecision decision;
  bool below_hidden = false;  // lies in a hidden directory; `decision` is then that directory's
};

// Called by several threads at once, in no order but that a directory comes before what is in it.
// For a directory: returns whether to go into it. What it throws ends the walk and is thrown on.
using Visit = std::function<bool(const Entry&)>;

// Told of a directory that the user may not list, with the errno. Called as Visit is. Not of one
// that was removed or replaced during the walk.
using Unlisted = std::function<void(std::string_view path, int error)>;

struct Options {
  int root = -1;                             // O_PATH or better; not closed
  const policy::FileRules* files = nullptr;  // null: everything is shown
  std::string prefix;                        // put before the paths that `files` judges
  unsigned threads = 2;
  bool stay = true;                              // do not cross into other file systems
  const std::atomic<bool>* stop = nullptr;       // set: the walk ends early
  std::atomic<std::size_t>* progress = nullptr;  // counts entries
  Unlisted unlisted = {};                        // may be empty
};

// Directories are opened beneath the root (openat2(2), RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS); one
// that may not be listed (EACCES, EPERM, and what a dead mount gives) is passed over and told to
// `unlisted`: where it may be searched all the same, its files can still be opened by name. Throws
// base::SystemError for other errors, also for a root that cannot be listed: a walk that could not
// be complete is never taken for one that was. Holds at most some hundred descriptors, whatever the
// tree, and memory for the directories that wait. A directory moved during the walk is met under
// its old name, its new one, both or neither.
void walk(const Options& options, const Visit& visit);

}  // namespace agentbox::survey
