// Patterns for paths (docs/policy.md, "Patterns"), checked once and then only matched.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "policy/document.h"

namespace agentbox::policy {

enum class Case { kExact, kFolded };  // folded: ASCII letters match in either case

// One path component's pattern. Time of a match is at most pattern length times name length.
class NameGlob {
 public:
  explicit NameGlob(std::string_view text) : text_(text) {}

  bool matches(std::string_view name, Case folding) const;

  // If there is no wildcard: true, and the name that it matches, without escapes.
  bool literal(std::string* name) const;
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

// A whole pattern. Bytes, not characters.
class Glob {
 public:
  // Throws base::Error (kConfiguration) with the pattern's place.
  explicit Glob(const Pattern& pattern);

  // `components` are those of a path relative to the root, outermost first.
  bool matches(const std::vector<std::string_view>& components, std::size_t count,
               Case folding) const;

  // Whether a part of the pattern that is not its whole, and more than a leading "**", matches the
  // directory: whether the rule reaches below it by the directory's own name or those above it.
  bool reaches_below(const std::vector<std::string_view>& components, Case folding) const;

  // The last component's pattern; any name for "**" alone.
  const NameGlob& last() const { return segments_.back().name; }
  bool directories_only() const { return directories_only_; }

  // "dir/**": matches() then answers for "dir" itself.
  bool below_only() const { return below_only_; }

 private:
  struct Segment {
    bool any = false;  // "**": any number of directories
    NameGlob name{""};
  };

  bool match(std::size_t segments, const std::vector<std::string_view>& components,
             std::size_t count, Case folding) const;

  std::vector<Segment> segments_;
  bool directories_only_ = false;
  bool below_only_ = false;
};

// A path without wildcards or "." and ".." components, relative or (if allowed) absolute. Throws
// base::Error (kConfiguration) that calls it `what`.
void check_plain_path(std::string_view path, const Place& place, std::string_view what);

// Throws base::Error (kConfiguration) for control bytes, which no rule needs and which forge lines.
void check_printable(std::string_view text, const Place& place, std::string_view what);

}  // namespace agentbox::policy
