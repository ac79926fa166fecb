// Directories kept open on a walk, few at a time, and how one below them is opened and read.
#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <span>
#include <string_view>

#include "base/unique_fd.h"

namespace agentbox::survey {

// How many directories one walk holds open. Thread-safe.
class Budget {
 public:
  // Whether one more may be kept for what waits below it. When many are, only one in kStride levels
  // still is: however deep the tree, the next one up is never far.
  bool allows(std::size_t depth) const {
    return held_ < kPlenty || (depth % kStride == 0 && held_ < kMost);
  }

 private:
  friend class Kept;
  static constexpr std::size_t kPlenty = 128;
  static constexpr std::size_t kMost = 384;  // the usual limit of a process is 1024
  static constexpr std::size_t kStride = 64;

  std::atomic<std::size_t> held_{0};
};

// A directory that stays open, for as long as something is to be opened from it. Immutable.
class Kept {
 public:
  // `length`: of the path, relative to the walk's root, that leads to it.
  Kept(base::UniqueFd fd, std::size_t length, Budget& budget)
      : fd_(std::move(fd)), length_(length), budget_(budget) {
    ++budget_.held_;
  }
  ~Kept() { --budget_.held_; }
  Kept(const Kept&) = delete;
  Kept& operator=(const Kept&) = delete;

  int fd() const { return fd_.get(); }
  // What is left of the path of something below it.
  std::string_view rest(std::string_view path) const {
    return path.substr(length_ == 0 ? 0 : length_ + 1);
  }

 private:
  const base::UniqueFd fd_;
  const std::size_t length_;
  Budget& budget_;
};

// Opens a directory for listing, beneath `directory` and through no link, in several steps if the
// path is longer than the kernel takes at once. "" is `directory` itself. Empty, with errno set, if
// that fails.
base::UniqueFd open_directory(int directory, std::string_view path);

// getdents64(2): fills `buffer` with the next entries. Returns the bytes filled, 0 at the end, -1
// with errno set.
long read_entries(int directory, std::span<char> buffer);

// Goes through what read_entries() gave.
struct RawEntry {
  std::string_view name;
  unsigned char type;  // as the file system said it: perhaps DT_UNKNOWN
};
// Takes the first entry off `entries`.
RawEntry take_entry(std::span<const char>& entries);

}  // namespace agentbox::survey
