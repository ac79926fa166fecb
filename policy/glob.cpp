#include "policy/glob.h"

#include <algorithm>

#include "base/encode.h"
#include "base/error.h"

namespace agentbox::policy {

namespace {

using base::Error;
using base::Status;

constexpr std::size_t kLongestPattern = 1024;
constexpr std::size_t kNone = std::string_view::npos;

[[noreturn]] void refuse(const Pattern& pattern, const std::string& why, const std::string& hint) {
  throw Error(
      Status::kConfiguration,
      pattern.place.text() + ": the pattern \"" + base::printable(pattern.text) + "\" " + why,
      hint);
}

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }
char upper(char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; }

bool same(char a, char b, Case folding) {
  return a == b || (folding == Case::kFolded && lower(a) == lower(b));
}

// The index behind the "]" that ends the set which opens at `open`, or kNone. A "]" directly after
// "[" or "[!" is an ordinary member (POSIX 2.13.1).
std::size_t set_end(std::string_view text, std::size_t open) {
  std::size_t i = open + 1;
  if (i < text.size() && (text[i] == '!' || text[i] == '^')) {
    ++i;
  }
  for (const std::size_t first = i; i < text.size(); ++i) {
    if (text[i] == ']' && i != first) {
      return i + 1;
    }
  }
  return kNone;
}

bool set_holds(std::string_view members, char c) {
  const auto byte = [](char x) { return static_cast<unsigned char>(x); };
  for (std::size_t i = 0; i < members.size(); ++i) {
    if (i + 2 < members.size() && members[i + 1] == '-') {
      if (byte(members[i]) <= byte(c) && byte(c) <= byte(members[i + 2])) {
        return true;
      }
      i += 2;
    } else if (members[i] == c) {
      return true;
    }
  }
  return false;
}

bool set_matches(std::string_view set, char c, Case folding) {
  std::string_view members = set.substr(1, set.size() - 2);
  const bool negated = !members.empty() && (members[0] == '!' || members[0] == '^');
  members.remove_prefix(negated ? 1 : 0);
  const bool holds =
      set_holds(members, c) ||
      (folding == Case::kFolded && (set_holds(members, lower(c)) || set_holds(members, upper(c))));
  return holds != negated;
}

// Matches one pattern element at `p` against `c`; gives the index behind the element, or kNone.
std::size_t step(std::string_view pattern, std::size_t p, char c, Case folding) {
  switch (pattern[p]) {
    case '?':
      return p + 1;
    case '[': {
      const std::size_t end = set_end(pattern, p);
      return set_matches(pattern.substr(p, end - p), c, folding) ? end : kNone;
    }
    case '\\':
      return same(pattern[p + 1], c, folding) ? p + 2 : kNone;
    default:
      return same(pattern[p], c, folding) ? p + 1 : kNone;
  }
}

void check_segment(const Pattern& pattern, std::string_view segment) {
  if (segment.empty()) {
    refuse(pattern, "has an empty component", "write one \"/\" between names");
  }
  if (segment == "." || segment == "..") {
    refuse(pattern, "has a \"" + std::string(segment) + "\" component",
           "patterns start at the root of the project and never leave it");
  }
  if (segment == "**") {
    return;
  }
  for (std::size_t i = 0; i < segment.size(); ++i) {
    if (segment[i] == '\\' && ++i == segment.size()) {
      refuse(pattern, "ends a component in a backslash", "a backslash itself is written \\\\");
    } else if (segment[i] == '[') {
      const std::size_t end = set_end(segment, i);
      if (end == kNone) {
        refuse(pattern, "has a \"[\" without its \"]\"", "a bracket itself is written \\[");
      }
      i = end - 1;
    } else if (segment[i] == '*' && i + 1 < segment.size() && segment[i + 1] == '*') {
      refuse(pattern, "has \"**\" beside other characters",
             "\"**\" stands alone between slashes; within a name one \"*\" is enough");
    } else if (segment[i] == '{' || segment[i] == '}') {
      refuse(pattern, "has a brace, which does not list alternatives here",
             "write one pattern for each; a brace itself is written \\{");
    }
  }
}

}  // namespace

void check_printable(std::string_view text, const Place& place, std::string_view what) {
  const auto control = [](unsigned char c) { return c < 0x20 || c == 0x7f; };
  if (std::any_of(text.begin(), text.end(), control)) {
    throw Error(Status::kConfiguration,
                place.text() + ": " + std::string(what) + " \"" + base::printable(text) +
                    "\" holds a control character",
                "remove it; in a pattern \"?\" stands for any one byte");
  }
}

void check_plain_path(std::string_view path, const Place& place, std::string_view what) {
  check_printable(path, place, what);
  bool good = !path.empty() && path != "/" && path.size() <= kLongestPattern;
  std::string_view rest = path;
  if (!rest.empty() && rest.front() == '/') {
    rest.remove_prefix(1);
  }
  while (good && !rest.empty()) {
    const std::size_t slash = std::min(rest.find('/'), rest.size());
    const std::string_view part = rest.substr(0, slash);
    good = !part.empty() && part != "." && part != "..";
    rest.remove_prefix(std::min(slash + 1, rest.size()));
  }
  if (!good) {
    throw Error(Status::kConfiguration,
                place.text() + ": " + std::string(what) + " \"" + base::printable(path) +
                    "\" is not a plain path",
                "write it without empty, \".\" or \"..\" components");
  }
}

