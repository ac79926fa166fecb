#include "launcher/terminal/masker.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <optional>

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

MaskSet::MaskSet() : patterns_(std::make_unique<Patterns>()) {}
MaskSet::~MaskSet() = default;
MaskSet::MaskSet(MaskSet&&) noexcept = default;
MaskSet& MaskSet::operator=(MaskSet&&) noexcept = default;

bool MaskSet::add(const std::string& name, const resolver::Secret& value) {
  if (patterns_->automaton) {
    throw base::Error(base::Status::kFailed, "a value was added to a finished set of masks");
  }
  if (!patterns_->forms) {
    patterns_->forms.emplace();
  }
  const auto number = static_cast<std::uint32_t>(patterns_->marks.size());
  if (!patterns_->forms->add(value.reveal(), number)) {
    return false;
  }
  patterns_->marks.push_back("<concealed by agentbox:" + base::printable(name) + ">");
  return true;
}

void MaskSet::compile() {
  if (!patterns_->marks.empty() && !patterns_->automaton) {
    patterns_->automaton.emplace(*patterns_->forms);
  }
  patterns_->forms.reset();
}

bool MaskSet::empty() const { return patterns_->marks.empty(); }

// Offsets count the bytes of the stream from its beginning.
struct Masker::State {
  struct Range {  // found, to be concealed; may still grow
    std::uint64_t begin, end;
    std::size_t longest;  // text in it; its name is shown
    std::uint32_t name;
    bool marked;  // shown already
  };

  State(const MaskSet::Patterns& all, bool with_user) : patterns(all), interactive(with_user) {}

  const MaskSet::Patterns& patterns;
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

  void add(Range range);
  void show(std::uint64_t until, std::string_view input, std::string& out);
  void settle(std::uint64_t safe, std::string_view input, std::string& out);
  void keep(std::string_view input, std::size_t size);
  void mark(Range& range, std::string& out);
  void let_out(std::string& out);
  bool echoes() const;
};

// Overlapping finds become one, under the name of the longest: no part of either is left.
void Masker::State::add(Range range) {
  while (!ranges.empty() && ranges.back().end > range.begin) {
    const Range& before = ranges.back();
    range.begin = std::min(range.begin, before.begin);
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
    out.append(patterns.marks[range.name]);
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
    tail = resolver::Secret(patterns.automaton->longest());
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
    : state_(std::make_unique<State>(*set.patterns_, interactive)) {
  if (!set.empty() && !set.patterns_->automaton) {
    throw base::Error(base::Status::kFailed, "the set of masks was not finished before its use");
  }
}

Masker::~Masker() = default;

void Masker::feed(std::string_view input, std::string& out) {
  State& s = *state_;
  if (!s.patterns.automaton) {
    out.append(input);
    return;
  }
  s.matches.clear();
  s.state = s.patterns.automaton->scan(s.state, input, s.matches);
  for (const Automaton::Match& match : s.matches) {
    const std::uint64_t end = s.position + match.end;
    s.add({end - match.length, end, match.length, match.name, false});
  }
  s.position += input.size();
  const std::size_t depth = s.patterns.automaton->depth(s.state);
  s.settle(s.position - depth, input, out);
  s.keep(input, depth);
  if (s.interactive && holding() && s.echoes()) {
    s.let_out(out);
  }
}

void Masker::typed(std::string_view input) {
  State& s = *state_;
  if (!s.interactive || !s.patterns.automaton) {
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
