// The files of a log's directory, and how lines are read from them.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "base/unique_fd.h"

namespace agentbox::audit {

inline constexpr const char* kCurrentName = "audit.jsonl";
inline constexpr const char* kHeadName = "head";
// Above this the current file becomes "audit.N.jsonl"; the chain goes on in a new one. Bytes.
inline constexpr std::uint64_t kRollSize = 64 << 20;

// "audit.3.jsonl" for 3.
std::string rolled_name(std::uint64_t number);
// How many rolled files follow each other from number 1 on.
std::uint64_t count_rolled(int directory);

// Holds flock(2) on a descriptor. Gives up with Error after ten seconds: a stopped process must not
// hang every session of the user.
class Lock {
 public:
  // `operation` is LOCK_EX or LOCK_SH.
  Lock(int fd, int operation);
  ~Lock();
  Lock(const Lock&) = delete;
  Lock& operator=(const Lock&) = delete;

 private:
  int fd_;
};

// Splits the bytes of a descriptor from `offset` up to `end` into lines. Not thread-safe.
class LineReader {
 public:
  explicit LineReader(int fd, off_t offset = 0, off_t end = INT64_MAX)
      : fd_(fd), offset_(offset), end_(end) {}

  // The next line without its newline, valid until the next call; false at the end, where an
  // unfinished line may remain (rest()). May be called again when the file has grown. A line longer
  // than a megabyte is given in pieces, which are no valid records. Throws SystemError.
  bool next(std::string_view& line);
  // What follows the last newline.
  std::string_view rest() const { return std::string_view(buffer_).substr(start_); }

 private:
  int fd_;
  off_t offset_;  // of what is to be read next
  off_t end_;
  std::string buffer_;
  std::size_t start_ = 0;    // of the line in work
  std::size_t scanned_ = 0;  // no newline in [start_, scanned_)
};

}  // namespace agentbox::audit
