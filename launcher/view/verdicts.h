// Which parts of which files were searched in vain, so that they need no search when the box's
// kernel has dropped their pages and asks again. Bounded; thread-safe.
#pragma once

#include <sys/types.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <unordered_set>

#include "launcher/view/inode.h"

namespace agentbox::view {

class Verdicts {
 public:
  static constexpr std::size_t kBlock = 128 * 1024;  // bytes; what a verdict is about
  // Some 8 MiB of memory in all. Half of it is forgotten when it is full.
  static constexpr std::size_t kMost = 200'000;

  // A file as it was, and what it was searched for (Secrets::digest()).
  struct State {
    Identity identity;
    std::int64_t born, modified, changed;  // nanoseconds since the epoch
    std::int64_t size;
    std::uint64_t digest;

    State(const Inode& inode, std::uint64_t searched_for);
    bool operator==(const State&) const = default;
    // Whether the file has been left alone for so long that it cannot change again without a new
    // change time: not within one tick of the clock, nor in a page that some program has mapped and
    // that is not written back yet.
    bool settled() const;
  };

  Verdicts();

  // Whether all of [offset, offset + size), as far as the file goes, is known to be clean.
  bool clean(const State& state, off_t offset, std::size_t size) const;
  // [offset, offset + size), from a block's start, was searched in vain, and the file was in this
  // state before and after. A last part of a block counts if the file ends in it.
  void note_clean(const State& state, off_t offset, std::size_t size);

  // The same about a whole file, of which what is sent is searched again: needs no settled state.
  bool holds_nothing(const State& state) const;
  void note_holds_nothing(const State& state);

 private:
  std::uint64_t name(const State& state, std::uint64_t block) const;
  bool known(std::uint64_t name) const;
  void note(std::uint64_t name);

  std::array<unsigned char, 16> key_;
  mutable std::mutex mutex_;
  // Names of blocks, keyed: no box can make a file that is taken for another.
  std::unordered_set<std::uint64_t> young_, old_;
};

}  // namespace agentbox::view
