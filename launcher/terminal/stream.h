// One end of the user's input or output, without ever blocking on it.
#pragma once

#include <sys/types.h>

#include <cstddef>

#include "base/unique_fd.h"

namespace agentbox::terminal {

// The descriptors 0, 1 and 2 are shared with the user's shell, so that O_NONBLOCK must not be set
// on them: a terminal or a pipe is opened anew for it (proc(5), /proc/self/fd). Where that is
// refused, and for files and sockets, reads and writes are kept so small that after poll(2) they do
// not block.
class Stream {
 public:
  enum class Direction { kRead, kWrite };
  Stream(int descriptor, Direction direction);  // not owned

  int descriptor() const { return own_ ? own_.get() : shared_; }
  bool is_terminal() const { return terminal_; }
  // Whether poll(2) reports an end of the other side that nobody waits for (pipes, sockets).
  bool reports_loss() const { return !terminal_ && !regular_; }

  // As read(2) and write(2), EINTR retried. The count may be smaller than asked.
  ssize_t read(char* data, std::size_t size) const;
  ssize_t write(const char* data, std::size_t size) const;

 private:
  int shared_;
  bool terminal_ = false, regular_ = false;
  base::UniqueFd own_;
  std::size_t most_;
};

}  // namespace agentbox::terminal
