// Keyed fingerprints of texts, and the two structures that a search looks them up in.
#pragma once

#include <sodium.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <vector>

#include "resolver/secret.h"

namespace agentbox::values {

// A text is first looked for by a window of this many of its bytes.
inline constexpr std::size_t kWindow = 8;

// The hashes of one set of values, all derived from one key, which is in locked memory.
// Thread-safe once made.
class Hashes {
 public:
  // BLAKE2b of `key`. Throws base::Error if it is shorter than 16 bytes or memory cannot be locked.
  explicit Hashes(std::string_view key);

  // SipHash-2-4 under keys of their own: without these the results tell nothing about the texts.
  std::uint64_t of_text(std::string_view text) const { return hash(0, text.data(), text.size()); }
  std::uint64_t of_window(const char* window) const { return hash(1, window, kWindow); }
  std::uint64_t of_line(std::string_view text) const { return hash(2, text.data(), text.size()); }
  std::uint64_t of_member(std::uint64_t print) const { return hash(3, &print, sizeof print); }

  // Fast, and weak: its results are kept in locked memory only.
  std::uint64_t quick(const char* window) const {
    std::uint64_t bytes;
    std::memcpy(&bytes, window, sizeof bytes);
    return mix(bytes, quick_[0], quick_[1]);
  }
  static std::uint64_t mix(std::uint64_t bytes, std::uint64_t first, std::uint64_t second) {
    __extension__ using Wide = unsigned __int128;
    const Wide product = static_cast<Wide>(bytes ^ first) * second;
    return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
  }
  std::uint64_t quick_first() const { return quick_[0]; }
  std::uint64_t quick_second() const { return quick_[1]; }

 private:
  static constexpr std::size_t kKeys = 4;

  std::uint64_t hash(std::size_t key, const void* data, std::size_t size) const {
    std::uint64_t result;
    ::crypto_shorthash(reinterpret_cast<unsigned char*>(&result),
                       static_cast<const unsigned char*>(data), size,
                       keys_ + key * crypto_shorthash_KEYBYTES);
    return result;
  }

  resolver::Secret memory_;
  const unsigned char* keys_;
  const std::uint64_t* quick_;
};

// One form of a value.
struct Fingerprint {
  std::uint64_t window;  // Hashes::of_window() of one of its windows
  std::uint64_t text;    // Hashes::of_text() of the whole
  std::uint32_t source;
  std::uint16_t offset;  // of the window in the text, bytes
  // Of the text, bytes; and whether the character before or after it holds bits of the value too.
  std::uint16_t length : 14, shares_before : 1, shares_after : 1;
};

// Fingerprints by their window. Immutable.
class FingerprintIndex {
 public:
  FingerprintIndex() = default;
  explicit FingerprintIndex(std::vector<Fingerprint> prints);

  const std::vector<Fingerprint>& all() const { return prints_; }

  // Calls visit(fingerprint) for each with this window.
  template <typename Visit>
  void each(std::uint64_t window, Visit&& visit) const {
    if (prints_.empty()) {
      return;
    }
    const std::size_t bucket = window >> shift_;
    for (std::uint32_t i = starts_[bucket]; i < starts_[bucket + 1]; ++i) {
      if (prints_[i].window == window) {
        visit(prints_[i]);
      }
    }
  }

 private:
  int shift_ = 63;
  std::vector<std::uint32_t> starts_;  // by the upper bits of the window; one more than buckets
  std::vector<Fingerprint> prints_;
};

// The quick hashes of all windows, of which a filter is made: weak, so in locked memory. Of each
// the bits that a filter uses, in half the room.
class QuickHashes {
 public:
  // Throws base::Error if memory cannot be locked.
  void add(std::uint64_t hash);
  std::size_t size() const { return used_; }
  std::uint64_t operator[](std::size_t i) const {
    return (std::uint64_t{data_[i]} & ~kLow) << 32 | (data_[i] & kLow);
  }

 private:
  static constexpr std::uint64_t kLow = 0xfff;

  resolver::Secret memory_;
  std::uint32_t* data_ = nullptr;
  std::size_t used_ = 0;
};

// Which windows may begin at a place: a Bloom filter with two bits in one word, in locked memory.
// Its size follows from the number of windows: 4 KiB to 1 MiB. Immutable.
class WindowFilter {
 public:
  // Throws base::Error if memory cannot be locked.
  explicit WindowFilter(const QuickHashes& hashes);

  // The word for a hash is words()[hash >> shift()].
  const std::uint64_t* words() const { return words_; }
  int shift() const { return shift_; }
  static bool may_hold(std::uint64_t word, std::uint64_t hash) {
    return (word >> (hash & 63) & word >> (hash >> 6 & 63) & 1) != 0;
  }

 private:
  resolver::Secret memory_;
  std::uint64_t* words_;
  int shift_;
};

}  // namespace agentbox::values
