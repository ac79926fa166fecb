// A reference: a URI that names a secret and is safe to commit.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace agentbox::resolver {

struct Reference {
  std::string text;    // as written
  std::string scheme;  // "op", "local", "env", "file"
  std::vector<std::string> path;  // segments after "scheme://", percent-decoded where the scheme says
  std::string query;     // after "?", without it
  std::string fragment;  // after "#", without it
};

// Whether text is a reference at all ("scheme://" of a known scheme, DESIGN section 6): what is not
// is a literal. A known scheme of a backend this build lacks is a reference, and an error later.
bool is_reference(std::string_view text);

// Throws base::Error (kConfiguration) for a malformed one, with the form that the scheme wants.
Reference parse_reference(std::string_view text);

}  // namespace agentbox::resolver
