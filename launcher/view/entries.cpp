#include "launcher/view/entries.h"

#include <dirent.h>
#include <limits.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <string_view>

#include "launcher/view/inode.h"

namespace agentbox::view {

std::vector<Entry> read_entries(int directory) {
  std::vector<Entry> entries;
  alignas(struct dirent64) char buffer[64 * 1024];
  for (;;) {
    const ssize_t length = ::getdents64(directory, buffer, sizeof buffer);
    if (length < 0 && errno == ENOENT) {
      return entries;  // removed while open: empty
    }
    checked(length);
    if (length == 0) {
      return entries;
    }
    for (ssize_t at = 0; at < length;) {
      struct dirent64 entry;
      std::memcpy(&entry, buffer + at, offsetof(struct dirent64, d_name));
      const std::string_view name(buffer + at + offsetof(struct dirent64, d_name));
      at += entry.d_reclen;
      if (name == "." || name == "..") {
        continue;
      }
      entries.push_back({std::string(name), entry.d_ino, entry.d_type});
      if (entry.d_type == DT_UNKNOWN) {
        Inode inode;
        if (inode_at(directory, entries.back().name.c_str(), &inode) != 0) {
          entries.pop_back();
          continue;
        }
        entries.back().type = static_cast<unsigned char>(IFTODT(inode.stat.st_mode));
      }
    }
  }
}

std::string unused_name(int directory, const std::string& name) {
  Inode inode;
  for (unsigned number = 0;; ++number) {
    std::string unused =
        "." + name.substr(0, NAME_MAX - 32) + ".agentbox-" + std::to_string(number);
    if (inode_at(directory, unused.c_str(), &inode) == ENOENT) {
      return unused;
    }
  }
}

}  // namespace agentbox::view
