#include "launcher/session/gitconfig.h"

#include <gtest/gtest.h>

namespace agentbox::session {
namespace {

TEST(CleanGitconfig, KeepsWhoTheUserIsAndHarmlessTaste) {
  EXPECT_EQ(clean_gitconfig("[user]\n\tname = Ada \"L.\"\n\temail = ada@example.com # work\n"
                            "[alias]\n co = checkout\n[init] defaultBranch = main\n"),
            "[user]\n\tname = \"Ada L.\"\n\temail = \"ada@example.com\"\n"
            "[alias]\n\tco = \"checkout\"\n[init]\n\tdefaultbranch = \"main\"\n");
}

TEST(CleanGitconfig, DropsWhatRunsOrNamesAFile) {
  const std::string clean = clean_gitconfig(
      "[credential]\n helper = store\n"
      "[credential \"https://example.com\"]\n helper = !evil\n"
      "[core]\n hooksPath = /tmp/evil\n fsmonitor = evil\n sshCommand = evil\n pager = evil\n"
      "[include]\n path = ~/.gitconfig-work\n"
      "[includeIf \"gitdir:~/\"]\n path = evil\n"
      "[filter \"lfs\"]\n clean = evil\n"
      "[url \"https://token@example.com/\"]\n insteadOf = https://example.com/\n"
      "[http]\n extraHeader = Authorization: evil\n"
      "[alias]\n run = !evil\n spaced =   !evil\n quoted = \"!evil\"\n"
      "[user]\n signingkey = evil\n");
  EXPECT_EQ(clean.find("evil"), std::string::npos) << clean;
  EXPECT_EQ(clean.find("store"), std::string::npos) << clean;
  EXPECT_EQ(clean.find("token"), std::string::npos) << clean;
}

TEST(CleanGitconfig, GivesNothingForWhatItCannotRead) {
  EXPECT_EQ(clean_gitconfig("[user\nname = x\n"), "");
  EXPECT_EQ(clean_gitconfig("name = x\n"), "");
  EXPECT_EQ(clean_gitconfig("[user]\nname = \"open\n"), "");
  EXPECT_EQ(clean_gitconfig("[user]\nname = \\q\n"), "");
}

TEST(CleanGitconfig, CannotBeMadeToForgeASection) {
  // A value with a line break stays one quoted value.
  EXPECT_EQ(clean_gitconfig("[user]\nname = \"a\\n[core]\\nsshCommand = evil\"\n"),
            "[user]\n\tname = \"a\\n[core]\\nsshCommand = evil\"\n");
}

}  // namespace
}  // namespace agentbox::session
