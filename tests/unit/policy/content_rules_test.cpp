#include "policy/content_rules.h"

#include <gtest/gtest.h>

#include <string>

#include "base/error.h"
#include "policy/file_rules.h"

namespace agentbox::policy {
namespace {

Document document(const std::string& members) {
  return parse("{\"version\": 1, " + members + "}", "agentbox.json", "/project");
}

Policy merged(const std::string* user, const std::string* repository) {
  Sources sources;
  if (user != nullptr) {
    sources.user = document(*user);
  }
  if (repository != nullptr) {
    sources.repository = document(*repository);
  }
  return merge(sources, shipped_profile);
}

Policy with(const std::string& repository) { return merged(nullptr, &repository); }

TEST(ContentRules, TheFloorRedactsAndMasks) {
  const Policy policy = merge({}, shipped_profile);
  const ContentRules rules(policy);
  for (const char* path : {"a", "a/b/c.txt", ".env"}) {
    EXPECT_EQ(rules.judge(path).detect, Detect::kRedact) << path;
    EXPECT_EQ(rules.judge(path).write_secrets, WriteSecrets::kMask) << path;
  }
}

TEST(ContentRules, TheLaterEntryWins) {
  const Policy policy = with(
      R"("files": {"detect": {"**": "deny", "docs/**": "report", "docs/deep/": "off",
                               "*.log": "redact"}})");
  const ContentRules rules(policy);
  EXPECT_EQ(rules.judge("a.txt").detect, Detect::kDeny);
  EXPECT_EQ(rules.judge("docs").detect, Detect::kDeny);  // a file of that name
  EXPECT_EQ(rules.judge("docs/a/b.txt").detect, Detect::kReport);
  EXPECT_EQ(rules.judge("docs/deep/a/b").detect, Detect::kOff);
  EXPECT_EQ(rules.judge("docs/deep/x.log").detect, Detect::kRedact);
  ASSERT_NE(rules.judge("docs/a").detect_rule, nullptr);
  EXPECT_EQ(rules.judge("docs/a").detect_rule->text, "docs/**");
}

TEST(ContentRules, ARepositoryIsNotWeakerThanTheUser) {
  const std::string user = R"("files": {"detect": {"**": "redact", "keys/**": "deny"},
                                        "write_secrets": "deny"})";
  const std::string repository = R"("files": {"detect": {"**": "off", "src/**": "deny"},
                                              "write_secrets": {"out/**": "allow"}})";
  const Policy policy = merged(&user, &repository);
  const ContentRules rules(policy);
  EXPECT_EQ(rules.judge("a").detect, Detect::kRedact);
  EXPECT_EQ(rules.judge("keys/a").detect, Detect::kDeny);
  EXPECT_EQ(rules.judge("src/a").detect, Detect::kDeny);  // stronger: the repository's word
  EXPECT_EQ(rules.judge("out/a").write_secrets, WriteSecrets::kDeny);
}

TEST(ContentRules, WhatIsWrittenIntoTheHome) {
  const std::string user = R"("files": {"write_secrets": {"**": "deny", "~/.tool/open/**": "allow",
                                                          "/x": "mask"}})";
  const Policy policy = merged(&user, nullptr);
  const ContentRules rules(policy);
  EXPECT_EQ(rules.judge("~/.tool/open/a").write_secrets, WriteSecrets::kAllow);
  EXPECT_EQ(rules.judge("~/.tool/a").write_secrets, WriteSecrets::kDeny);
  EXPECT_EQ(rules.judge("sub/~/.tool/open/a").write_secrets, WriteSecrets::kDeny);
  EXPECT_EQ(rules.judge("~/x").write_secrets, WriteSecrets::kDeny);
  const std::string detect = R"("files": {"detect": {"~/.tool/**": "off"}})";
  EXPECT_THROW(merged(&detect, nullptr), base::Error);  // the home is not searched
}

TEST(ContentRules, TheUserMayBeWeakerThanTheFloor) {
  const std::string user = R"("files": {"detect": "off"})";
  const Policy policy = merged(&user, nullptr);
  EXPECT_EQ(ContentRules(policy).judge("a").detect, Detect::kOff);
}

TEST(References, FilesOfReferencesOnly) {
  for (const char* text : {
           "KEY=op://Vault/Item/field\n",
           "# how to get these: see docs/setup.md\nexport KEY=\"op://My Vault/An "
           "Item/sec/field\"\n\n"
           "PORT=5432\nDEBUG=true\nNODE_ENV=development\nDB_HOST=db.internal\nEMPTY=\n"
           "HOME_URL=${BASE_URL}\n",
           "[database]\nurl = \"vault://secret/prod/db#url\"\n",
           "password: op://v/i/f # the team's\n",
           R"({"database": {"password": "op://v/i/f", "port": 5432, "hosts": ["$HOST"]}})",
           "KEY={{ op://v/i/f }}\nOTHER=local://name\n",
           "KEY=keyring://My%20service/me%40example.org\n",
       }) {
    EXPECT_TRUE(holds_only_references(text)) << text;
  }
}

TEST(References, AnythingElseKeepsItHidden) {
  for (const char* text : {
           "",
           "PORT=5432\n",  // no reference: nothing says that this is such a file
           "KEY=op://v/i/f\nPASSWORD=hunter\n",
           "KEY=op://v/i/f\nPIN=123456\n",
           "KEY=op://v/i/f\n# OLD=hunter\n",
           "KEY=op://v/i/f\n# Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4Zm9v\n",
           "KEY=op://v/i/f # hunter=2\n",
           "KEY=op://v/i/f\nhunter2\n",
           "KEY=op://v/i/f\nURL=https://u:hunter@h/\n",
           "KEY=\"op://v/i/f\"hunter2\n",
           "KEY=\"op://v/i/f\nhunter2\"\n",
           "KEY=${OTHER:-hunter2}\nB=op://v/i/f\n",
           "KEY=env://HOME\n",
           "KEY=https://v/i/f\n",
           "KEY=op://u:p@v/i/f\n",
           R"({"a": "op://v/i/f", "a": "hunter2", "b": "op://v/i/f"})",
           R"({"a": "hunter2", "a": "op://v/i/f"})",
           R"({"a": "op://v/i/f", "b": 123456})",
           R"({"a": "op://v/i/f")",
           "-----BEGIN PRIVATE KEY-----\nop://v/i/f\n-----END PRIVATE KEY-----\n",
       }) {
    EXPECT_FALSE(holds_only_references(text)) << text;
  }
  EXPECT_FALSE(holds_only_references(std::string_view("K=op://v/i/f\n\0x", 15)));
  EXPECT_FALSE(holds_only_references("K=op://v/i/f\n" + std::string(300 * 1024, '\n')));
  EXPECT_FALSE(holds_only_references("K=op://v/" + std::string(600, 'a')));
  EXPECT_FALSE(holds_only_references("{\"a\":" + std::string(5000, '[') + "\"op://v/i/f\""));
}

TEST(References, DecideOnlyWhatIsShippedAsHidden) {
  const Policy policy = with(R"("files": {"hide": ["mine.env", "private/**"]})");
  const FileRules rules(policy);
  EXPECT_EQ(rules.judge(".env", false).action, FileAction::kHideUnlessReferences);
  EXPECT_EQ(rules.judge(".env.bak", false).action, FileAction::kHideUnlessReferences);
  EXPECT_EQ(rules.judge(".env", true).action, FileAction::kHide);
  EXPECT_EQ(rules.judge("mine.env", false).action, FileAction::kHide);
  EXPECT_EQ(rules.judge("private/.env", false).action, FileAction::kHide);
}

}  // namespace
}  // namespace agentbox::policy
