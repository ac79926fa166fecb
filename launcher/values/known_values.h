// Values that are known to be secret, to be found again wherever they turn up: as they are, or in
// one of their encoded forms (forms.h). No value is kept: only keyed fingerprints of its forms.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace agentbox::values {

inline constexpr std::size_t kShortestKnown = 8;  // bytes; less is found in any file

// Where a form of a value stands in a text.
struct Match {
  std::size_t offset = 0, length = 0;  // bytes
  std::uint32_t source = 0;            // as given to KnownValues::add()
};

// What was known at one moment. Immutable; any thread may use it.
class ValueSet {
 public:
  // No form is longer. Who looks at a file through windows lets them overlap by it. Of a longer
  // value each line, and each piece of this length, is looked for by itself.
  static constexpr std::size_t kReach = 4 * 1024;

  ~ValueSet();
  bool empty() const;
  // Appends the matches in `text`, by offset; overlapping ones are joined, under the first's
  // source. A match is certain but for a collision of a keyed 64-bit hash.
  void find(std::string_view text, std::vector<Match>& matches) const;
  // A keyed digest of what is in it, the same for the same values under one key: a verdict that was
  // reached with this set holds for an equal one.
  std::uint64_t digest() const;

 private:
  friend class KnownValues;
  struct Table;
  explicit ValueSet(std::unique_ptr<const Table> table);
  std::unique_ptr<const Table> table_;
};

// Grows while a session runs. Thread-safe.
class KnownValues {
 public:
  // The fingerprints are keyed with `key` (16 bytes or more; random, kept from every box): without
  // it they tell nothing, not even to who guesses the value. Kept in locked memory. Throws
  // base::Error if memory cannot be locked.
  explicit KnownValues(std::string_view key);
  ~KnownValues();

  // False, and nothing added, if the value is too short or too ordinary to be told from other text
  // (`localhost`, `development`, `12345678`, a path). `source` names it in matches: the number
  // of the file it stands in, of the secret that was released.
  bool add(std::string_view value, std::uint32_t source);

  // A cheap look at what is known now; the same pointer until add() has changed something.
  std::shared_ptr<const ValueSet> snapshot() const;
  // Grows with each change of the snapshot.
  std::uint64_t generation() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace agentbox::values
