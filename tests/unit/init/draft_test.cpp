#include "launcher/init/draft.h"

#include <gtest/gtest.h>

#include "policy/document.h"

namespace agentbox::init {
namespace {

policy::Document read(const Draft& draft) {
  return policy::parse(draft.text, "agentbox.json", "/project");
}

TEST(DraftTest, CredentialsBecomeSecretsOfTheStore) {
  Facts facts;
  facts.credentials = {{"API_KEY", ".env:1", ""}, {"DB_PASSWORD", "a/.env:2", ""}};
  const Draft draft =
      init::draft(facts, {.project = "My Shop", .profiles = {"claude"}, .reached = {}});
  EXPECT_EQ(draft.stored, (std::vector<std::string>{"my_shop/api_key", "my_shop/db_password"}));
  const policy::Document document = read(draft);
  EXPECT_EQ(document.extends.at(0).text, "claude");
  EXPECT_EQ(document.secrets.at("api_key").from, "local://my_shop/api_key");
  EXPECT_EQ(document.secrets.at("api_key").env, "API_KEY");
  EXPECT_EQ(document.scopes.at("main").secrets,
            (std::vector<std::string>{"api_key", "db_password"}));
  EXPECT_FALSE(document.network);
}

TEST(DraftTest, AReferenceStaysOneUnlessItReachesForTheUser) {
  Facts facts;
  facts.credentials = {{"A_TOKEN", ".env:1", "op://Dev/a/token"},
                       {"B_TOKEN", ".env:2", "exec://id"},
                       {"C_TOKEN", ".env:3", "env://HOME"}};
  const Draft draft = init::draft(facts, {});
  EXPECT_TRUE(draft.stored.empty());
  const policy::Document document = read(draft);
  ASSERT_EQ(document.secrets.size(), 1u);
  EXPECT_EQ(document.secrets.at("a_token").from, "op://Dev/a/token");
}

TEST(DraftTest, OnlyHostsThatTheProfileLacksAreAdded) {
  Facts facts;
  facts.sources = {{"package.json", {"registry.npmjs.org:443"}},
                   {"Gemfile", {"rubygems.org:443"}},
                   {"gems.rb", {"rubygems.org:443"}}};
  const policy::Document document = read(
      init::draft(facts, {.project = {}, .profiles = {}, .reached = {"registry.npmjs.org:443"}}));
  ASSERT_TRUE(document.network);
  ASSERT_EQ(document.network->size(), 1u);
  EXPECT_EQ(document.network->at(0).text, "rubygems.org:443");
}

TEST(DraftTest, NamesOfFilesCannotLeaveTheirComment) {
  Facts facts;
  facts.hidden = {".env\n\"network\": [\"evil.example.com:443\"],", "\xe2\x80\xa8.env", "\xff.env"};
  facts.credentials = {{"API_KEY", ".env\n},\"x\":{:1", ""}};
  const policy::Document document = read(init::draft(facts, {}));
  EXPECT_FALSE(document.network);
}

TEST(DraftTest, AProjectWithNothingGetsAPolicyToo) {
  EXPECT_TRUE(read(init::draft({}, {})).secrets.empty());
}

}  // namespace
}  // namespace agentbox::init
