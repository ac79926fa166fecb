#include "launcher/view/link_text.h"

#include <gtest/gtest.h>

#include <string>

namespace agentbox::view {
namespace {

using policy::LinkFile;

const Worktrees kPlace = {.git_directory = "/src/main/.git", .project = "/src/main"};

bool accepts(LinkFile kind, const std::string& text) { return is_link_text(kind, text, kPlace); }

TEST(LinkText, IsWhatGitWrites) {
  EXPECT_TRUE(accepts(LinkFile::kGitFile, "gitdir: /src/main/.git/worktrees/wt\n"));
  EXPECT_TRUE(accepts(LinkFile::kGitFile, "gitdir: /src/main/.git/worktrees/a b\xc3\xa4..c\n"));
  EXPECT_TRUE(accepts(LinkFile::kCommonDirectory, "../..\n"));
  EXPECT_TRUE(accepts(LinkFile::kBackLink, "/src/main/wt/.git\n"));
  EXPECT_TRUE(accepts(LinkFile::kBackLink, "/src/main/deep/er/wt/.git\n"));
}

TEST(LinkText, IsNothingElse) {
  const std::string nul(1, '\0');
  for (const std::string& text :
       {std::string(),
        std::string("\n"),
        std::string("gitdir: "),
        std::string("gitdir: \n"),
        std::string("gitdir: /src/main/.git/worktrees/wt"),
        std::string("gitdir: /src/main/.git/worktrees/wt\n\n"),
        std::string("gitdir: /src/main/.git/worktrees/wt\r\n"),
        std::string("gitdir: /src/main/.git/worktrees/\n"),
        std::string("gitdir: /src/main/.git/worktrees/.\n"),
        std::string("gitdir: /src/main/.git/worktrees/..\n"),
        std::string("gitdir: /src/main/.git/worktrees/../../evil\n"),
        std::string("gitdir: /src/main/.git/worktrees/wt/../../../evil\n"),
        std::string("gitdir: /src/main/.git/worktrees/wt/evil\n"),
        std::string("gitdir: /src/main/.git/worktrees/wt/\n"),
        std::string("gitdir: /src/main/.git/worktrees//wt\n"),
        std::string("gitdir: /src/main/.git/worktree/wt\n"),
        std::string("gitdir: /src/main/.git\n"),
        std::string("gitdir: /src/main/evil\n"),
        std::string("gitdir: ../.git/worktrees/wt\n"),
        std::string("gitdir:  /src/main/.git/worktrees/wt\n"),
        std::string("GITDIR: /src/main/.git/worktrees/wt\n"),
        std::string("x\ngitdir: /src/main/.git/worktrees/wt\n"),
        std::string("gitdir: /evil\ngitdir: /src/main/.git/worktrees/wt\n"),
        "gitdir: /src/main/.git/worktrees/w" + nul + "t\n",
        "gitdir: /src/main/evil" + nul + "/.git/worktrees/wt\n",
        "gitdir: /src/main/.git/worktrees/" + std::string(5000, 'x') + "\n"}) {
    EXPECT_FALSE(accepts(LinkFile::kGitFile, text)) << text;
  }
  for (const char* text : {"", "../..", "../../\n", "../../..\n", "..\n", "../../evil\n",
                           "/src/main/.git\n", "../..\n\n", "../..\r\n", "../.. \n"}) {
    EXPECT_FALSE(accepts(LinkFile::kCommonDirectory, text)) << text;
  }
  for (const char* text :
       {"", "/src/main/wt/.git", "/src/main/.git\n", "/src/main//.git\n", "/src/other/.git\n",
        "/src/main2/wt/.git\n", "/src/main/../other/.git\n", "/src/main/./wt/.git\n",
        "/src/main/wt/../../other/.git\n", "/src/main/wt/git\n", "/src/main/wt/x.git\n",
        "wt/.git\n", "../wt/.git\n", "/src/main/wt\n/.git\n", "/src/main/\x1b[2J/.git\n"}) {
    EXPECT_FALSE(accepts(LinkFile::kBackLink, text)) << text;
  }
}

TEST(LinkText, NeedsAKindAndAGitDirectory) {
  for (const LinkFile kind :
       {LinkFile::kNone, LinkFile::kGitFile, LinkFile::kCommonDirectory, LinkFile::kBackLink}) {
    for (const char* text : {"gitdir: /src/main/.git/worktrees/wt\n", "../..\n",
                             "/src/main/wt/.git\n", "gitdir: /worktrees/wt\n", "/wt/.git\n"}) {
      EXPECT_FALSE(is_link_text(kind, text, {})) << text;
      EXPECT_FALSE(accepts(LinkFile::kNone, text)) << text;
    }
  }
}

}  // namespace
}  // namespace agentbox::view
