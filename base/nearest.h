// "Did you mean …?"
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace agentbox::base {

// The candidate with the smallest edit distance to `word`, or "" if none is near enough (more than
// a third of the word's length, at least 2). Pure.
std::string nearest(std::string_view word, std::span<const std::string> candidates);

}  // namespace agentbox::base
