#include "launcher/values/known_values.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <mutex>
#include <unordered_map>
#include <unordered_set>

#include "launcher/values/dumped.h"
#include "launcher/values/fingerprints.h"
#include "launcher/values/forms.h"
#include "launcher/values/ordinary.h"
#include "launcher/values/rarity.h"
#include "launcher/values/wrapped.h"

namespace agentbox::values {
namespace {

// A value that is not longer is looked for as a whole: in no usual encoding does a byte take more
// than seven. A longer one in pieces of kPiece bytes, a multiple of 3 (base64), 57 (lines of
// base64(1)) and 30 (lines of xxd(1)), so that the pieces' encodings are those that stand in the
// encoding of the whole. Each reaches into the next, whose first characters depend on both.
constexpr std::size_t kLongestWhole = 585;
constexpr std::size_t kPiece = 570, kOverlap = 3;
constexpr std::size_t kShortestPiece = 24;  // a shorter rest goes to the piece before it
// openssl-base64(1) breaks its lines after 64 characters.
constexpr std::size_t kOpensslLine = 48;

// As many forms may share a window (those of one value do), before another window is looked for.
constexpr std::size_t kCrowded = 32;
// New forms are sorted into the large index when they are this many, or a quarter of it.
constexpr std::size_t kManyNew = 4096;

// Of a form the characters beside it that hold bits of it.
constexpr std::size_t kShared = 2;

constexpr std::uint64_t kNothing = 1;  // the first generation

}  // namespace

struct ValueSet::Table {
  std::shared_ptr<const Hashes> hashes;
  std::shared_ptr<const FingerprintIndex> large;  // shared by successive sets
  FingerprintIndex recent;
  WindowFilter filter;
  std::uint64_t digest;
  std::size_t longest, reach;  // form, and its place in a text that is broken into lines; bytes

  // Appends what is found by the window at `at`.
  void confirm(std::string_view text, std::size_t at, std::vector<Match>& matches) const {
    const std::uint64_t window = hashes->of_window(text.data() + at);
    const auto check = [&](const Fingerprint& print) {
      if (print.offset > at || print.length > text.size() - (at - print.offset)) {
        return;
      }
      const std::size_t begin = at - print.offset;
      if (hashes->of_text(text.substr(begin, print.length)) == print.text) {
        const std::size_t end = begin + print.length;
        const std::size_t before = print.shares_before && begin > 0 && is_encoded(text[begin - 1]);
        const std::size_t after = print.shares_after && end < text.size() && is_encoded(text[end]);
        matches.push_back({begin - before, before + print.length + after, print.source});
      }
    };
    large->each(window, check);
    recent.each(window, check);
  }

  // Appends all matches, in no order.
  void search(std::string_view text, std::vector<Match>& matches) const {
    if (text.size() < kWindow) {
      return;
    }
    const std::uint64_t* words = filter.words();
    const int shift = filter.shift();
    const std::uint64_t first = hashes->quick_first();
    const std::uint64_t second = hashes->quick_second();
    const char* data = text.data();
    const std::size_t end = text.size() - kWindow + 1;
    for (std::size_t at = 0; at < end; ++at) {
      std::uint64_t bytes;
      std::memcpy(&bytes, data + at, sizeof bytes);
      const std::uint64_t hash = Hashes::mix(bytes, first, second);
      if (WindowFilter::may_hold(words[hash >> shift], hash)) [[unlikely]] {
        confirm(text, at, matches);
      }
    }
  }

  // Appends those that a line break parts. Returns where dumps may begin, or npos.
  std::size_t search_wrapped(std::string_view text, std::vector<Match>& matches) const {
    std::vector<Match> joined;
    WrappedRuns runs(text);
    while (runs.next(longest + kShared)) {
      joined.clear();
      search(runs.joined(), joined);
      for (const Match& match : joined) {
        const std::size_t last = match.offset + match.length;
        if (runs.is_broken(match.offset, last)) {
          const std::size_t begin = runs.place(match.offset);
          matches.push_back({begin, runs.place(last - 1) + 1 - begin, match.source});
        }
      }
    }
    return runs.first_dumped();
  }

