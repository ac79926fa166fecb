// Keeps a box from writing down, by accident, a value that was released to it: into a transcript,
// a generated file, a test's snapshot. No wall: who writes a value so that no form of it stands in
// the file (encrypted, a byte at a time in no order) writes it. Pure: knows bytes, not files.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "launcher/values/known_values.h"

namespace agentbox::values {

// The writes through one open file description, in their order. Not thread-safe: concurrent writes
// through one description are the caller's to order. Takes no memory before the first write with a
// value released, then twice ValueSet::reach() (for usual values some hundred bytes,
// at most 8 KiB) and, from a hit to the next write, a copy of a write; both are wiped.
class WriteGuard {
 public:
  enum class Choice { kMask, kDeny };

  struct Hit {
    std::uint64_t offset;  // in the file, bytes
    std::size_t length;    // bytes
    std::size_t written;   // so many of the first of them were written before this write
    std::uint32_t source;  // as given to KnownValues::add()
  };

  struct Result {
    bool denied = false;          // nothing is to be written
    std::span<const char> bytes;  // to be written: as long as what was given
    std::span<const Hit> hits;    // to be logged, also if denied
  };

  // `released` outlives the guard. What is released later counts from then on.
  WriteGuard(const KnownValues& released, Choice choice) : released_(released), choice_(choice) {}
  ~WriteGuard();
  WriteGuard(const WriteGuard&) = delete;
  WriteGuard& operator=(const WriteGuard&) = delete;

  // To be asked before `bytes` are written at `offset`; the answer is valid until the next call and
  // as long as `bytes`. kMask: every byte of a released value's form but a newline becomes '*', so
  // that lengths and lines stay. Without a hit `bytes` come back as they are, without a copy.
  //
  // A value that is split over two writes, the second beginning where the first ended, is a hit of
  // the second: its bytes in that are masked, but Hit::written bytes are in the file. Whoever can
  // write to the file masks them there: [offset, offset + written). A value split over writes in
  // another order, or of which the second never comes, is not noticed.
  // Throws base::Error if memory cannot be locked: then nothing is to be written.
  Result check(std::uint64_t offset, std::span<const char> bytes);

 private:
  void find(std::uint64_t offset, std::string_view text);
  void remember(std::uint64_t offset, std::string_view text);

  const KnownValues& released_;
  const Choice choice_;
  std::uint64_t generation_ = 0;
  std::shared_ptr<const ValueSet> set_;
  std::vector<char> tail_;      // what was written last, as it was given
  std::uint64_t tail_end_ = 0;  // where in the file it ended
  std::vector<char> masked_;
  std::vector<Match> matches_;
  std::vector<Hit> hits_;
};

}  // namespace agentbox::values
