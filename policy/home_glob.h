// Patterns of the home allow-list: always from the home directory down, each naming a whole
// subtree.
#pragma once

#include <string_view>
#include <vector>

#include "policy/document.h"
#include "policy/glob.h"

namespace agentbox::policy {

class HomeGlob {
 public:
  // Throws base::Error (kConfiguration) with the pattern's place. "**" is not known here, and the
  // first name has to begin with ordinary characters: "*" would list every credential there is.
  explicit HomeGlob(const Pattern& pattern);

  enum class Relation { kUnrelated, kAncestor, kHolds };
  // Whether the path is the one named or below it (kHolds), or a directory above it.
  Relation relate(std::string_view path) const;

  std::size_t depth() const { return names_.size(); }

 private:
  std::vector<NameGlob> names_;
};

}  // namespace agentbox::policy
