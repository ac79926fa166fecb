#include "launcher/terminal/automaton.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <numeric>

#include "base/error.h"

namespace agentbox::terminal {
namespace {

constexpr std::uint8_t kHasChild = 1;    // the next node
constexpr std::uint8_t kBranches = 2;    // and more, in edges_
constexpr std::uint8_t kTerminal = 4;    // a text ends here
constexpr std::uint8_t kSuffixEnds = 8;  // a shorter text ends here
constexpr std::size_t kWidestWindow = 16;

std::size_t pair(unsigned char first, unsigned char second) {
  return static_cast<std::size_t>(first) << 8 | second;
}

std::size_t common_prefix(std::string_view a, std::string_view b) {
  return static_cast<std::size_t>(std::mismatch(a.begin(), a.end(), b.begin(), b.end()).first -
                                  a.begin());
}

}  // namespace

Automaton::Automaton(const values::Forms& forms) {
  std::vector<const values::Forms::Form*> sorted;
  for (const values::Forms::Form& form : forms.all()) {
    sorted.push_back(&form);
    longest_ = std::max(longest_, form.length);
  }
  std::stable_sort(sorted.begin(), sorted.end(),
                   [&](const auto* a, const auto* b) { return forms.text(*a) < forms.text(*b); });
  std::vector<State> parents;
  build_trie(forms, sorted, parents);
  link_failures(parents);
  build_shifts(forms);
}

// Texts in order make the trie in depth-first order: a node's first child is the node after it, so
// that most nodes need no pointer to a child.
void Automaton::build_trie(const values::Forms& forms,
                           const std::vector<const values::Forms::Form*>& sorted,
                           std::vector<State>& parents) {
  std::size_t nodes = 1, branches = 0;
  std::string_view previous;
  for (const values::Forms::Form* form : sorted) {
    const std::string_view text = forms.text(*form);
    const std::size_t shared = common_prefix(previous, text);
    nodes += text.size() - shared;
    branches += shared < previous.size() && shared < text.size() && shared > 0;
    previous = text;
  }
  if (nodes > std::numeric_limits<State>::max()) {
    throw base::Error(base::Status::kFailed, "the released values are too long to be masked");
  }
  labels_ = LockedArray<std::uint8_t>(nodes);
  flags_ = LockedArray<std::uint8_t>(nodes);
  failures_ = LockedArray<State>(nodes);
  roots_ = LockedArray<State>(256);
  if (branches > 0) {
    edges_ = LockedArray<Edge>(branches);
  }
  parents.assign(nodes, kStart);

  std::vector<State> path(longest_ + 1, kStart);
  State next = 1;
  std::size_t edge = 0;
  previous = {};
  for (const values::Forms::Form* form : sorted) {
    const std::string_view text = forms.text(*form);
    if (text == previous) {
      continue;
    }
    const std::size_t shared = common_prefix(previous, text);
    runs_.push_back({next, shared + 1});
    for (std::size_t i = shared; i < text.size(); ++i) {
      const State parent = path[i], node = next++;
      const auto label = static_cast<std::uint8_t>(text[i]);
      labels_[node] = label;
      parents[node] = parent;
      if (parent == kStart) {
        roots_[label] = node;
      } else if (flags_[parent] & kHasChild) {
        flags_[parent] |= kBranches;
        edges_[edge++] = {parent, node, label};
      } else {
        flags_[parent] |= kHasChild;
      }
      path[i + 1] = node;
    }
    flags_[path[text.size()]] |= kTerminal;
    terminals_.push_back({path[text.size()], form->name, text.size()});
    previous = text;
  }
  const auto edges = edges_.span();
  std::sort(edges.begin(), edges.end(), [](const Edge& a, const Edge& b) {
    return a.parent != b.parent ? a.parent < b.parent : a.label < b.label;
  });
}

void Automaton::link_failures(const std::vector<State>& parents) {
  // Breadth first: a node's failure is nearer to the root than the node.
  std::vector<State> depths(parents.size(), 0), order(parents.size());
  for (State node = 1; node < parents.size(); ++node) {
    depths[node] = depths[parents[node]] + 1;
  }
  std::vector<std::size_t> starts(longest_ + 2, 0);
  for (State depth : depths) {
    ++starts[depth + 1];
  }
  std::partial_sum(starts.begin(), starts.end(), starts.begin());
  for (State node = 0; node < parents.size(); ++node) {
    order[starts[depths[node]]++] = node;
  }
  for (State node : order) {
    if (depths[node] < 2) {
      continue;
    }
    const State failure = step(failures_[parents[node]], labels_[node]);
    failures_[node] = failure;
    if (flags_[failure] & (kTerminal | kSuffixEnds)) {
      flags_[node] |= kSuffixEnds;
    }
  }
}

// shifts_[two bytes]: how far the window may move on if these are its last two bytes.
void Automaton::build_shifts(const values::Forms& forms) {
  window_ = kWidestWindow;
  for (const values::Forms::Form& form : forms.all()) {
    window_ = std::min(window_, form.length);
  }
  shifts_ = LockedArray<std::uint8_t>(65536);
  std::fill(shifts_.span().begin(), shifts_.span().end(), static_cast<std::uint8_t>(window_ - 1));
  for (const values::Forms::Form& form : forms.all()) {
    const std::string_view text = forms.text(form);
    for (std::size_t i = 0; i + 1 < window_; ++i) {
      std::uint8_t& shift = shifts_[pair(static_cast<unsigned char>(text[i]),
                                         static_cast<unsigned char>(text[i + 1]))];
      shift = std::min(shift, static_cast<std::uint8_t>(window_ - 2 - i));
    }
  }
}

// kStart if there is none: no node has the root as its child.
Automaton::State Automaton::child(State state, std::uint8_t byte) const {
  if (state == kStart) {
    return roots_[byte];
  }
  const std::uint8_t flags = flags_[state];
  if ((flags & kHasChild) && labels_[state + 1] == byte) {
    return state + 1;
  }
  if (flags & kBranches) {
    const auto edges = edges_.span();
    const auto at = std::lower_bound(
        edges.begin(), edges.end(), Edge{state, 0, byte}, [](const Edge& a, const Edge& b) {
          return a.parent != b.parent ? a.parent < b.parent : a.label < b.label;
        });
    if (at != edges.end() && at->parent == state && at->label == byte) {
      return at->target;
    }
  }
  return kStart;
}

Automaton::State Automaton::step(State state, std::uint8_t byte) const {
  State next = child(state, byte);
  while (next == kStart && state != kStart) {
    state = failures_[state];
    next = child(state, byte);
  }
  return next;
}

const Automaton::Terminal& Automaton::terminal(State state) const {
  while (!(flags_[state] & kTerminal)) {
    state = failures_[state];
  }
  return *std::lower_bound(terminals_.begin(), terminals_.end(), state,
                           [](const Terminal& a, State b) { return a.state < b; });
}

Automaton::State Automaton::scan(State state, std::string_view text,
                                 std::vector<Match>& matches) const {
  const auto* bytes = reinterpret_cast<const unsigned char*>(text.data());
  const std::size_t size = text.size();
  const std::uint8_t* shifts = &shifts_[0];
  for (std::size_t i = 0; i < size; ++i) {
    if (state == kStart) {
      // Nothing is open, so a text can only begin at i or later.
      while (i + window_ <= size) {
        const std::size_t shift = shifts[pair(bytes[i + window_ - 2], bytes[i + window_ - 1])];
        if (shift == 0) {
          break;
        }
        i += shift;
      }
    }
    state = step(state, bytes[i]);
    if (flags_[state] & (kTerminal | kSuffixEnds)) {
      const Terminal& found = terminal(state);
      matches.push_back({i + 1, found.length, found.name});
    }
  }
  return state;
}

std::size_t Automaton::depth(State state) const {
  if (state == kStart) {
    return 0;
  }
  const auto after =
      std::upper_bound(runs_.begin(), runs_.end(), state,
                       [](State value, const Run& run) { return value < run.first; });
  const Run& run = *std::prev(after);
  return run.depth + (state - run.first);
}

}  // namespace agentbox::terminal
