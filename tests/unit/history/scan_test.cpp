#include "launcher/history/scan.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>

#include "base/error.h"
#include "policy/floor.h"

namespace agentbox::history {
namespace {

namespace fs = std::filesystem;

// Looks like a token of GitHub's, and is none: made here, in two parts, for this test.
const std::string kToken = std::string("ghp_") + "q7Rk2VxN9sLw4TzB8yHd3JmCf6PaGe0UtWiZ";

class ScanTest : public testing::Test {
 protected:
  ScanTest() {
    std::string name = fs::temp_directory_path() / "agentbox-history-XXXXXX";
    place_ = fs::canonical(::mkdtemp(name.data()));
    root_ = place_ / "project";
    fs::create_directory(root_);
    policy_ = policy::floor_policy();
    judge();
  }
  ~ScanTest() override {
    std::error_code error;
    fs::remove_all(place_, error);
  }

  // Runs shell commands in a directory; git has an identity and no configuration of the user's.
  void run(const std::string& commands, const fs::path& directory = {}) {
    const std::string script =
        "set -e; cd '" + (directory.empty() ? root_ : directory).string() +
        "'; export HOME=/nonexistent GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1"
        " GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@example.com GIT_COMMITTER_NAME=a"
        " GIT_COMMITTER_EMAIL=a@example.com TOKEN=" +
        kToken + "; " + commands;
    ASSERT_EQ(std::system(script.c_str()), 0) << commands;
  }

  void judge() {
    files_.emplace(policy_);
    contents_.emplace(policy_);
  }

  Options options() {
    return {.root = root_,
            .git_directory = {},
            .files = &*files_,
            .contents = &*contents_,
            .rules = rules_digest(policy_),
            .program = "/usr/bin/git",
            .state = place_ / "state"};
  }

  Report scan() { return Scan(options()).run(); }

  // "kind path" of each secret.
  static std::multiset<std::string> names(const Report& report) {
    std::multiset<std::string> list;
    for (const Repository& repository : report.repositories) {
      for (const Secret& secret : repository.secrets) {
        list.insert(secret.kind + " " + (repository.prefix.empty() ? "" : repository.prefix + "/") +
                    secret.path);
      }
    }
    return list;
  }
  using Names = std::multiset<std::string>;

