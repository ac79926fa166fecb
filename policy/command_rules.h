// Which arguments a command of `commands` may be given (docs/policy.md, "Commands"). Pure.
#pragma once

#include <optional>
#include <span>
#include <string>

#include "policy/document.h"

namespace agentbox::policy {

// Throws base::Error (kConfiguration), with its place, for a rule that no arguments can match.
void check_argument_rule(const Pattern& rule);

// Where it stands that the command may have these arguments (argv without argv[0]): at the first
// rule whose words match the first so many of them, or at the command itself if it takes any.
// nullopt: it may not.
std::optional<Place> allowing_place(const Command& command, std::span<const std::string> arguments);

}  // namespace agentbox::policy
