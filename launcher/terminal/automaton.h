// Finds any of many texts in a stream in one pass (Aho and Corasick, CACM 18(6), 1975), with
// Wu and Manber's shift table (TR-94-17, University of Arizona) to leap over what cannot match.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "launcher/values/forms.h"
#include "resolver/secret.h"

namespace agentbox::terminal {

// `count` zeroed elements of a trivial type in locked, wiped memory.
template <typename T>
class LockedArray {
 public:
  LockedArray() = default;
  // A multiple of 64 bytes: sodium_malloc(3) aligns the end of what it returns, not the start.
  explicit LockedArray(std::size_t count)
      : memory_((count * sizeof(T) + 63) / 64 * 64),
        data_(reinterpret_cast<T*>(memory_.bytes().data())),
        size_(count) {}

  T& operator[](std::size_t i) { return data_[i]; }
  const T& operator[](std::size_t i) const { return data_[i]; }
  std::span<T> span() { return {data_, size_}; }
  std::span<const T> span() const { return {data_, size_}; }

 private:
  resolver::Secret memory_;
  T* data_ = nullptr;
  std::size_t size_ = 0;
};

// Immutable; any thread may use it. What could tell a value lies in locked memory: about six bytes
// for each byte of the texts.
class Automaton {
 public:
  using State = std::uint32_t;
  static constexpr State kStart = 0;

  // The longest text that ends at `end` (an offset in the scanned piece, past the last byte).
  struct Match {
    std::size_t end, length;
    std::uint32_t name;
  };

  // Of equal texts the first one's name stays. `forms` holds at least one.
  // Throws base::Error if memory cannot be locked.
  explicit Automaton(const values::Forms& forms);

  // Appends to `matches`; returns the state to go on from.
  State scan(State state, std::string_view text, std::vector<Match>& matches) const;

  // The number of bytes before the current position that may begin a text.
  std::size_t depth(State state) const;

  std::size_t longest() const { return longest_; }

 private:
  struct Edge {  // to a further child; the first child of a node is always the next node
    State parent, target;
    std::uint8_t label;
  };
  struct Terminal {
    State state;
    std::uint32_t name;
    std::size_t length;
  };
  struct Run {  // of nodes that each are the only new child of the one before
    State first;
    std::size_t depth;
  };

  void build_trie(const values::Forms& forms, const std::vector<const values::Forms::Form*>& sorted,
                  std::vector<State>& parents);
  void link_failures(const std::vector<State>& parents);
  void build_shifts(const values::Forms& forms);
  State child(State state, std::uint8_t byte) const;
  State step(State state, std::uint8_t byte) const;
  const Terminal& terminal(State state) const;

  LockedArray<std::uint8_t> labels_, flags_, shifts_;
  LockedArray<State> failures_, roots_;
  LockedArray<Edge> edges_;
  std::vector<Terminal> terminals_;  // by state
  std::vector<Run> runs_;            // by first
  std::size_t longest_ = 0, window_ = 0;
};

}  // namespace agentbox::terminal
