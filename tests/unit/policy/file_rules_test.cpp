#include "policy/file_rules.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/error.h"
#include "policy/floor.h"

namespace agentbox::policy {
namespace {

Pattern rule(const std::string& text, Layer layer = Layer::kUser) {
  return {.text = text, .place = {"test", 1, 1}, .layer = layer};
}

FileAction action(const Policy& policy, const std::string& path, bool directory = false) {
  return FileRules(policy).judge(path, directory).action;
}

bool hidden(const FileRules& rules, const std::string& path, bool directory = false) {
  const FileAction action = rules.judge(path, directory).action;
  return action == FileAction::kHide || action == FileAction::kHideUnlessReferences;
}

TEST(Floor, HidesWhatHoldsSecrets) {
  const FileRules rules(floor_policy());
  for (const char* path : {".env",
                           "a/b/.env",
                           ".env.local",
                           ".env.local.sample",
                           ".env.production.local.backup",
                           "prod.env",
                           ".env~",
                           ".ENV",
                           ".Env.Local",
                           ".env.swp",
                           ".prod.env.swp",
                           ".#.env",
                           "#.env#",
                           "config.bak",
                           "db.backup",
                           "secrets.json",
                           "SECRETS.JSON",
                           "secrets.json.old",
                           ".secrets.json.swp",
                           "secrets.json.1",
                           "secrets.json.20240101",
                           "secrets.yml~",
                           "credentials.json",
                           "x/service-account-prod.json",
                           "server.pem",
                           "server.key",
                           "server.key.orig",
                           "config/master.key",
                           "a.p12",
                           "a.PFX",
                           "a.jks",
                           "a.keystore",
                           "id_rsa",
                           "id_ed25519",
                           "id_deploy",
                           "id_rsa.old",
                           "id_rsa_work",
                           "id_ed25519.bak",
                           ".netrc",
                           "_netrc",
                           ".pgpass",
                           ".my.cnf",
                           "terraform.tfstate",
                           "terraform.tfstate.backup",
                           "terraform.tfstate.d.1",
                           "prod.tfvars",
                           "prod.auto.tfvars",
                           ".git-credentials",
                           ".vault-token",
                           ".htpasswd",
                           "vault.kdbx",
                           ".terraformrc",
                           ".dockercfg",
                           ".docker/config.json",
                           "home/.docker/config.json",
                           ".aws/credentials",
                           ".ssh/config",
                           ".config/gcloud/x/y",
                           ".kube/config",
                           "a/sops/age/keys.txt",
                           ".git/credentials"}) {
    EXPECT_TRUE(hidden(rules, path)) << path;
  }
  EXPECT_TRUE(hidden(rules, ".aws", true));
  EXPECT_TRUE(hidden(rules, ".ssh", true));
}

TEST(Floor, ShowsWhatProgramsNeed) {
  const FileRules rules(floor_policy());
  for (const char* path : {"",
                           "src/main.cpp",
                           "environment.ts",
                           "env.d.ts",
                           "src/env.js",
                           ".env.example",
                           ".env.local.example",
                           "a/.env.example",
                           "id_rsa.pub",
                           "id_map.cpp",
                           "id_map.h",
                           "secrets.py",
                           "src/secrets/vault.go",
                           "keys.txt",
                           "config.json",
                           "docker/config.json",
                           "key",
                           "monkey.js",
                           "README.md",
                           "Makefile",
                           "credentials.rb",
                           "tokens.json",
                           ".git/refs/heads/fix.env",
                           ".git/logs/refs/heads/server.key",
                           "lib.so.1",
                           "a.orig",
                           "notes.old",
                           "x.tmp",
                           ".gitignore",
                           "node_modules/dotenv/lib/main.js"}) {
    EXPECT_EQ(rules.judge(path, false).action, FileAction::kShow) << path;
  }
  EXPECT_EQ(rules.judge("src/id_service", true).action, FileAction::kShow);
}

TEST(Floor, LeavesPackageManagersFilesToTheirContents) {
  const FileRules rules(floor_policy());
  for (const char* path : {".npmrc", "a/.npmrc", ".yarnrc.yml", ".pypirc", "NuGet.Config"}) {
    EXPECT_EQ(rules.judge(path, false).action, FileAction::kHideIfCredential) << path;
  }
}

TEST(Floor, KeepsWhatRunsLaterReadOnly) {
  const FileRules rules(floor_policy());
  for (const char* path :
       {"agentbox.json", ".agentbox/policy.json", ".git/hooks/pre-commit", ".git/config",
        ".git/config.worktree", ".git/commondir", "vendor/x/.git/hooks/a", "vendor/x/.git/config",
        ".git/modules/a/config", ".git/modules/a/b/hooks/post-checkout",
        ".git/modules/a/modules/b/config", ".git/worktrees/w/config.worktree",
        ".git/worktrees/w/commondir", ".git/worktrees/w/gitdir", ".git/worktrees/w/config",
        ".git/worktrees/w/hooks/post-checkout", ".git/worktrees/w/modules/sub/config",
        ".git/worktrees/w/modules/a/b/hooks/post-checkout", "bare.git/worktrees/w/commondir",
        "bare.git/worktrees/w/config.worktree",
        // Files, so symbolic links: directories are made there.
        ".git/worktrees", ".git/worktrees/w", "bare.git/config", "bare.git/hooks/update",
        ".claude/settings.json", "sub/.claude/hooks/x", ".mcp.json", ".vscode/tasks.json",
        ".idea/workspace.xml", ".envrc", ".husky/pre-commit", ".git"}) {
    EXPECT_TRUE(rules.judge(path, false).readonly) << path;
  }
  EXPECT_TRUE(rules.judge(".claude", true).readonly);
  EXPECT_TRUE(rules.judge(".git/hooks", true).readonly);
  for (const char* path : {".git/index", ".git/objects/ab/cd", ".git/HEAD", ".git/refs/heads/main",
                           ".git/worktrees/w/HEAD", "config", "hooks/x", "src/config"}) {
    EXPECT_FALSE(rules.judge(path, false).readonly) << path;
  }
  for (const char* path : {".git", ".git/worktrees", ".git/worktrees/w"}) {
    EXPECT_FALSE(rules.judge(path, true).readonly) << path;
  }
}

TEST(Floor, TellsWhichFilesLinkAWorktree) {
  Policy policy = floor_policy();
  policy.files.readonly.push_back(rule("vendor/"));
  const FileRules rules(policy);
  const auto link = [&](const char* path) { return rules.judge(path, false).link; };
  EXPECT_EQ(link("wt/.git"), LinkFile::kGitFile);
  EXPECT_EQ(link(".git/worktrees/wt/commondir"), LinkFile::kCommonDirectory);
  EXPECT_EQ(link(".git/worktrees/wt/gitdir"), LinkFile::kBackLink);
  // What is read-only for another reason, too, is not made.
  EXPECT_EQ(link("vendor/wt/.git"), LinkFile::kNone);
  EXPECT_TRUE(rules.judge("vendor/wt/.git", false).readonly);
  for (const char* path :
       {".git/commondir", ".git/modules/a/commondir", ".git/worktrees/wt/config.worktree",
        ".git/worktrees/wt/modules/a/commondir", ".git/worktrees/gitdir", ".git/gitdir",
        ".git/worktrees", "wt/.git/config", ".git/worktrees/wt/HEAD", "plain"}) {
    EXPECT_EQ(link(path), LinkFile::kNone) << path;
  }
  EXPECT_EQ(rules.judge("wt/.git", true).link, LinkFile::kNone);
}

TEST(Patterns, AnchorAsDocumented) {
  Policy policy;
  policy.files.hide = {rule("name"),    rule("/top"),   rule("dir/inner"), rule("**/deep/x"),
                       rule("tree/**"), rule("a/**/z"), rule("only/"),     rule("q?.[ab-d]"),
                       rule("n[!0-9]"), rule("lit\\*")};
  const FileRules rules(policy);
  for (const char* path :
       {"name", "x/name", "name/below", "top", "dir/inner", "deep/x", "a/b/deep/x", "tree/x",
        "tree/x/y", "a/z", "a/b/c/z", "only/x", "q1.a", "qq.c", "nx", "lit*", "NAME"}) {
    EXPECT_TRUE(hidden(rules, path)) << path;
  }
  for (const char* path : {"names", "x/top", "x/dir/inner", "inner", "tree", "b/z", "only", "q.a",
                           "q1.e", "n5", "litx", "x/tree/y"}) {
    EXPECT_FALSE(hidden(rules, path)) << path;
  }
  EXPECT_TRUE(hidden(rules, "only", true));
}

TEST(Patterns, MatchBytes) {
  Policy policy;
  policy.files.hide = {rule("?"), rule("\xff*")};
  EXPECT_EQ(action(policy, "\xc3\xa4"), FileAction::kShow);  // two bytes
  EXPECT_EQ(action(policy, "\xfe"), FileAction::kHide);
  EXPECT_EQ(action(policy, "\xff\n.env"), FileAction::kHide);
}

// A backtracking matcher would need longer than the age of the universe for these.
TEST(Patterns, DoNotBlowUp) {
  Policy policy;
  std::string stars;
  std::string directories;
  for (int i = 0; i < 100; ++i) {
    stars += "a*";
    directories += "**/a/";
  }
  policy.files.hide = {rule(stars + "b"), rule(directories + "b")};
  std::string path;
  for (int i = 0; i < 1000; ++i) {
    path += "a/";
  }
  EXPECT_EQ(action(policy, path + std::string(250, 'a')), FileAction::kShow);
  EXPECT_EQ(action(policy, path + std::string(250, 'a') + "b"), FileAction::kHide);
}

TEST(Precedence, LaterLayersShowAndHide) {
  Policy policy = floor_policy();
  policy.files.show = {rule(".env.test", Layer::kUser)};
  EXPECT_EQ(action(policy, ".env.test"), FileAction::kShow);
  EXPECT_EQ(action(policy, ".env.local"), FileAction::kHideUnlessReferences);
  // A later layer takes it back.
  policy.files.hide.push_back(rule(".env.*", Layer::kRepository));
  EXPECT_EQ(action(policy, ".env.test"), FileAction::kHide);
}

TEST(Precedence, ShowIsTheExceptionWithinALayer) {
  Policy policy;
  policy.files.hide = {rule("conf/*")};
  policy.files.show = {rule("conf/public")};
  EXPECT_EQ(action(policy, "conf/public"), FileAction::kShow);
  EXPECT_EQ(action(policy, "conf/other"), FileAction::kHide);
}

TEST(Precedence, RedactNeverUncoversWhatIsHidden) {
  Policy policy = floor_policy();
  policy.files.redact = {rule("config/", Layer::kRepository)};
  EXPECT_EQ(action(policy, "config/app.yaml"), FileAction::kRedact);
  EXPECT_EQ(action(policy, "config/deep/app.yaml"), FileAction::kRedact);
  EXPECT_EQ(action(policy, "config/server.key"), FileAction::kHideUnlessReferences);
  EXPECT_EQ(action(policy, "other/app.yaml"), FileAction::kShow);
  policy.files.show.push_back(rule("config/app.yaml", Layer::kRepository));
  EXPECT_EQ(action(policy, "config/app.yaml"), FileAction::kShow);
}

TEST(Precedence, AHiddenDirectoryHidesEverythingBelow) {
  Policy policy;
  policy.files.hide = {rule("private/")};
  policy.files.show = {rule("private/readme", Layer::kCommandLine)};
  EXPECT_EQ(action(policy, "private/readme"), FileAction::kHide);
}

TEST(Precedence, ShowOfADirectoryLeavesSecretsBelowHidden) {
  Policy policy = floor_policy();
  policy.files.show.push_back(rule(".aws/"));
  EXPECT_EQ(action(policy, ".aws", true), FileAction::kShow);
  EXPECT_EQ(action(policy, ".aws/config"), FileAction::kShow);
  EXPECT_EQ(action(policy, ".aws/x.pem"), FileAction::kHideUnlessReferences);
  policy.files.show.push_back(rule(".aws/**"));
  EXPECT_EQ(action(policy, ".aws/x.pem"), FileAction::kShow);
}

TEST(Precedence, NoRuleLiftsReadOnly) {
  Policy policy = floor_policy();
  policy.files.show.push_back(rule(".claude/**", Layer::kCommandLine));
  EXPECT_TRUE(FileRules(policy).judge(".claude/settings.json", false).readonly);
}

TEST(Decision, NamesTheRule) {
  const FileRules rules(floor_policy());
  EXPECT_EQ(rules.judge("x/.env.local", false).rule->text, ".env.*");
  EXPECT_EQ(rules.judge("x/.env.local", false).rule->place.text(), "built-in");
  EXPECT_EQ(rules.judge(".claude/x", false).readonly_rule->text, ".claude/");
  EXPECT_EQ(rules.judge("src/a.c", false).rule, nullptr);
}

TEST(Floor, ShowsBundlesOfPublicCertificates) {
  const FileRules rules(floor_policy());
  EXPECT_EQ(rules.judge(".venv/lib/site-packages/certifi/cacert.pem", false).action,
            FileAction::kShow);
  EXPECT_EQ(rules.judge(".venv/lib/site-packages/certifi/server.pem", false).action,
            FileAction::kHideUnlessReferences);
}

TEST(ReachesBelow, TellsWhereAMoveWouldChangeTheJudgement) {
  Policy policy = floor_policy();
  policy.files.hide.push_back(rule("conf/keys/*.yaml"));
  const FileRules rules(policy);
  for (const char* path : {"conf", "conf/keys", ".git", "sub/.git", ".git/modules/x", "x.git",
                           ".GIT", ".git/refs/heads"}) {
    EXPECT_TRUE(rules.reaches_below(path)) << path;
  }
  for (const char* path : {"src", "src/deep", "conf/keys/a", "other/conf", "node_modules/x"}) {
    EXPECT_FALSE(rules.reaches_below(path)) << path;
  }
}

TEST(Home, ListsOnlyWhatIsNamed) {
  Policy policy;
  policy.home.write = {rule(".claude/"), rule(".claude.json"), rule(".claude.json.*")};
  policy.home.read = {rule(".claude/settings*.json"), rule(".claude/hooks"),
                      rule("~/.local/share/fnm")};
  const HomeRules rules(policy);
  EXPECT_EQ(rules.judge(""), HomeAccess::kAncestor);
  EXPECT_EQ(rules.judge(".claude"), HomeAccess::kWrite);
  EXPECT_EQ(rules.judge(".claude/projects/x"), HomeAccess::kWrite);
  EXPECT_EQ(rules.judge(".claude.json"), HomeAccess::kWrite);
  EXPECT_EQ(rules.judge(".claude.json.tmp.1"), HomeAccess::kWrite);
  EXPECT_EQ(rules.judge(".claude/settings.local.json"), HomeAccess::kRead);
  EXPECT_EQ(rules.judge(".claude/hooks/a/b"), HomeAccess::kRead);
  EXPECT_EQ(rules.judge(".local"), HomeAccess::kAncestor);
  EXPECT_EQ(rules.judge(".local/share"), HomeAccess::kAncestor);
  EXPECT_EQ(rules.judge(".local/share/fnm/x"), HomeAccess::kRead);
  for (const char* path : {".ssh", ".ssh/id_rsa", ".claude2", ".claude.jsonx", "x/.claude",
                           ".local/share/keyrings", ".bashrc"}) {
    EXPECT_EQ(rules.judge(path), HomeAccess::kScratch) << path;
  }
}

TEST(Home, DepthThenLayerThenNarrowness) {
  Policy policy;
  policy.home.read = {rule("a/b", Layer::kProfile), rule("c", Layer::kProfile)};
  policy.home.write = {rule("a", Layer::kUser), rule("a/b", Layer::kUser),
                       rule("c", Layer::kProfile)};
  const HomeRules rules(policy);
  EXPECT_EQ(rules.judge("a/b/x"), HomeAccess::kWrite);  // the user's word
  EXPECT_EQ(rules.judge("c"), HomeAccess::kRead);
}

// Every path of a small alphabet, three deep: the way down must say what the whole path says.
TEST(Directory, JudgesAsTheWholePathIsJudged) {
  Policy policy = floor_policy();
  policy.files.hide.push_back(rule("a/.git/**"));
  policy.files.redact.push_back(rule("config/*.yaml"));
  policy.files.readonly.push_back(rule("a/**/config"));
  policy.files.show.push_back(rule(".env.local", Layer::kRepository));
  const FileRules rules(policy);
  const std::vector<std::string> names = {"a",      ".env",      ".env.local", "config",
                                          "b.yaml", ".git",      "HEAD",       ".npmrc",
                                          "hooks",  "secrets.d", "id_rsa"};
  const auto same = [](const FileDecision& one, const FileDecision& other) {
    return one.action == other.action && one.readonly == other.readonly && one.rule == other.rule &&
           one.readonly_rule == other.readonly_rule && one.link == other.link;
  };
  std::size_t hidden_paths = 0;
  const FileRules::Directory root(rules, "");
  for (const std::string& one : names) {
    const FileRules::Directory first(rules, one, root.handed());
    for (const std::string& two : names) {
      const FileRules::Directory second(rules, one + "/" + two, first.handed());
      const FileRules::Directory direct(rules, one + "/" + two);
      for (const std::string& three : names) {
        for (const bool directory : {false, true}) {
          const std::string path = one + "/" + two + "/" + three;
          const FileDecision whole = rules.judge(path, directory);
          EXPECT_TRUE(same(second.judge(three, directory), whole)) << path;
          EXPECT_TRUE(same(direct.judge(three, directory), whole)) << path;
          hidden_paths += whole.action == FileAction::kHide ? 1 : 0;
        }
      }
    }
  }
  EXPECT_GT(hidden_paths, 100u);
}

}  // namespace
}  // namespace agentbox::policy
