// Git in a box, in a repository that tracks files which the box does not see.
#include <gtest/gtest.h>

#include "tests/integration/view/mounted_view.h"

namespace agentbox::view {
namespace {

const std::string kGit =
    "export HOME=$PWD/../nowhere GIT_CONFIG_NOSYSTEM=1 GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b"
    " GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@b; set -e;";

// Two branches, "main" and "side", that differ in a visible file each.
const std::string kRepository =
    kGit +
    "git init -q -b main .; mkdir config; echo SECRET=1 > .env; echo key > config/secret.pem;"
    "for i in $(seq 50); do echo $i > f$i; done; git add -A -f; git commit -qm one;"
    "git checkout -q -b side; echo side > side; git add side; git commit -qm side;"
    "git checkout -q main; echo main > main; git add main; git commit -qm main;";

// What must be as it was, whatever the box did: printed outside, where nothing may be left to say.
const std::string kUntouched =
    kGit +
    "git ls-files -v | grep -v '^H' || true; git status --porcelain; git fsck --no-dangling 2>&1;"
    "[ \"$(cat .env)\" = SECRET=1 ] || echo .env changed;"
    "[ \"$(cat config/secret.pem)\" = key ] || echo key changed;"
    "[ \"$(git show HEAD:.env)\" = SECRET=1 ] || echo .env not in HEAD;"
    "[ \"$(git show HEAD:config/secret.pem)\" = key ] || echo key not in HEAD";

TEST(GitIndexInTheBox, WithoutItACommitDeletesTheHiddenFile) {
  MountedView view;
  ASSERT_EQ(view.outside(kRepository).status, 0);
  // The index as it is, which is what the box would read otherwise.
  const Result result =
      view.run(kGit +
               "export GIT_INDEX_FILE=$PWD/plain;"
               "git read-tree HEAD; git status --porcelain; git commit -qam x; rm plain;"
               "git show HEAD:.env || echo lost");
  EXPECT_NE(result.output.find(" D .env\n D config/secret.pem\n"), std::string::npos)
      << result.output;
  EXPECT_NE(result.output.find("lost\n"), std::string::npos) << result.output;
}

class GitIndexVersions : public testing::TestWithParam<std::string> {};

TEST_P(GitIndexVersions, EverydayWorkKeepsHiddenFiles) {
  MountedView view;
  ASSERT_EQ(view.outside(kRepository + GetParam()).status, 0);
  ASSERT_EQ(view.outside(kUntouched).output, "");
  const auto in_box = [&](const std::string& script, const std::string& output) {
    const Result result = view.run(kGit + script);
    EXPECT_EQ(result.status, 0) << script << "\n" << result.output;
    EXPECT_EQ(result.output, output) << script;
    EXPECT_EQ(view.outside(kUntouched).output, "") << script;
  };
  in_box("git status --porcelain; [ ! -e .env ]; [ ! -e config/secret.pem ]", "");
  in_box("git ls-files -v | grep -v '^H'", "S .env\nS config/secret.pem\n");
  in_box("echo new > new; git add -A; git commit -qm new; git status --porcelain", "");
  in_box("echo more >> f1; git commit -qam f1; git status --porcelain", "");
  in_box("echo more >> f2; git commit -qm f2 f2; git status --porcelain", "");
  in_box("git merge -q -m merge side; git status --porcelain", "");
  in_box(
      "git checkout -q -b third HEAD~1; echo t > third; git add .; git commit -qm third;"
      "git rebase -q main 2>&1; git status --porcelain; git checkout -q main",
      "");
  in_box(
      "echo stashed >> f3; git stash -q; git status --porcelain; git stash pop -q;"
      "git status --porcelain; git reset -q --hard; git status --porcelain",
      " M f3\n");
  in_box(
      "git reset -q --hard HEAD~1; git status --porcelain; git reset -q HEAD~1;"
      "git stash -q -u; git stash drop -q; git status --porcelain",
      "");
  in_box(
      "git rm -q --cached f4; git add f4; git rm -q f5; git commit -qm rm; git mv f6 g6;"
      "git commit -qm mv; git status --porcelain",
      "");
  in_box("git rm -r -q --cached .; git add .; git status --porcelain", "");
  in_box(
      "git read-tree HEAD; git status --porcelain; git commit -qam nothing || true;"
      "git ls-files -v | grep -v '^H'",
      "On branch main\nnothing to commit, working tree clean\nS .env\nS config/secret.pem\n");
  in_box("git update-index --refresh; git checkout -q -- .; git gc -q; git status --porcelain", "");
  in_box("git ls-files -d; git add -u; git commit -q --allow-empty -am again; git clean -qfdx", "");
}

INSTANTIATE_TEST_SUITE_P(
    All, GitIndexVersions,
    testing::Values("git update-index --index-version 2", "git update-index --index-version 4",
                    // Version 3 needs an extended flag: of a file that is to be added.
                    "git config index.version 3; git config index.threads 4",
                    "git config feature.manyFiles true; git config core.fsmonitor false;"
                    "git update-index --untracked-cache --force-untracked-cache; git status"));

TEST(GitIndexInTheBox, IsTheFileItselfWithoutHiddenEntries) {
  MountedView view;
  ASSERT_EQ(view.outside(kGit + "git init -q .; echo 1 > f; echo s > .env; git add f").status, 0);
  EXPECT_EQ(view.run("sha256sum < .git/index").output,
            view.outside("sha256sum < .git/index").output);
  const std::string inode = view.outside("stat -c '%i %Y %s' .git/index").output;
  EXPECT_EQ(view.run("stat -c '%i %Y %s' .git/index").output, inode);
  // A program that writes it in its place may.
  EXPECT_EQ(view.run("cat .git/index > /tmp/i.$$; cat /tmp/i.$$ > .git/index; rm /tmp/i.$$").status,
            0);
  EXPECT_EQ(view.outside(kGit + "git ls-files").output, "f\n");
}

TEST(GitIndexInTheBox, SizeAndBytesAgreeAtOnce) {
  MountedView view;
  ASSERT_EQ(view.outside(kRepository).status, 0);
  const std::string agree =
      "[ $(stat -c %s .git/index) = $(wc -c < .git/index) ] && [ $(stat -c %s .git/index) = $(cat "
      ".git/index | wc -c) ] && ls -l --time-style=+ .git | grep -q \" $(stat -c %s .git/index) *"
      "index\" && git ls-files -v | grep -c ^S;";
  std::string script = kGit;
  for (int i = 0; i < 5; ++i) {  // within the time that the kernel may keep what it was told
    script += agree + "echo x > long-name-$RANDOM-$RANDOM; git add -A;" + agree +
              "git read-tree HEAD;" + agree;
  }
  const Result result = view.run(script);
  EXPECT_EQ(result.status, 0) << result.output;
  EXPECT_EQ(result.output.find_first_not_of("2\n"), std::string::npos) << result.output;
  EXPECT_NE(view.outside("stat -c %s .git/index").output, view.run("stat -c %s .git/index").output);
  EXPECT_EQ(view.run("stat -c %y .git/index").output, view.outside("stat -c %y .git/index").output);
}

TEST(GitIndexInTheBox, TheUsersOwnBitsStay) {
  MountedView view;
  ASSERT_EQ(view.outside(kRepository + "git update-index --skip-worktree .env f1;"
                                       "git update-index --assume-unchanged f2")
                .status,
            0);
  const std::string before = view.outside(kGit + "git ls-files -v | grep -v ^H").output;
  EXPECT_EQ(before, "S .env\nS f1\nh f2\n");
  EXPECT_EQ(view.run(kGit + "echo n > n; git add -A; git commit -qam n").status, 0);
  EXPECT_EQ(view.outside(kGit + "git ls-files -v | grep -v ^H").output, before);
}

TEST(GitIndexInTheBox, RedactedBytesAndCredentialsAreNotCommitted) {
  Options options;
  policy::Pattern redacted = options.policy.files.hide.front();
  redacted.text = "settings.conf";
  options.policy.files.redact.push_back(redacted);
  MountedView view(std::move(options));
  ASSERT_EQ(view.outside(kRepository + "echo a=1 > settings.conf; echo registry=x > .npmrc;"
                                       "git add -A -f; git commit -qm more")
                .status,
            0);
  // The file has no credential: an ordinary file. Then it has one.
  EXPECT_EQ(view.run(kGit + "echo registry=y > .npmrc; git commit -qam npm; git status -s").output,
            "");
  ASSERT_EQ(view.outside("echo //x/:_authToken=abc > .npmrc; echo a=22 > settings.conf").status, 0);
  outlive_caches();
  const Result result =
      view.run(kGit +
               "! grep 22 settings.conf; git status --porcelain; git ls-files -v | grep ^S;"
               "git add -A; git commit -q --allow-empty -am x; ! cat .npmrc");
  EXPECT_NE(result.output.find("S .env\nS .npmrc\nS config/secret.pem\nS settings.conf\n"),
            std::string::npos)
      << result.output;
  EXPECT_EQ(
      view.outside(kGit + "git show HEAD:.npmrc HEAD:settings.conf; git status --porcelain").output,
      "registry=y\na=1\n M .npmrc\n M settings.conf\n");
  ASSERT_EQ(view.outside("echo registry=z > .npmrc").status, 0);
  outlive_caches();
  EXPECT_EQ(view.run(kGit + "git status --porcelain").output, " M .npmrc\n");
}

TEST(GitIndexInTheBox, LinkedWorktreesAndSubmodulesHaveTheirOwn) {
  MountedView view;
  ASSERT_EQ(
      view.outside(kRepository + "git worktree add -q wt side; echo gitdir: ../.git/worktrees/wt > "
                                 "wt/.git; git -c protocol.file.allow=always submodule"
                                 " --quiet add ./ sub; git commit -qm sub")
          .status,
      0);
  const std::string state = kGit +
                            "for d in . wt sub; do git -C $d ls-files -v | grep -v ^H || true;"
                            "git -C $d show HEAD:.env; git -C $d show HEAD:config/secret.pem; done";
  const std::string before = view.outside(state).output;
  EXPECT_EQ(before, "SECRET=1\nkey\nSECRET=1\nkey\nSECRET=1\nkey\n");
  const Result result =
      view.run(kGit +
               "for d in wt sub; do cd $d; git ls-files -v | grep -c ^S; echo x > x;"
               "git add -A; git commit -qam x; git status --porcelain; cd ..; done");
  EXPECT_EQ(result.output, "2\n2\n");
  EXPECT_EQ(view.outside(state).output, before);
}

TEST(GitIndexInTheBox, IsUnderstoodWithSha256) {
  MountedView view;
  ASSERT_EQ(view.outside(kGit + "git init -q --object-format=sha256 .; echo s > .env; echo 1 > f;"
                                "git add -A; git commit -qm one")
                .status,
            0);
  EXPECT_EQ(view.run(kGit + "echo 2 > f; git add -A; git commit -qam two; git ls-files -v").output,
            "S .env\nH f\n");
  EXPECT_EQ(view.outside(kGit + "git show HEAD:.env; git status --porcelain; git ls-files -v;"
                                "git fsck")
                .output,
            "s\nH .env\nH f\n");
}

TEST(GitIndexInTheBox, WhatIsNotUnderstoodCannotBeCommittedFrom) {
  for (const std::string& script :
       {std::string("git update-index --split-index"),
        // A conflict in the hidden file, which "git add -A" would take for its end.
        std::string("h=$(git rev-parse HEAD:.env); printf '0 %040d\\t.env\\n100644 '$h' 1\\t.env\\n"
                    "100644 '$h' 2\\t.env\\n' 0 | git update-index --index-info")}) {
    MountedView view;
    ASSERT_EQ(view.outside(kRepository + script).status, 0);
    const std::string before = view.outside("sha256sum .git/index; git rev-parse HEAD").output;
    EXPECT_EQ(view.run(kGit + "git log --oneline | wc -l").output, "2\n");
    for (const char* attempt : {"echo x > x; git add -A", "git commit -qam x", "git reset --hard",
                                "rm -f .git/index", "mv .git/index i", "git stash"}) {
      EXPECT_NE(view.run(kGit + attempt).status, 0) << attempt;
    }
    EXPECT_EQ(view.outside("sha256sum .git/index; git rev-parse HEAD").output, before);
    EXPECT_EQ(view.touched(Touch::Kind::kWriteRefused), std::vector<std::string>{".git/index"});
  }
}

TEST(GitIndexInTheBox, IsReplacedByWholeIndexesOnly) {
  MountedView view;
  ASSERT_EQ(view.outside(kRepository).status, 0);
  const std::string before = view.outside("sha256sum .git/index").output;
  for (const char* attempt :
       {"echo x > .git/index", "echo x >> .git/index", "truncate -s 5 .git/index", "rm .git/index",
        "mv .git/index i", "ln .git/index i", "echo no > i; mv i .git/index",
        "head -c 500 .git/index > i; mv i .git/index", "ln -s x l; mv l .git/index",
        "(cat .git/index; echo x) > i; mv i .git/index"}) {
    EXPECT_NE(view.run(attempt).status, 0) << attempt;
    EXPECT_EQ(view.outside("sha256sum .git/index").output, before) << attempt;
  }
  // The control: the box's own copy of what it sees may, and is the user's index again.
  EXPECT_EQ(view.run("cat .git/index > j; mv j .git/index").status, 0);
  EXPECT_EQ(view.outside(kGit + "rm -f i l; " + kUntouched).output, "");
  EXPECT_EQ(view.outside("sha256sum .git/index").output, before);
  EXPECT_EQ(view.outside("ls -A .git | grep agentbox").output, "");
}

TEST(GitIndexInTheBox, AnotherBranchsHiddenFileIsNotLost) {
  const std::string other = kRepository +
                            "git checkout -q -b other; echo SECRET=2 > .env;"
                            "git commit -qam other; git checkout -q main";
  for (const char* attempt :
       {"git checkout -q other", "git checkout -q -f other", "git merge -q other -m m",
        "git cherry-pick other", "git rebase -q other", "git reset -q --hard other",
        "git reset -q other"}) {
    MountedView view;
    ASSERT_EQ(view.outside(other).status, 0);
    const Result result =
        view.run(kGit + "set +e;" + attempt + "; git add -A; git commit -qam x; echo end");
    EXPECT_NE(result.output.find("end\n"), std::string::npos);
    const std::string refused = "unable to create file .env";
    EXPECT_EQ(result.output.find(refused) == std::string::npos,
              attempt == std::string("git reset -q other"))
        << result.output;
    // The file on disk is the user's, the branches have theirs, no bit is left.
    EXPECT_EQ(view.outside("cat .env; git show main:.env >/dev/null && git show other:.env;"
                           "git ls-files -v | grep -v ^H; git show HEAD:.env | wc -l")
                  .output,
              "SECRET=1\nSECRET=2\n1\n")
        << attempt;
  }
}

}  // namespace
}  // namespace agentbox::view
