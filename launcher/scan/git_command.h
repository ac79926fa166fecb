// Runs one git command that only looks.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/unique_fd.h"

namespace agentbox::scan {

struct Finished {
  bool timed_out = false;
  int status = -1;     // exit status; -1 if it was ended otherwise
  std::string output;  // all of it
  std::string errors;  // the first 4 KiB
};

// Git, with an environment and settings of ours, so that it runs no program that a repository
// names, asks nothing, fetches nothing and writes nothing. Thread-safe.
class Git {
 public:
  // Looks it up in PATH, but not below `avoid`: a project does not bring the git that judges it.
  explicit Git(const std::string& avoid);

  bool found() const { return !program_.empty(); }

  // Runs `git ARGUMENTS` in a directory (O_PATH is enough). Input and output are of any size: they
  // are files in memory. Throws base::SystemError if it cannot be started.
  Finished run(int directory, const std::vector<std::string>& arguments,
               std::string_view input) const;

 private:
  std::string program_;
  std::vector<std::string> environment_;
};

}  // namespace agentbox::scan
