// Whether a value was made by a machine for no eye, or written by a person for others to read.
#pragma once

#include <string_view>

namespace agentbox::policy::detect {

// The part of neighbouring bytes that no word has, from 0 (prose, identifiers) to 1. About 0.15 for
// identifiers, 0.7 for random letters and digits. 0 where there is nothing to compare.
double strangeness(std::string_view value);

// Shannon's, in bits a byte, of the bytes' frequencies.
double entropy(std::string_view value);

// "1234567890", "abcdefgh", "qwertyuiop", "xxxxxxxx": of two bytes that stand side by side, one
// follows from the other.
bool is_sequence(std::string_view value);

// Letters whose case changes more often than a name's does ("RAAfUpLNuUDL"), digits among them or
// not.
bool is_jumbled(std::string_view value);

// Whether it is long, varied and strange enough for a token: never for fewer than 12 bytes.
bool looks_random(std::string_view value, double least_strangeness = 0.38);

}  // namespace agentbox::policy::detect
