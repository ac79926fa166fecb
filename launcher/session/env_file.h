// A file of plain values that is to be rewritten, and the old copies of it that lie beside it.
#pragma once

#include <sys/stat.h>

#include <string>
#include <vector>

#include "base/unique_fd.h"
#include "resolver/secret.h"

namespace agentbox::session {

// Not thread-safe. Throws base::SystemError and base::Error.
class EnvFile {
 public:
  // Follows symbolic links; refuses what is no regular file, has another name (a hard link) or is
  // larger than 1 MiB. The caller must be able to write it.
  explicit EnvFile(const std::string& path);

  const std::string& path() const { return path_; }  // absolute, no symbolic link in it
  const resolver::Secret& text() const { return text_; }

  // Puts a file with this text, and with mode, owner, group, ACL and extended attributes of the old
  // one, in its place by rename(2), and overwrites the old one with zeros. Refuses if the file was
  // changed since it was read. Its temporary name is one that the policy's floor hides.
  void replace(const resolver::Secret& text);

  // Copies that editors and people leave beside it (".env~", ".env.bak", "..env.swp") and that hold
  // one of the values. Absolute paths, sorted.
  std::vector<std::string> copies(const std::vector<const resolver::Secret*>& values) const;

 private:
  std::string path_;
  base::UniqueFd directory_, file_;
  struct stat status_ = {};
  resolver::Secret text_;
};

// Overwrites a file with zeros and removes it. What the file system keeps elsewhere (snapshots,
// journals, copy-on-write, the spare blocks of a disk) is out of reach.
void shred(const std::string& path);

}  // namespace agentbox::session