bool NameGlob::matches(std::string_view name, Case folding) const {
  const std::string_view pattern = text_;
  std::size_t p = 0;
  std::size_t n = 0;
  std::size_t star = kNone;  // where to go on after the last "*" seen, and what it has eaten so far
  std::size_t eaten = 0;
  while (n < name.size()) {
    std::size_t next = kNone;
    if (p < pattern.size() && pattern[p] == '*') {
      star = ++p;
      eaten = n;
      continue;
    }
    if (p < pattern.size()) {
      next = step(pattern, p, name[n], folding);
    }
    if (next != kNone) {
      p = next;
      ++n;
    } else if (star != kNone) {
      // Only the last "*" ever needs to eat more, so time stays within the product of the lengths.
      p = star;
      n = ++eaten;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') {
    ++p;
  }
  return p == pattern.size();
}

bool NameGlob::literal(std::string* name) const {
  name->clear();
  for (std::size_t i = 0; i < text_.size(); ++i) {
    if (text_[i] == '*' || text_[i] == '?' || text_[i] == '[') {
      return false;
    }
    if (text_[i] == '\\') {
      ++i;
    }
    name->push_back(text_[i]);
  }
  return true;
}

Glob::Glob(const Pattern& pattern) {
  std::string_view rest = pattern.text;
  check_printable(rest, pattern.place, "the pattern");
  if (rest.size() > kLongestPattern) {
    refuse(pattern, "is longer than 1024 bytes", "name a directory above instead");
  }
  if (!rest.empty() && rest.front() == '!') {
    refuse(pattern, "begins with \"!\"",
           "exceptions to \"hide\" and \"redact\" stand in \"show\"; a name that begins so is "
           "written \\!");
  }
  if (rest == "~" || rest.substr(0, 2) == "~/") {
    refuse(pattern, "is below the home directory", "such paths stand in \"home\"");
  }
  if (!rest.empty() && rest.back() == '/') {
    directories_only_ = true;
    rest.remove_suffix(1);
  }
  if (rest.empty()) {
    refuse(pattern, "names nothing", "\"**\" stands for everything in the project");
  }
  if (rest.find('/') == kNone) {
    segments_.push_back({true, NameGlob("**")});
  } else if (rest.front() == '/') {
    rest.remove_prefix(1);
  }
  while (true) {
    const std::size_t slash = rest.find('/');
    const std::string_view segment = rest.substr(0, slash);
    check_segment(pattern, segment);
    const bool any = segment == "**";
    if (!any || segments_.empty() || !segments_.back().any) {  // "**/**" says no more than "**"
      segments_.push_back({any, NameGlob(segment)});
    }
    if (slash == kNone) {
      break;
    }
    rest.remove_prefix(slash + 1);
  }
  if (segments_.size() > 1 && segments_.back().any) {
    segments_.pop_back();
    below_only_ = true;
  }
}

bool Glob::match(std::size_t segments, const std::vector<std::string_view>& components,
                 std::size_t count, Case folding) const {
  std::size_t s = 0;
  std::size_t c = 0;
  std::size_t after = kNone;  // as in NameGlob::matches, for the last "**"
  std::size_t eaten = 0;
  while (c < count) {
    if (s < segments && segments_[s].any) {
      if (s + 1 == segments) {
        return true;  // a "**" at the end takes at least the component at `c`
      }
      after = ++s;
      eaten = c;
    } else if (s < segments && segments_[s].name.matches(components[c], folding)) {
      ++s;
      ++c;
    } else if (after != kNone) {
      s = after;
      c = ++eaten;
    } else {
      return false;
    }
  }
  return s == segments;
}

bool Glob::matches(const std::vector<std::string_view>& components, std::size_t count,
                   Case folding) const {
  // Most patterns are one name that may stand anywhere.
  if (segments_.size() == 2 && segments_[0].any && !segments_[1].any) {
    return count > 0 && segments_[1].name.matches(components[count - 1], folding);
  }
  return match(segments_.size(), components, count, folding);
}

bool Glob::reaches_below(const std::vector<std::string_view>& components, Case folding) const {
  const std::size_t whole = segments_.size() + (below_only_ ? 1 : 0);
  for (std::size_t part = 1; part < whole; ++part) {
    const bool leading_any = part == 1 && segments_[0].any;
    // A part that ends in "**" also reaches below the directory that the "**" stands in.
    const std::size_t named = part > 1 && segments_[part - 1].any ? part - 1 : part;
    if (!leading_any && (match(part, components, components.size(), folding) ||
                         match(named, components, components.size(), folding))) {
      return true;
    }
  }
  return false;
}

}  // namespace agentbox::policy