  fs::path place_;
  fs::path root_;
  policy::Policy policy_;
  std::optional<policy::FileRules> files_;
  std::optional<policy::ContentRules> contents_;
};

TEST_F(ScanTest, ACleanRepositoryHasNone) {
  run("git init -q .; echo x >a; git add a; git commit -qm one");
  const Report report = scan();
  EXPECT_EQ(report.secrets(), 0u);
  EXPECT_EQ(report.repositories.size(), 1u);
  EXPECT_EQ(report.searched, 3u);
}

TEST_F(ScanTest, ADirectoryWithoutRepositoryHasNone) { EXPECT_TRUE(scan().repositories.empty()); }

TEST_F(ScanTest, FindsWhatWasCommittedAndDeleted) {
  run("git init -q .; echo A=1 >.env; mkdir d; printf 'a\\nb\\nt = \"%s\"\\n' $TOKEN >d/config.py;"
      "git add -f .; git commit -qm one; git rm -q .env d/config.py; git commit -qm two");
  const Report report = scan();
  EXPECT_EQ(names(report), (Names{"hidden-file .env", "github-token d/config.py"}));
  for (const Secret& secret : report.repositories.front().secrets) {
    EXPECT_EQ(secret.commit.size(), 40u);
    EXPECT_EQ(secret.object.size(), 40u);
    EXPECT_EQ(secret.type, "blob");
    EXPECT_EQ(secret.line, secret.kind == kHiddenFile ? 0u : 3u);
  }
}

TEST_F(ScanTest, FindsWhatNoReferenceReaches) {
  run("git init -q .; echo x >a; git add a; git commit -qm zero;"
      "echo $TOKEN >amended; git add .; git commit -qm one; git rm -q amended; git commit -q "
      "--amend -m two --allow-empty;"
      "echo $TOKEN-2 >stashed; git add stashed; git stash -q;"
      "echo $TOKEN-3 >reset; git add reset; git commit -qm three; git reset -q --hard HEAD~1;"
      "echo $TOKEN-4 | git hash-object -w --stdin >/dev/null;"
      "echo A=2 >.env; git add -f .env; rm .env; rm -r .git/logs");
  EXPECT_EQ(names(scan()), (Names{"github-token amended", "github-token stashed",
                                  "github-token reset", "github-token ", "hidden-file .env"}));
}

TEST_F(ScanTest, FindsWhatIsInMessages) {
  run("git init -q .; echo x >a; git add a; git commit -qm \"it was $TOKEN\";"
      "git tag -a v1 -m $TOKEN; git notes add -m $TOKEN-5");
  const Report report = scan();
  std::multiset<std::string> types;
  for (const Secret& secret : report.repositories.front().secrets) {
    types.insert(secret.type);
  }
  EXPECT_EQ(types, (std::multiset<std::string>{"blob", "commit", "tag"}));
}

TEST_F(ScanTest, FindsWhatAMergeBrought) {
  run("git init -q -b main .; echo x >a; git add a; git commit -qm one; git checkout -qb side;"
      "echo A=1 >.env; git add -f .env; git commit -qm two; git checkout -q main; echo y >b; git "
      "add b;"
      "git commit -qm three; git merge -q side -m m; echo $TOKEN >in-merge; git add .; git commit "
      "-q "
      "--amend -m m2");
  EXPECT_EQ(names(scan()), (Names{"github-token in-merge", "hidden-file .env"}));
}

TEST_F(ScanTest, SurvivesCommitsWhoseParentsAreGone) {
  run("git init -q -b main .; echo x >a; git add a; git commit -qm one; echo y >b; git add b; git "
      "commit -qm two;"
      "echo A=1 >.env; git add -f .env; git commit -qm three; git rm -q .env; git commit -qm four;"
      "two=$(git rev-parse HEAD~2); rm -f .git/objects/$(echo $two | sed 's,^..,&/,')");
  EXPECT_EQ(names(scan()), (Names{"hidden-file .env"}));
}

TEST_F(ScanTest, FindsWorktreesSubmodulesNestedAndBareOnes) {
  run("mkdir ../other; git -C ../other init -q .; echo A=1 >../other/.env; git -C ../other add -f "
      ".env;"
      "git -C ../other commit -qm one; git -C ../other rm -q .env; git -C ../other commit -qm two "
      "--allow-empty");
  run("git init -q -b main .; echo x >a; git add a; git commit -qm one;"
      "git -c protocol.file.allow=always submodule --quiet add ../other sub; git commit -qm sub;"
      "git worktree add -q wt; echo $TOKEN >wt/staged; git -C wt add staged;"
      "mkdir -p nested/deep; git -C nested/deep init -q .; echo $TOKEN >nested/deep/x; git -C "
      "nested/deep add x;"
      "git clone -q --bare ../other copy.git");
  EXPECT_EQ(names(scan()), (Names{"hidden-file sub/.env", "github-token staged",
                                  "github-token nested/deep/x", "hidden-file .env"}));
}

TEST_F(ScanTest, FollowsAlternates) {
  run("mkdir ../other; git -C ../other init -q .; echo A=1 >../other/.env; git -C ../other add -f "
      ".env;"
      "git -C ../other commit -qm one; git clone -q --shared ../other clone");
  EXPECT_EQ(names(scan()), (Names{"hidden-file clone/.env"}));
}

TEST_F(ScanTest, ReadsOnlyWhatIsNew) {
  run("git init -q .; echo A=1 >.env; git add -f .; git commit -qm one; git gc -q");
  EXPECT_FALSE(Scan(options()).known().has_value());
  const Report first = scan();
  EXPECT_EQ(first.searched, 3u);
  EXPECT_EQ(scan().searched, 0u);
  Options without = options();
  without.program.clear();
  EXPECT_EQ(names(*Scan(without).known()), names(first));
  EXPECT_EQ(names(Scan(without).run()), names(first));

  run("echo $TOKEN >new; git add new; git commit -qm two");
  EXPECT_FALSE(Scan(without).known().has_value());
  EXPECT_THROW(Scan(without).run(), base::Error);
  const Report second = scan();
  EXPECT_EQ(second.searched, 3u);  // commit, tree, blob
  EXPECT_EQ(names(second), (Names{"hidden-file .env", "github-token new"}));

  run("git gc -q");  // a new pack: all of it is new
  EXPECT_EQ(scan().searched, 6u);
  EXPECT_EQ(names(scan()), names(second));
}

TEST_F(ScanTest, WhatCannotBeReadIsNotTakenForClean) {
  run("git init -q .; echo $TOKEN >a; git add a; git commit -qm one;"
      "blob=.git/objects/$(git rev-parse HEAD:a | sed 's,^..,&/,'); chmod u+w $blob; : >$blob");
  EXPECT_THROW(scan(), base::Error);
  EXPECT_FALSE(Scan(options()).known().has_value());
  run("git init -q packed; cd packed; head -c 20000 /dev/urandom >a; git add a; git commit -qm "
      "one; git gc -q;"
      "chmod u+w .git/objects/pack/*.pack; pack=$(echo .git/objects/pack/*.pack);"
      "dd if=/dev/zero of=$pack bs=1 seek=40 count=19000 conv=notrunc 2>/dev/null; rm -rf ../.git");
  EXPECT_THROW(scan(), base::Error);
}

TEST_F(ScanTest, ForgetsWhatIsGone) {
  run("git init -q .; echo x >a; git add a; git commit -qm one; echo $TOKEN >b; git add b");
  EXPECT_EQ(names(scan()), (Names{"github-token b"}));
  run("git rm -q --cached b; git gc -q --prune=now");
  EXPECT_EQ(names(scan()), Names{});
}

TEST_F(ScanTest, ABlobGetsItsNameLater) {
  run("git init -q .; echo x >a; git add a; git commit -qm one; echo A=1 >plain; git add plain;"
      "echo $TOKEN >b; git hash-object -w b >/dev/null");
  EXPECT_EQ(names(scan()), (Names{"github-token "}));
  run("mv plain .env; git add -f .env b; git commit -qm two");
  EXPECT_EQ(names(scan()), (Names{"github-token b", "hidden-file .env"}));
}

TEST_F(ScanTest, OtherRulesAreAnotherSearch) {
  run("git init -q .; echo A=1 >a.txt; git add -f .; git commit -qm one");
  EXPECT_EQ(scan().secrets(), 0u);
  policy_.files.hide.insert(policy_.files.hide.begin(), {.text = "*.txt", .place = {}});
  judge();
  EXPECT_EQ(names(scan()), (Names{"hidden-file a.txt"}));
  policy_.files.show.insert(policy_.files.show.begin(),
                            {.text = "*.txt", .place = {}, .layer = policy::Layer::kCommandLine});
  judge();
  EXPECT_EQ(names(scan()), Names{});
}

TEST_F(ScanTest, PassesOverWhatThePolicyDoesNotSearch) {
  run("git init -q .; mkdir docs; echo $TOKEN >docs/a; echo $TOKEN-2 >b; git add .; git commit -qm "
      "one");
  policy_.files.detect.insert(
      policy_.files.detect.begin(),
      {.pattern = {.text = "docs/**", .place = {}, .layer = policy::Layer::kUser},
       .choice = policy::Detect::kOff});
  judge();
  EXPECT_EQ(names(scan()), (Names{"github-token b"}));
}

TEST_F(ScanTest, AFileOfReferencesIsNoSecret) {
  run("git init -q .; echo 'A=op://vault/item/field' >.env; git add -f .; git commit -qm one;"
      "echo A=hunter2-and-more >.env; git commit -qam two; : >.env; git commit -qam three");
  EXPECT_EQ(names(scan()), (Names{"hidden-file .env"}));
}

TEST_F(ScanTest, SearchesTheWholeOfALargeObject) {
  run("git init -q .; head -c 5000000 /dev/zero | tr '\\0' 'x' >big; echo >>big; echo $TOKEN >>big;"
      "head -c 3000000 /dev/zero | tr '\\0' 'x' >>big; echo >>big; echo $TOKEN >>big; git add big");
  const Report report = scan();
  ASSERT_EQ(report.secrets(), 1u);
  EXPECT_EQ(report.repositories[0].secrets[0].count, 2u);
  EXPECT_EQ(report.repositories[0].secrets[0].line, 2u);
}

TEST_F(ScanTest, NothingThatTheRepositoryNamesIsRun) {
  run("git init -q .; echo $TOKEN >a; git add a; git commit -qm one;"
      "printf '#!/bin/sh\\ntouch " +
      (place_ / "ran").string() +
      "\\n' >run; chmod +x run;"
      "for key in core.fsmonitor core.sshCommand diff.external core.pager core.gitProxy"
      " core.alternateRefsCommand diff.x.textconv diff.x.command filter.x.smudge filter.x.clean;"
      " do git config $key \"$PWD/run\"; done; git config extensions.partialClone origin;"
      "git config remote.origin.url ext::$PWD/run; git config remote.origin.promisor true;"
      "echo '* diff=x filter=x' >.git/info/attributes; mkdir hooks; cp run hooks/post-index-change;"
      "git config core.hooksPath $PWD/hooks; rm -f ../ran;"
      "rm -f .git/objects/$(git rev-parse HEAD^{tree} | sed 's,^..,&/,')");
  EXPECT_EQ(names(scan()).size(), 1u);
  EXPECT_FALSE(fs::exists(place_ / "ran"));
}

}  // namespace
}  // namespace agentbox::history