  // Appends those that a dump shows: to the end of the line, where the characters stand again.
  void search_dumped(std::string_view text, std::size_t from, std::vector<Match>& matches) const {
    constexpr std::size_t kLongestGroup = 8;  // bytes of a number, of which the last stands first
    std::vector<Match> dumped;
    DumpedRuns runs(text, from);
    while (runs.next(longest + kShared)) {
      dumped.clear();
      search(runs.joined(), dumped);
      for (const Match& match : dumped) {
        std::size_t begin = runs.place(match.offset);
        for (std::size_t i = 1; i < std::min(kLongestGroup, match.length); ++i) {
          begin = std::min(begin, runs.place(match.offset + i));
        }
        const std::size_t end = runs.line_end(match.offset + match.length - 1);
        matches.push_back({begin, end - begin, match.source});
      }
    }
  }
};

ValueSet::ValueSet(std::unique_ptr<const Table> table) : table_(std::move(table)) {}
ValueSet::~ValueSet() = default;
bool ValueSet::empty() const { return table_->reach == 0; }
std::size_t ValueSet::reach() const { return table_->reach; }
std::uint64_t ValueSet::digest() const { return table_->digest; }

void ValueSet::find(std::string_view text, std::vector<Match>& matches) const {
  if (empty() || text.size() < kWindow) {
    return;
  }
  const std::size_t first_match = matches.size();
  table_->search(text, matches);
  if (const std::size_t dumped = table_->search_wrapped(text, matches); dumped < text.size()) {
    table_->search_dumped(text, dumped, matches);
  }
  // Windows stand in the middle of forms: what was found later may begin earlier.
  const auto begin = matches.begin() + static_cast<std::ptrdiff_t>(first_match);
  std::sort(begin, matches.end(), [](const Match& a, const Match& b) {
    return std::tuple(a.offset, b.length, a.source) < std::tuple(b.offset, a.length, b.source);
  });
  auto last = begin;
  for (auto match = begin; match != matches.end(); ++match) {
    if (match == begin) {
      continue;
    }
    if (match->offset < last->offset + last->length) {
      last->length = std::max(last->length, match->offset + match->length - last->offset);
    } else {
      *++last = *match;
    }
  }
  if (begin != matches.end()) {
    matches.erase(last + 1, matches.end());
  }
}

struct KnownValues::State {
  explicit State(std::string_view key) : hashes(std::make_shared<Hashes>(key)) {}

  bool insert(std::uint64_t print) {
    if (!members.insert(print).second) {
      return false;
    }
    digest += hashes->of_member(print);
    return true;
  }

  // What is new, and worth knowing, of a value: its forms.
  void take_whole(std::string_view value, std::uint32_t source);
  void take_long(std::string_view value, std::uint32_t source);
  void take_lines(std::string_view value, std::uint32_t source);
  void take_forms();
  std::size_t choose_window(std::string_view form) const;
  std::size_t crowd(std::string_view form, std::size_t window) const;
  std::shared_ptr<const ValueSet> publish();

