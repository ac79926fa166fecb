// Files met on a walk, opened and read with care.
#pragma once

#include <sys/stat.h>
#include <sys/types.h>

#include <cstddef>
#include <memory>
#include <span>

#include "base/unique_fd.h"
#include "launcher/survey/walk.h"

namespace agentbox::scan {

// Opens a walk's entry for reading if it is a regular file, without waiting for what it may be by
// now (a FIFO). Else empty, with errno set: 0 if it is no regular file (any more) or gone.
base::UniqueFd open_regular(const survey::Entry& entry, struct stat& status);

// A buffer whose bytes are wiped when it goes: what passes through it may be secret.
class WipedBuffer {
 public:
  explicit WipedBuffer(std::size_t size) : size_(size), bytes_(new char[size]) {}
  ~WipedBuffer();
  WipedBuffer(const WipedBuffer&) = delete;
  WipedBuffer& operator=(const WipedBuffer&) = delete;

  std::span<char> bytes() { return {bytes_.get(), size_}; }

 private:
  std::size_t size_;
  std::unique_ptr<char[]> bytes_;
};

// Reads until `room` is full or the file ends. -1 with errno set if that fails.
ssize_t read_fully(int fd, std::span<char> room);

}  // namespace agentbox::scan
