#include "launcher/terminal/masker.h"

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <mutex>
#include <optional>
#include <utility>

#include "base/encode.h"
#include "base/error.h"
#include "launcher/terminal/automaton.h"
#include "launcher/values/forms.h"

namespace agentbox::terminal {
namespace {

constexpr std::size_t kTypedHistory = 256;  // bytes
// What release_echo() may show of a value. Shorter than any value.
constexpr std::size_t kShortPrefix = values::kShortestValue - 1;

}  // namespace

struct MaskSet::Patterns {
  std::vector<std::string> marks;      // by name number
  std::optional<values::Forms> forms;  // until compiled
  std::optional<Automaton> automaton;
};

struct MaskSet::Current {
  std::shared_ptr<const Patterns> take() const {
    const std::lock_guard lock(mutex);
    return patterns;
  }

  mutable std::mutex mutex;
  std::shared_ptr<Patterns> patterns = std::make_shared<Patterns>();
  std::atomic<std::uint64_t> version{0};  // changes after `patterns` has
};

MaskSet::MaskSet() : current_(std::make_unique<Current>()) {}
MaskSet::~MaskSet() = default;
MaskSet::MaskSet(MaskSet&&) noexcept = default;
MaskSet& MaskSet::operator=(MaskSet&&) noexcept = default;

bool MaskSet::add(const std::string& name, const resolver::Secret& value) {
  Patterns& patterns = *current_->patterns;
  if (patterns.automaton) {
    throw base::Error(base::Status::kFailed, "a value was added to a finished set of masks");
  }
  if (!patterns.forms) {
    patterns.forms.emplace();
  }
  const auto number = static_cast<std::uint32_t>(patterns.marks.size());
  if (!patterns.forms->add(value.reveal(), number)) {
    return false;
  }
  patterns.marks.push_back("<concealed by agentbox:" + base::printable(name) + ">");
  return true;
}

void MaskSet::compile() {
  Patterns& patterns = *current_->patterns;
  if (!patterns.marks.empty() && !patterns.automaton) {
    patterns.automaton.emplace(*patterns.forms);
  }
  patterns.forms.reset();
}

bool MaskSet::empty() const { return current_->take()->marks.empty(); }

void MaskSet::replace(MaskSet next) {
  std::shared_ptr<Patterns> patterns = std::move(next.current_->patterns);
  const std::lock_guard lock(current_->mutex);
  const std::vector<std::string>& old = current_->patterns->marks;
  if (patterns->forms || patterns->marks.size() < old.size() ||
      !std::equal(old.begin(), old.end(), patterns->marks.begin())) {
    throw base::Error(base::Status::kFailed, "a set of masks does not continue the one before");
  }
  current_->patterns = std::move(patterns);
  ++current_->version;
}

// Offsets count the bytes of the stream from its beginning.
struct Masker::State {
  struct Range {  // found, to be concealed; may still grow
    std::uint64_t begin, end;
    std::size_t longest;  // text in it; its name is shown
    std::uint32_t name;
    bool marked;  // shown already
  };

  State(const MaskSet::Current& set, bool with_user)
      : current(set), version(set.version), patterns(set.take()), interactive(with_user) {}

  const MaskSet::Current& current;
  std::uint64_t version;  // of `patterns`, or an earlier one
  std::shared_ptr<const MaskSet::Patterns> patterns;
  const bool interactive;
  Automaton::State state = Automaton::kStart;
  std::uint64_t position = 0;  // bytes taken
  std::uint64_t decided = 0;   // bytes shown or concealed
  std::vector<Range> ranges;   // not over yet, in order, disjoint
  std::vector<Automaton::Match> matches;
  resolver::Secret tail;  // the last `tail_size` bytes: all that may begin a text
  std::size_t tail_size = 0;
  resolver::Secret typed_bytes;
  std::size_t typed_size = 0;

