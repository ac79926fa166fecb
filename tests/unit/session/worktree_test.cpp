#include "launcher/session/worktree.h"

#include "tests/unit/session/place.h"

namespace agentbox::session {
namespace {

class WorktreeTest : public Place {
 protected:
  void SetUp() override {
    Place::SetUp();
    const std::string git = "git -c user.name=t -c user.email=t@t -C " + root_;
    ASSERT_EQ(std::system((git + " init -q main && " + git + "/main commit -q --allow-empty -m x && " +
                           git + "/main worktree add -q ../linked")
                              .c_str()),
              0);
  }
};

TEST_F(WorktreeTest, FindsTheCommonDirectoryOfARealWorktree) {
  EXPECT_EQ(common_git_directory(path("linked")), path("main/.git"));
  EXPECT_EQ(common_git_directory(path("main")), "");
}

TEST_F(WorktreeTest, AFileAloneOpensNothing) {
  // The repository claims to be a worktree of the user's other repository, which knows nothing of it.
  write("liar/.git", "gitdir: " + path("main/.git/worktrees/linked") + "\n");
  EXPECT_EQ(common_git_directory(path("liar")), "");
  write("liar2/.git", "gitdir: " + path("main/.git") + "\n");
  EXPECT_EQ(common_git_directory(path("liar2")), "");
}

TEST_F(WorktreeTest, AForgedDirectoryInsideTheRepositoryCannotPointElsewhere) {
  // All of the link's own files are the repository's, but its commondir is the user's.
  write("liar/.git", "gitdir: fake/worktrees/x\n");
  write("liar/fake/worktrees/x/gitdir", path("liar/.git") + "\n");
  write("liar/fake/worktrees/x/commondir", path("main/.git") + "\n");
  EXPECT_EQ(common_git_directory(path("liar")), "");
}

}  // namespace
}  // namespace agentbox::session
