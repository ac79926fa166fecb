// Runs git's plumbing on a repository that nobody has vouched for, and reads what it prints.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/unique_fd.h"

namespace agentbox::history {

// A running git. Movable, not thread-safe. Killed and reaped when it is destroyed before finish().
class GitProcess {
 public:
  GitProcess(pid_t pid, base::UniqueFd output, base::UniqueFd errors, std::string name);
  GitProcess(GitProcess&& other) noexcept;
  GitProcess& operator=(GitProcess&&) = delete;
  ~GitProcess();

  // Takes the text up to the next `end` off the output, without `end`. False at the output's end.
  bool next(std::string& text, char end = '\n');
  // Takes up to `length` bytes off the output; fewer only at its end.
  std::size_t read(char* bytes, std::size_t length);
  // Waits. True if git ended with status 0.
  bool finish();
  // The same, but throws base::Error with what git printed for any other status.
  void require();

 private:
  bool fill();

  pid_t pid_;
  base::UniqueFd output_;
  base::UniqueFd errors_;
  std::string name_;
  std::vector<char> buffer_;  // wiped at the end: it held what is in the repository
  std::size_t begin_ = 0, end_ = 0;
};

// `text` as what standard input of a git is to hold.
base::UniqueFd input_of(std::string_view text);

// One repository. Nothing that its configuration or the user's names is run, nothing is fetched,
// nothing is written; replacement refs do not hide an object. Thread-safe.
class Git {
 public:
  // `program`: absolute path of git. `directory`: absolute path of the git directory.
  Git(std::string program, std::string directory);

  // `input`: a file for standard input; none: it is empty. `index`: another index file than the
  // repository's own. Throws base::SystemError if it cannot be started.
  GitProcess start(const std::vector<std::string>& arguments, base::UniqueFd input = {},
                   const std::string& index = {}) const;

  const std::string& directory() const { return directory_; }

 private:
  std::string program_;
  std::string directory_;
};

}  // namespace agentbox::history
