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

struct Options {
  int root = -1;                             // O_PATH or better; not closed
  const policy::FileRules* files = nullptr;  // null: everything is shown
  std::string prefix;                        // put before the paths that `files` judges
  unsigned threads = 2;
  bool stay = true;                                  // do not cross into other file systems
  const std::atomic<bool>* stop = nullptr;           // set: the walk ends early
  std::atomic<std::size_t>* progress = nullptr;      // counts entries
};

// Directories are opened beneath the root without following links; one that cannot be listed is
// passed over, as its files cannot be read either. Throws base::SystemError for other errors:
// a walk that could not be complete is never taken for one that was.
void walk(const Options& options, const Visit& visit);

}  // namespace agentbox::survey
