// Home mode: what is listed passes through, the rest is the box's own.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "tests/integration/view/mounted_view.h"

namespace agentbox::view {
namespace {

Options home_options() {
  Options options;
  options.with_files = false;
  options.with_home = true;
  for (const char* text :
       {".claude", ".claude.json", ".config/tool/state", ".local/share/new", ".claude.json.*"}) {
    options.policy.home.write.push_back({.text = text, .place = {}});
  }
  for (const char* text : {".claude/settings.json", ".claude/hooks", ".gitignore_global"}) {
    options.policy.home.read.push_back({.text = text, .place = {}});
  }
  return options;
}

// Where the private home is: on the real home's file system, or on another one.
class HomeView : public testing::TestWithParam<bool> {
 protected:
  HomeView() {
    Options options = home_options();
    if (GetParam()) {
      struct stat shm, real;
      if (::stat("/dev/shm", &shm) == 0 && ::stat("/tmp", &real) == 0 &&
          shm.st_dev != real.st_dev) {
        other = std::make_unique<TemporaryDirectory>("/dev/shm");
        options.scratch = other->path();
      }
    }
    view = std::make_unique<MountedView>(std::move(options));
    view->outside(
        "mkdir -p .claude/hooks .ssh .config/tool/state .config/gh; echo s > .claude/settings.json;"
        "echo '{}' > .claude.json; echo canary > .ssh/id_rsa; echo canary > .bashrc;"
        "echo canary > .config/gh/hosts; echo st > .config/tool/state/x;"
        "echo '*.o' > .gitignore_global");
  }
  std::unique_ptr<TemporaryDirectory> other;
  std::unique_ptr<MountedView> view;
};
INSTANTIATE_TEST_SUITE_P(ScratchOn, HomeView, testing::Values(false, true),
                         [](const auto& scratch) { return scratch.param ? "Another" : "TheSame"; });

TEST_P(HomeView, OnlyListedPathsPassThrough) {
  EXPECT_EQ(view->run("find . -mindepth 1 | sort").output,
            "./.claude\n./.claude.json\n./.claude/hooks\n./.claude/settings.json\n./.config\n"
            "./.config/tool\n./.config/tool/state\n./.config/tool/state/x\n./.gitignore_global\n");
  EXPECT_NE(view->run("cat .ssh/id_rsa || cat .bashrc || cat .config/gh/hosts").status, 0);
  EXPECT_EQ(view->run("cat .claude/settings.json .config/tool/state/x .gitignore_global").output,
            "s\nst\n*.o\n");
}

TEST_P(HomeView, WritesGoWhereTheyBelong) {
  ASSERT_EQ(
      view->run("echo mine > .bashrc; mkdir -p .cache/x .ssh .config/other; echo c > .cache/x/y;"
                "echo k > .ssh/id_rsa; echo new > .claude/new; echo z > .config/other/z;"
                "echo st2 > .config/tool/state/x")
          .status,
      0);
  EXPECT_EQ(view->outside("cat .bashrc .ssh/id_rsa .claude/new .config/tool/state/x; ls -A").output,
            "canary\ncanary\nnew\nst2\n.bashrc\n.claude\n.claude.json\n.config\n.gitignore_global\n"
            ".ssh\n");
  EXPECT_EQ(
      run_outside(view->scratch(), "cat .bashrc .cache/x/y .ssh/id_rsa .config/other/z").output,
      "mine\nc\nk\nz\n");
  EXPECT_EQ(view->run("cat .bashrc .cache/x/y; ls -A .config").output, "mine\nc\nother\ntool\n");
  for (const char* script :
       {"echo x > .claude/settings.json", "rm .claude/settings.json", "mv .claude c",
        "echo x > .claude/hooks/h", "mv .claude/hooks h", "mv .claude/new .claude/settings.json",
        "echo x > .gitignore_global", "mkdir q; mv q .claude/settings.json", "rmdir .config/tool",
        "mv .config c2"}) {
    EXPECT_NE(view->run(script).status, 0) << script;
  }
  EXPECT_EQ(view->outside("cat .claude/settings.json .gitignore_global; ls .claude").output,
            "s\n*.o\nhooks\nnew\nsettings.json\n");
}

TEST_P(HomeView, ListedButMissingPathsAreMadeInTheRealHome) {
  EXPECT_NE(view->run("test -e .local/share/new").status, 0);
  ASSERT_EQ(view->run("mkdir -p .local/share/new && echo d > .local/share/new/data").status, 0);
  EXPECT_EQ(view->outside("cat .local/share/new/data; stat -c %a .local").output, "d\n700\n");
}

TEST_P(HomeView, SavesByRename) {
  const std::string before = view->outside("stat -c %i .claude.json").output;
  // The temporary file is the box's own, its target is the user's.
  ASSERT_EQ(view->run("echo '{\"a\":1}' > tmp-save; chmod 640 tmp-save; mv tmp-save .claude.json;"
                      "cat .claude.json")
                .output,
            "{\"a\":1}\n");
  EXPECT_EQ(view->outside("cat .claude.json; stat -c %a .claude.json; ls -A").output,
            "{\"a\":1}\n640\n.bashrc\n.claude\n.claude.json\n.config\n.gitignore_global\n.ssh\n");
  EXPECT_EQ(run_outside(view->scratch(), "ls tmp-save").status, 2);
  // Both are listed.
  ASSERT_EQ(view->run("echo 2 > .claude.json.tmp.123; mv .claude.json.tmp.123 .claude.json").status,
            0);
  EXPECT_EQ(view->outside("cat .claude.json").output, "2\n");
  // From the real home to the private one, and the box goes on using what it has open.
  EXPECT_EQ(view->run("exec 3<.claude.json; mv .claude.json backup; cat backup <&3;"
                      "echo 3 > .claude.json; cat backup .claude.json")
                .output,
            "2\n2\n3\n");
  EXPECT_EQ(view->run("ln -s a l; mv l .claude/l; readlink .claude/l").output, "a\n");
  EXPECT_EQ(view->run("mkdir dir; touch dir/f; mv dir .claude/dir; ls .claude/dir").output, "f\n");
}

TEST_P(HomeView, ListedSymbolicLinksOfTheUser) {
  view->outside(
      "mkdir -p dots; mv .claude dots/claude; ln -s dots/claude .claude;"
      "mv .claude.json dots/cj; ln -s $PWD/dots/cj .claude.json;"
      "rm -rf .config/tool/state; ln -s /etc .config/tool/state");
  EXPECT_EQ(view->run("cat .claude/settings.json .claude.json").output, "s\n{}\n");
  EXPECT_EQ(view->run("echo n > t; mv t .claude.json; echo m > .claude/m; cat .claude.json").output,
            "n\n");
  EXPECT_EQ(view->outside("readlink .claude .claude.json; cat dots/cj dots/claude/m").output,
            "dots/claude\n" + view->real() + "/dots/cj\nn\nm\n");
  EXPECT_NE(view->run("rm .claude.json").status, 0);
  EXPECT_NE(view->run("echo x > .claude/settings.json").status, 0);
  // One that leads out of the home stays a link, which the box's own kernel follows.
  EXPECT_EQ(view->run("readlink .config/tool/state").output, "/etc\n");
  EXPECT_NE(view->run("ls dots").status, 0);
}

}  // namespace
}  // namespace agentbox::view
