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

}  // namespace
}  // namespace agentbox::view
