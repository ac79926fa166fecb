// Where a repository's objects lie, and which they are.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "launcher/history/git.h"
#include "launcher/history/object_id.h"

namespace agentbox::history {

// A file as it was when its objects were searched. Another size, time or inode: another file.
struct Stamp {
  std::string path;  // absolute
  std::uint64_t size = 0;
  std::int64_t modified = 0;  // nanoseconds
  std::uint64_t inode = 0;
  auto operator<=>(const Stamp&) const = default;
};

// "" as path if there is no such file.
Stamp stamp(const std::string& path);

struct Stores {
  std::vector<std::string> directories;  // of objects, real paths; the repository's own first
  std::vector<Stamp> packs;     // pack files that have an index
  std::vector<ObjectId> loose;  // ascending, each once
};

// All of a git directory's object directory and of the alternates that it names
// (gitrepository-layout(5), "objects/info/alternates"), each once. A directory that is not there is
// empty. Throws base::SystemError for one that cannot be listed.
Stores find_stores(const std::string& git_directory);

// The objects of a pack in the order in which they lie in it, which is the cheapest to read them
// in.
std::vector<ObjectId> objects_of(const Git& git, const Stamp& pack);

}  // namespace agentbox::history
