// Reading real directories.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

namespace agentbox::view {

struct Entry {
  std::string name;
  std::uint64_t number = 0;  // inode number
  unsigned char type = 0;    // DT_*
};

// All entries of an open directory (not O_PATH) but "." and "..", in the file system's order. One
// without a type (DT_UNKNOWN) is asked for it. Fails with an errno.
std::vector<Entry> read_entries(int directory);

// A name for a file that is to take the place of `name`, next to it.
std::string unused_name(int directory, const std::string& name);

}  // namespace agentbox::view
