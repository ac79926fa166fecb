// The first half of a scan: which files a box does not see, and the values that stand in them.
#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "launcher/scan/report.h"
#include "launcher/survey/walk.h"
#include "launcher/values/known_values.h"

namespace agentbox::scan {

// Whether the name hides it, if it is no regular file; else its contents may have a say.
inline bool hides(policy::FileAction action) {
  return action == policy::FileAction::kHide || action == policy::FileAction::kHideUnlessReferences;
}
inline bool depends_on_contents(policy::FileAction action) {
  return action == policy::FileAction::kHideIfCredential ||
         action == policy::FileAction::kHideUnlessReferences;
}

// Filled by a walk's threads; read once the walk has ended. Decides what launcher/view decides
// (docs/view.md): a name, what a file of such a name holds, and the other names of both.
class HiddenFiles {
 public:
  // Throws base::Error if no memory can be locked.
  HiddenFiles();

  // A file outside the project whose other names, and copies of its values, are hidden.
  void add_elsewhere(const std::string& path);
  // Whether to go into a directory: always. Thread-safe. Throws base::Error.
  bool visit(const survey::Entry& entry);
  // A directory that cannot be listed. Thread-safe.
  void add_unlisted(std::string_view path, int error);

  // Sorts by path. Before what follows, which any thread may ask then.
  void finish();

  // What was hidden under this path, or null.
  const Hidden* find(std::string_view path) const;
  // The path of a file that hides all others with its inode, or null.
  const std::string* find_inode(const struct stat& status) const;
  // Whether there is any of these: only then need inodes be looked at.
  bool has_inodes() const { return !inodes_.empty(); }

  const values::KnownValues& values() const { return values_; }
  // The file that a known value stands in, by the number given as its source.
  const std::string& source(std::uint32_t number) const { return sources_.at(number); }

  // Directories that hold a ".git".
  const std::vector<std::string>& repositories() const { return repositories_; }
  std::vector<Hidden>& hidden() { return hidden_; }
  std::vector<Redacted>& redacted() { return redacted_; }
  std::vector<Unreadable>& unreadable() { return unreadable_; }

 private:
  void visit_file(const survey::Entry& entry);
  bool take_values(int fd, const std::string& path, int& error);

  values::KnownValues values_;
  std::mutex mutex_;
  std::vector<std::string> sources_;
  std::vector<Hidden> hidden_;
  std::vector<Redacted> redacted_;
  std::vector<Unreadable> unreadable_;
  std::vector<std::string> repositories_;
  std::map<std::pair<dev_t, ino_t>, std::string> inodes_;
};

}  // namespace agentbox::scan
