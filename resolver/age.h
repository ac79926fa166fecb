// Files that age(1) encrypted to an X25519 recipient (C2SP age.md, version 1).
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "resolver/secret.h"

namespace agentbox::resolver {

// The identities ("AGE-SECRET-KEY-1…", Bech32) in the text of a key file: its blanks and line
// breaks part them, lines that begin with "#" are comments. What is none of them (plugins, SSH) is
// left out.
std::vector<Secret> read_age_identities(std::string_view text);

// The plain text of an armored file of at most 64 KiB of it, by the first identity that opens it;
// nothing if none does, or if the file is damaged. Pure.
std::optional<Secret> open_age(std::string_view armored, const std::vector<Secret>& identities);

}  // namespace agentbox::resolver
