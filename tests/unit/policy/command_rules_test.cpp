#include "policy/command_rules.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace agentbox::policy {
namespace {

const std::string kBegin = R"({"version": 1, "commands": {"gh": )";

Command command(const std::string& text) {
  return parse(kBegin + text + "}}", "agentbox.json", "/").commands.at("gh");
}

TEST(CommandRulesTest, TheFirstWordsDecide) {
  const Command gh =
      command(R"({"scope": "github", "args": ["pr", "issue view", "api repos/*", "--version"]})");
  EXPECT_EQ(gh.scope, "github");
  const auto allows = [&](const std::vector<std::string>& arguments) {
    return allowing_place(gh, arguments).has_value();
  };
  EXPECT_TRUE(allows({"pr"}));
  EXPECT_TRUE(allows({"pr", "create", "--title", "x"}));
  EXPECT_TRUE(allows({"issue", "view", "7"}));
  EXPECT_TRUE(allows({"api", "repos/a/b"}));
  EXPECT_TRUE(allows({"--version"}));
  EXPECT_FALSE(allows({}));
  EXPECT_FALSE(allows({"issue"}));
  EXPECT_FALSE(allows({"issue", "list"}));
  EXPECT_FALSE(allows({"issue view", "7"}));  // one word with a space in it
  EXPECT_FALSE(allows({"PR"}));
  EXPECT_FALSE(allows({"prx"}));
  EXPECT_FALSE(allows({"", "pr"}));
  EXPECT_FALSE(allows({"-R", "other/repo", "pr"}));
  EXPECT_FALSE(allows({"api", "user"}));
  EXPECT_FALSE(allows({"auth", "token"}));
  EXPECT_FALSE(allows({"alias", "set", "pr", "!sh"}));
}

TEST(CommandRulesTest, SaysWhereItStands) {
  const Command gh = command(R"({"scope": "github", "args": ["pr", "issue"]})");
  const std::vector<std::string> arguments = {"issue"};
  EXPECT_EQ(allowing_place(gh, arguments)->text(), "agentbox.json:1:70");
}

TEST(CommandRulesTest, WithoutRulesAllIsAllowedAndWithNoneNothing) {
  const std::vector<std::string> arguments = {"auth", "token"};
  const Command any = command(R"({"scope": "github"})");
  EXPECT_EQ(allowing_place(any, arguments)->text(), any.place.text());
  EXPECT_TRUE(allowing_place(any, {}).has_value());
  const Command none = command(R"({"scope": "github", "args": []})");
  EXPECT_FALSE(allowing_place(none, arguments).has_value());
  EXPECT_FALSE(allowing_place(none, {}).has_value());
}

TEST(CommandRulesTest, RefusesWhatCannotBeMeant) {
  for (const char* text : {R"({"args": ["pr"]})", R"({"scope": "x", "args": [""]})",
                           R"({"scope": "x", "args": ["pr  list"]})",
                           R"({"scope": "x", "args": [" pr"]})", R"({"scope": "x", "args": "pr"})",
                           R"({"scope": "a/b"})", R"({"scope": "x", "arg": []})", R"("x")"}) {
    EXPECT_THROW(command(text), base::Error) << text;
  }
  EXPECT_THROW(parse(R"({"version": 1, "commands": {"/usr/bin/gh": {"scope": "x"}}})", "f", "/"),
               base::Error);
}

}  // namespace
}  // namespace agentbox::policy
