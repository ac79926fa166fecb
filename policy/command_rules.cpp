#include "policy/command_rules.h"

#include <algorithm>
#include <string_view>
#include <vector>

#include "base/encode.h"
#include "base/error.h"
#include "policy/glob.h"

namespace agentbox::policy {

namespace {

std::vector<std::string_view> words_of(std::string_view text) {
  std::vector<std::string_view> words;
  for (;;) {
    const std::size_t space = text.find(' ');
    words.push_back(text.substr(0, space));
    if (space == text.npos) {
      return words;
    }
    text.remove_prefix(space + 1);
  }
}

bool matches(std::string_view rule, std::span<const std::string> arguments) {
  const std::vector<std::string_view> words = words_of(rule);
  return words.size() <= arguments.size() &&
         std::equal(words.begin(), words.end(), arguments.begin(),
                    [](std::string_view word, const std::string& argument) {
                      return NameGlob(word).matches(argument, Case::kExact);
                    });
}

}  // namespace

void check_argument_rule(const Pattern& rule) {
  const auto words = words_of(rule.text);
  if (std::any_of(words.begin(), words.end(), [](std::string_view word) { return word.empty(); })) {
    throw base::Error(
        base::Status::kConfiguration,
        rule.place.text() + ": \"" + base::printable(rule.text) + "\" is no rule for arguments",
        "write the first words with one space between them: \"pr list\"");
  }
}

std::optional<Place> allowing_place(const Command& command,
                                    std::span<const std::string> arguments) {
  if (!command.args) {
    return command.place;
  }
  for (const Pattern& rule : *command.args) {
    if (matches(rule.text, arguments)) {
      return rule.place;
    }
  }
  return std::nullopt;
}

}  // namespace agentbox::policy