  const std::shared_ptr<const Hashes> hashes;
  std::mutex mutex;  // guards what follows
  Forms forms;
  std::unordered_set<std::uint64_t> members;
  std::uint64_t digest = 0;
  std::size_t longest = 0, reach = 0;
  QuickHashes quick;
  std::shared_ptr<const FingerprintIndex> large = std::make_shared<FingerprintIndex>();
  std::vector<Fingerprint> recent;
  std::unordered_map<std::uint64_t, std::size_t> recent_windows;
  std::shared_ptr<const ValueSet> published;
  std::uint64_t published_generation = 0;
  std::atomic<std::uint64_t> generation = kNothing;
};

void KnownValues::State::take_whole(std::string_view value, std::uint32_t source) {
  if (insert(hashes->of_text(value))) {
    forms.add_encodings(value, source);
  }
}

void KnownValues::State::take_long(std::string_view value, std::uint32_t source) {
  for (std::size_t at = 0; at < value.size();) {
    std::size_t next = at + kPiece;
    if (next + kShortestPiece > value.size()) {
      next = value.size();
    }
    const std::string_view piece = value.substr(at, next - at + kOverlap);
    if (!is_monotonous(piece)) {
      take_whole(piece, source);
    }
    take_forms();  // so that the forms' memory stays small
    at = next;
  }
  for (std::size_t at = 0; at + kShortestKnown <= value.size(); at += kOpensslLine) {
    const std::string_view line = value.substr(at, kOpensslLine);
    if (!is_monotonous(line) && insert(hashes->of_line(line))) {
      forms.add_base64_line(line, source);
    }
  }
}

void KnownValues::State::take_lines(std::string_view value, std::uint32_t source) {
  for (const std::string_view line : secret_lines(value)) {
    if (line.size() >= kShortestKnown && line.size() <= kLongestWhole && !is_ordinary(line, "") &&
        insert(~hashes->of_line(line))) {
      forms.add_literal(line, source);
    }
  }
}

std::size_t KnownValues::State::crowd(std::string_view form, std::size_t window) const {
  const std::uint64_t hash = hashes->of_window(form.data() + window);
  const auto found = recent_windows.find(hash);
  std::size_t count = found == recent_windows.end() ? 0 : found->second;
  large->each(hash, [&](const Fingerprint&) { ++count; });
  return count;
}

// The rarest; but many values begin alike.
std::size_t KnownValues::State::choose_window(std::string_view form) const {
  const RareWindows windows = rare_windows(form);
  std::size_t best = windows.offsets[0], least = crowd(form, best);
  for (std::size_t i = 1; i < windows.count && least >= kCrowded; ++i) {
    const std::size_t count = crowd(form, windows.offsets[i]);
    if (count < least) {
      best = windows.offsets[i];
      least = count;
    }
  }
  return best;
}

void KnownValues::State::take_forms() {
  for (const Forms::Form& form : forms.all()) {
    const std::string_view text = forms.text(form);
    if (text.size() < kWindow || text.size() > ValueSet::kReach) {
      continue;
    }
    const std::size_t window = choose_window(text);
    const std::uint64_t hash = hashes->of_window(text.data() + window);
    quick.add(hashes->quick(text.data() + window));
    Fingerprint print{
        hash, hashes->of_text(text), form.name,        static_cast<std::uint16_t>(window),
        0,    form.shares_before,    form.shares_after};
    print.length = text.size() & 0x3fff;
    recent.push_back(print);
    ++recent_windows[hash];
    longest = std::max(longest, text.size());
    reach = std::max(reach, std::min(ValueSet::kReach, std::max(wrapped_length(text.size()),
                                                                dumped_length(text.size()))));
  }
  forms.clear();
}

std::shared_ptr<const ValueSet> KnownValues::State::publish() {
  if (recent.size() > std::max(kManyNew, large->all().size() / 4)) {
    std::vector<Fingerprint> all = large->all();
    all.insert(all.end(), recent.begin(), recent.end());
    large = std::make_shared<FingerprintIndex>(std::move(all));
    recent.clear();
    recent_windows.clear();
  }
  published.reset(new ValueSet(std::make_unique<const ValueSet::Table>(ValueSet::Table{
      hashes, large, FingerprintIndex(recent), WindowFilter(quick), digest, longest, reach})));
  published_generation = generation;
  return published;
}

KnownValues::KnownValues(std::string_view key) : state_(std::make_unique<State>(key)) {}
KnownValues::~KnownValues() = default;

bool KnownValues::add(std::string_view value, std::string_view key, std::uint32_t source) {
  value = trim_newlines(value);
  if (value.size() < kShortestKnown || is_ordinary(value, key)) {
    return false;
  }
  const std::lock_guard lock(state_->mutex);
  const std::size_t before = state_->members.size();
  try {
    if (value.size() <= kLongestWhole) {
      state_->take_whole(value, source);
    } else {
      state_->take_long(value, source);
    }
    state_->take_lines(value, source);
    state_->take_forms();
  } catch (...) {
    state_->forms.clear();
    throw;
  }
  if (state_->members.size() != before) {
    ++state_->generation;
  }
  return true;
}

std::shared_ptr<const ValueSet> KnownValues::snapshot() const {
  const std::lock_guard lock(state_->mutex);
  if (state_->published && state_->published_generation == state_->generation) {
    return state_->published;
  }
  return state_->publish();
}

bool KnownValues::empty() const { return state_->generation == kNothing; }

std::uint64_t KnownValues::generation() const { return state_->generation; }

}  // namespace agentbox::values
