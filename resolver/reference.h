// A reference: a URI that names a secret and is safe to commit.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace agentbox::resolver {

struct Reference {
  std::string text;    // as written
  std::string scheme;  // "op", "local", "env", "file"; in lower case
  std::vector<std::string>
      path;              // segments after "scheme://", percent-decoded where the scheme says
  std::string query;     // after "?", without it
  std::string fragment;  // after "#", without it
};

// Whether text is a reference at all ("scheme://" of a known scheme, DESIGN section 6, in upper or
// lower case): what is not is a literal. A known scheme of a backend this build lacks is a
// reference, and an error later.
bool is_reference(std::string_view text);

// Throws base::Error (kConfiguration) for a malformed one, with the form that the scheme wants.
//   op      1Password's own syntax: op://vault/item/[section/]field[?attribute=…]; names hold
//           letters, digits, "-", "_", "." and inner spaces; 3 or 4 path segments
//   local   path is the name in one piece
//   env     path is the variable
//   file    path is the segments of the absolute path, percent-decoded (RFC 8089)
//   exec    path is the program, absolute or a plain name, and its arguments, percent-decoded
//   others  split and percent-decoded (RFC 3986) and not looked into
Reference parse_reference(std::string_view text);
// The same, for a text that variables were filled into: their values may be secrets, so messages
// quote `shown`, as it was written.
Reference parse_reference(std::string_view text, std::string_view shown);

// One part of a reference with its %XX decoded (RFC 3986 section 2.1); parse_reference() leaves the
// query encoded. Throws base::Error (kConfiguration), which quotes `text`, the whole reference.
std::string percent_decode(std::string_view text, std::string_view segment);

// Why a value that is not a reference looks like one that was meant ("op:/vault/…", quotes or
// braces around one, a misspelt scheme), or "" if it does not. Such a value must end in an error,
// not in a box. The value may be a secret, so the answer never quotes it.
std::string near_miss(std::string_view text);

// A name in the local store: [A-Za-z0-9_.-/]{1,128}, without empty parts between the slashes.
bool is_local_name(std::string_view name);

// A name for what `text` names: lower case, with "_" for all but letters and digits, 64 characters
// at most. PROJECT/VARIABLE of it is what a variable's value is called in the local store.
std::string plain_name(std::string_view text);

// A name for an environment variable: [A-Za-z_][A-Za-z0-9_]*.
bool is_variable_name(std::string_view name);

}  // namespace agentbox::resolver
