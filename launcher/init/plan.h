// Files that are to be written into a project, all of them known before the first one is.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/unique_fd.h"
#include "launcher/init/agents.h"

namespace agentbox::init {

class Plan {
 public:
  // `root`: absolute. Throws base::SystemError.
  explicit Plan(const std::string& root);

  // The text of a file of the project, at most 1 MiB; nullopt if there is none. No symbolic link is
  // followed: a repository must not choose what is read or written outside it. Throws base::Error.
  std::optional<std::string> read(const std::string& path) const;

  // `path` may lie in directories that are made by write().
  void add(File file) { files_.push_back(std::move(file)); }
  const std::vector<File>& files() const { return files_; }

  // Each file is there as a whole or not at all, with the mode that it had. Throws base::Error; the
  // files before the one that failed have been written.
  void write() const;

 private:
  base::UniqueFd open_parent(const std::string& path, bool make) const;

  base::UniqueFd root_;
  std::vector<File> files_;
};

}  // namespace agentbox::init
