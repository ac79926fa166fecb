// Which files of git's object directories a box does not see, so that it lacks some objects.
#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "base/unique_fd.h"
#include "launcher/history/object_id.h"
#include "launcher/view/view.h"

namespace agentbox::session {

// Hidden are: loose objects of these ids; all files of packs whose index lists one or cannot be
// read; packs without an index, unless they had one that lists none; and what is none of git's
// finished files (gitrepository-layout(5)), such as a pack that is being written outside.
// Thread-safe once all is added.
class FilteredObjects : public view::HiddenNames {
 public:
  // `directory`: of objects, relative to the view's root; `path`: the same, absolute. `ids`: in
  // order. Throws base::SystemError if it cannot be opened.
  void add(std::string directory, const std::string& path, std::vector<history::ObjectId> ids);

  bool hides(std::string_view path) const override;
  bool reaches_below(std::string_view directory) const override;

 private:
  // A file as it was when it was looked at; all zeros: there is none.
  struct Stamp {
    std::uint64_t inode = 0, size = 0;
    std::int64_t modified = 0;  // nanoseconds
    bool operator==(const Stamp&) const = default;
  };
  static Stamp stamp_of(const struct stat& status);
  struct Seen {
    Stamp index, pack;
    bool hides = false;
  };
  struct Directory {
    std::string path;
    base::UniqueFd real;
    std::vector<history::ObjectId> ids;
    std::unordered_set<std::string> loose;  // "ab/cdef…"
    mutable std::unordered_map<std::string, Seen> packs = {};
  };

  bool hides_below(const Directory& directory, std::string_view name) const;
  bool hides_pack(const Directory& directory, std::string_view file) const;
  bool hides_without_index(const Directory& directory, const std::string& stem) const;

  std::vector<Directory> directories_;
  mutable std::mutex mutex_;  // of Directory::packs
};

}  // namespace agentbox::session
