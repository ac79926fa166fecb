// Files in dotenv syntax, with literal values and references mixed (`--env-file`).
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "resolver/reference.h"
#include "resolver/secret.h"

namespace agentbox::resolver {

struct EnvEntry {
  std::string name;
  std::variant<Secret, Reference> value;  // a literal, or what is still to be resolved
  int line = 0;                           // of the name, from 1
  std::size_t begin = 0, end = 0;         // the value as it stands in the text, quotes included
  std::vector<std::string> uses;          // variables that were filled in
};

// A variable of the environment that "$NAME" may stand for; nothing if it is not set.
using Lookup = std::function<std::optional<std::string_view>(std::string_view name)>;

// Looks names up in "NAME=value" strings up to a null pointer, which the caller keeps.
Lookup lookup_in(const char* const* environment);

// Parses the text of one file; docs/secrets.md describes the dialect. Of two entries with one name
// the last counts. Throws base::Error (kConfiguration): "FILE:LINE: what", which quotes no value.
std::vector<EnvEntry> parse_dotenv(const Secret& text, std::string_view file,
                                   const Lookup& environment);

// The same with every entry, also those that a later one of that name replaces.
std::vector<EnvEntry> parse_dotenv_whole(const Secret& text, std::string_view file,
                                         const Lookup& environment);

// The same for a file by path (as parse_dotenv(); a pipe will do: `--env-file <(…)`), at most 1 MiB, read straight
// into locked memory. Throws also base::SystemError.
std::vector<EnvEntry> read_dotenv(const std::string& path, const Lookup& environment);

}  // namespace agentbox::resolver
