// Values that are known to be secret, to be found again wherever they turn up: as they are, or in
// one of their encoded forms (forms.h). No value is kept: only keyed fingerprints of its forms.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
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
  // value each line, and each piece of some 570 bytes, is looked for by itself.
  static constexpr std::size_t kReach = 4 * 1024;

  ~ValueSet();
  ValueSet(const ValueSet&) = delete;
  ValueSet& operator=(const ValueSet&) = delete;

  bool empty() const;
  // The longest that a match can be, bytes, with what tells it from other text; at most kReach, and
  // 0 if it is empty.
  std::size_t reach() const;
  // Appends the matches in `text`, by offset, also of what is broken into lines of 16 or more
  // encoded characters (wrapped.h) or shown in a dump (dumped.h): a match then holds the line
  // breaks within it, and of a dump the rest of the last line; overlapping ones are joined, under
  // the source of the first (of those that begin together, the longest). A match is certain but for
  // a collision of a keyed 64-bit hash.
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
  // it they tell nothing, not even to who guesses the value. The key, the filter that is looked at
  // for each byte of a text, and a value while it is encoded are in locked memory: at most 3 MiB
  // of it. The fingerprints (SipHash) are in ordinary memory, 24 bytes a form, so that some ten
  // thousand values do not use up RLIMIT_MEMLOCK. Throws base::Error (kFailed) if memory cannot be
  // locked; kConfiguration for a shorter key.
  explicit KnownValues(std::string_view key);
  ~KnownValues();

  // False, and nothing added, if the value is too short or too ordinary to be told from other text
  // (`localhost`, `development`, `12345678`, a path), or a reference to a secret (`op://…`,
  // `${NAME}`). `key` is the name that it stands under ("" if none), and decides: `production1` is
  // ordinary as a DB_NAME and not as a DB_PASSWORD. `source` names it in matches: the number of the
  // file it stands in, of the secret that was released; of a value that is known already the first
  // source stays. Costs some 40 microseconds. Throws base::Error if memory cannot be locked, and
  // the value is then not known.
  bool add(std::string_view value, std::string_view key, std::uint32_t source);

  // What is known now; the same pointer, at the price of a shared_ptr's copy, until add() has
  // changed something. Then a new set is made: some microseconds for each value added since, now
  // and then a few milliseconds. Throws as add() does.
  std::shared_ptr<const ValueSet> snapshot() const;
  // Whether nothing was added: one atomic load.
  bool empty() const;
  // Grows with each change of the snapshot.
  std::uint64_t generation() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace agentbox::values