  void follow();
  void take(std::string_view text);
  void add(Range range);
  void show(std::uint64_t until, std::string_view input, std::string& out);
  void settle(std::uint64_t safe, std::string_view input, std::string& out);
  void keep(std::string_view input, std::size_t size);
  void mark(Range& range, std::string& out);
  void let_out(std::string& out);
  bool echoes() const;
};

// Goes over to the set that is in force. What is held may begin a text of the new set as well; what
// was shown before cannot, as the command did not know the new values.
void Masker::State::follow() {
  const std::uint64_t now = current.version;
  if (now == version) {
    return;
  }
  version = now;
  patterns = current.take();
  state = Automaton::kStart;
  if (!patterns->automaton) {
    return;
  }
  resolver::Secret held = std::move(tail);
  tail = resolver::Secret(std::max(patterns->automaton->longest(), held.size()));
  const std::string_view bytes = held.reveal().substr(0, tail_size);
  std::vector<Range> all = std::move(ranges);
  ranges.clear();
  position -= bytes.size();
  take(bytes);
  all.insert(all.end(), ranges.begin(), ranges.end());
  std::sort(all.begin(), all.end(),
            [](const Range& a, const Range& b) { return a.begin < b.begin; });
  ranges.clear();
  for (const Range& range : all) {
    add(range);
  }
  tail_size = 0;
  keep(bytes, patterns->automaton->depth(state));
}

// Finds what ends in `text`, which follows what was taken before.
void Masker::State::take(std::string_view text) {
  matches.clear();
  state = patterns->automaton->scan(state, text, matches);
  for (const Automaton::Match& match : matches) {
    const std::uint64_t end = position + match.end;
    add({end - match.length, end, match.length, match.name, false});
  }
  position += text.size();
}

// Overlapping finds become one, under the name of the longest: no part of either is left.
void Masker::State::add(Range range) {
  while (!ranges.empty() && ranges.back().end > range.begin) {
    const Range& before = ranges.back();
    range.begin = std::min(range.begin, before.begin);
    range.end = std::max(range.end, before.end);
    range.marked |= before.marked;
    if (before.longest >= range.longest) {
      range.longest = before.longest;
      range.name = before.name;
    }
    ranges.pop_back();
  }
  ranges.push_back(range);
}

// Bytes as they are, up to `until`. `input` is what was taken last, before keep().
void Masker::State::show(std::uint64_t until, std::string_view input, std::string& out) {
  if (until <= decided) {
    return;
  }
  const std::uint64_t start = position - input.size();
  if (decided < start) {
    const std::uint64_t tail_start = start - tail_size, stop = std::min(until, start);
    out.append(tail.reveal().substr(decided - tail_start, stop - decided));
    decided = stop;
  }
  if (until > decided) {
    out.append(input.substr(decided - start, until - decided));
    decided = until;
  }
}

void Masker::State::mark(Range& range, std::string& out) {
  if (!range.marked) {
    out.append(patterns->marks[range.name]);
    range.marked = true;
  }
  decided = std::max(decided, range.end);
}

// Nothing found later can begin before `safe`: decides about everything up to there.
void Masker::State::settle(std::uint64_t safe, std::string_view input, std::string& out) {
  auto range = ranges.begin();
  for (; range != ranges.end() && range->begin < safe; ++range) {
    show(range->begin, input, out);
    if (range->end > safe) {
      decided = std::max(decided, safe);  // concealed; the rest may still grow
      break;
    }
    mark(*range, out);
  }
  const bool open = range != ranges.end() && range->begin < safe;
  ranges.erase(ranges.begin(), range);
  if (!open) {
    show(safe, input, out);
  }
}

void Masker::State::keep(std::string_view input, std::size_t size) {
  if (tail.empty()) {
    tail = resolver::Secret(patterns->automaton->longest());
  }
  char* const data = tail.bytes().data();
  if (size > input.size()) {
    const std::size_t old = size - input.size();
    std::memmove(data, data + (tail_size - old), old);
    std::memcpy(data + old, input.data(), input.size());
  } else if (size > 0) {
    std::memcpy(data, input.data() + (input.size() - size), size);
  }
  tail_size = size;
}

// Shows what is held, and goes on tracking it.
void Masker::State::let_out(std::string& out) {
  for (Range& range : ranges) {
    show(range.begin, {}, out);
    mark(range, out);
  }
  show(position, {}, out);
}

// All that is held, in one piece, is what the user typed. Bytes typed here and there do not count,
// or a box could get a value shown letter by letter.
bool Masker::State::echoes() const {
  return typed_size > 0 &&
         typed_bytes.reveal().substr(0, typed_size).find(tail.reveal().substr(0, tail_size)) !=
             std::string_view::npos;
}

Masker::Masker(const MaskSet& set, bool interactive)
    : state_(std::make_unique<State>(*set.current_, interactive)) {
  if (!state_->patterns->marks.empty() && !state_->patterns->automaton) {
    throw base::Error(base::Status::kFailed, "the set of masks was not finished before its use");
  }
}

Masker::~Masker() = default;

void Masker::feed(std::string_view input, std::string& out) {
  State& s = *state_;
  s.follow();
  if (!s.patterns->automaton) {
    out.append(input);
    return;
  }
  s.take(input);
  const std::size_t depth = s.patterns->automaton->depth(s.state);
  s.settle(s.position - depth, input, out);
  s.keep(input, depth);
  if (s.interactive && holding() && s.echoes()) {
    s.let_out(out);
  }
}

void Masker::typed(std::string_view input) {
  State& s = *state_;
  if (!s.interactive || !s.patterns->automaton) {
    return;
  }
  if (s.typed_bytes.empty()) {
    s.typed_bytes = resolver::Secret(kTypedHistory);
  }
  input = input.substr(input.size() - std::min(input.size(), kTypedHistory));
  const std::size_t kept = std::min(s.typed_size, kTypedHistory - input.size());
  char* const data = s.typed_bytes.bytes().data();
  std::memmove(data, data + (s.typed_size - kept), kept);
  std::memcpy(data + kept, input.data(), input.size());
  s.typed_size = kept + input.size();
}

void Masker::release_echo(std::string& out) {
  State& s = *state_;
  if (!s.interactive || !holding()) {
    return;
  }
  if (s.tail_size <= kShortPrefix || s.echoes()) {
    s.let_out(out);
  } else if (!s.ranges.empty() && s.ranges.front().begin <= s.decided) {
    s.mark(s.ranges.front(), out);  // whole already; what would lengthen it is concealed later
  }
}

bool Masker::holding() const { return state_->decided < state_->position; }

void Masker::finish(std::string& out) {
  State& s = *state_;
  s.settle(s.position, {}, out);
  s.state = Automaton::kStart;
  s.tail_size = 0;
}

}  // namespace agentbox::terminal
