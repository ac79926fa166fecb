// What is read-only stays as it is: by its name, by another link, by renames of what is above it,
// and where nothing is there yet.
#include <gtest/gtest.h>

#include "tests/integration/view/mounted_view.h"

namespace agentbox::view {
namespace {

policy::Pattern pattern(const char* text) { return {.text = text, .place = {}}; }

class Protection : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(view.outside("git init -q . && mkdir -p .claude sub/.git/hooks && echo ok > plain &&"
                           " echo '[core]' > sub/.git/config && echo '{}' > .mcp.json")
                  .status,
              0);
    before = state();
  }
  // All protected bytes, as the host sees them.
  std::string state() {
    return view
        .outside(
            "for f in $(find . -path '*.git/config' -o -path '*.git/hooks/*' -o -name"
            " .mcp.json -o -name .envrc -o -path './.claude*' -o -path './.vscode*' |"
            " sort); do echo $f; stat -c '%a %F' $f; cat $f 2>/dev/null; done")
        .output;
  }
  MountedView view;
  std::string before;
};

TEST_F(Protection, WritesAreRefused) {
  for (const char* script :
       {"echo x >> .git/config",
        "git config a.b c",
        "git config --global core.x y; false",
        "echo x > .git/hooks/pre-commit",
        "cp plain sub/.git/hooks/post-checkout",
        "echo x >> sub/.git/config",
        "rm .mcp.json",
        "mv plain .mcp.json",
        "mv .mcp.json x",
        "echo '{}' > .mcp.json",
        "truncate -s 0 .mcp.json",
        "chmod 777 .mcp.json",
        "touch .claude/settings.json",
        "mkdir .claude/commands",
        "mkdir .vscode",
        "touch .envrc",
        "ln -s /tmp/x .envrc",
        "ln plain .envrc",
        "rmdir .claude",
        "mv .claude c2",
        "ln .mcp.json m2",
        "ln .git/config c2",
        "mv .git g2",
        "mv sub/.git g3",
        "mv -T sub/.git/hooks h",
        "sed -i s/core/x/ sub/.git/config",
        "python3 -c \"import os; os.utime('.mcp.json')\"",
        "python3 -c \"import os; os.truncate('.mcp.json', 0)\"",
        "python3 -c \"import os; os.open('.mcp.json', os.O_WRONLY|os.O_APPEND)\"",
        "python3 -c \"import ctypes as c; l=c.CDLL(None); exit(l.renameat2(-100,b'plain',-100,"
        "b'.mcp.json',2) == 0 and 0 or 1)\""}) {
    const Result result = view.run(script);
    EXPECT_NE(result.status, 0) << script << "\n" << result.output;
    EXPECT_EQ(state(), before) << script;
  }
  // Positive control: the same forms on what is not protected.
  EXPECT_EQ(view.run("echo x >> plain && mv plain p2 && chmod 600 p2 && ln p2 p3 && rm p2 &&"
                     " mkdir d && mv d d2 && truncate -s 0 p3")
                .status,
            0);
}

TEST_F(Protection, ConfigurationIsNotPlantedByRename) {
  for (const char* script :
       {"mkdir -p n/x/hooks && echo bad > n/x/config && mv n/x n/.git",
        "mkdir -p n/x/hooks && mv n/x n/.git", "mkdir -p n/x/.git2/hooks && mv n/x/.git2 n/x/.git",
        "mkdir -p n/deep && echo bad > n/deep/settings.json && mv n/deep n/.claude",
        "mkdir n && echo bad > n/tasks.json && mv n .vscode",
        "mkdir -p n/a n/.git && touch n/a/config && python3 -c \"import ctypes as c;"
        "l=c.CDLL(None); exit(l.renameat2(-100,b'n/a',-100,b'n/.git',2) == 0 and 0 or 1)\""}) {
    view.run("rm -rf n");
    EXPECT_NE(view.run(script).status, 0) << script;
    EXPECT_EQ(view.outside("find . -path './n*' -path '*.git/*' -o -path './n/.claude*'"
                           " -o -path './.vscode*'")
                  .output,
              "")
        << script;
  }
  // A parent of a protected path may move: the path is as protected there.
  EXPECT_EQ(view.run("mv sub sub2 && test -e sub2/.git/config").status, 0);
  EXPECT_NE(view.run("echo x >> sub2/.git/config").status, 0);
}

TEST_F(Protection, OtherLinksOfAProtectedFile) {
  ASSERT_EQ(view.outside("ln .git/config cfg && ln plain plain2").status, 0);
  EXPECT_NE(view.run("echo x >> cfg").status, 0);
  EXPECT_NE(view.run("ln cfg cfg2").status, 0);
  EXPECT_EQ(view.run("echo x >> plain2 && cat plain").output, "ok\nx\n");
  EXPECT_EQ(view.outside("grep -c x .git/config").output, "0\n");
}

TEST_F(Protection, RefusalsAreTold) {
  view.run("rm .mcp.json; rm .mcp.json; touch .envrc");
  EXPECT_EQ(view.touched(Touch::Kind::kWriteRefused),
            (std::vector<std::string>{".mcp.json", ".envrc"}));
}

TEST_F(Protection, NoSetIdBitsAndNoDevices) {
  EXPECT_EQ(
      view.run("install -m 6755 plain a; cp plain b; chmod 6755 b; cp plain c; chmod u+s c;"
               "python3 -c \"import os; os.close(os.open('d', os.O_CREAT|os.O_WRONLY, 0o6755))\""
               "; mkfifo -m 6755 e; true")
          .status,
      0);
  EXPECT_EQ(view.outside("find . -perm /6000 -type f,p").output, "");
  EXPECT_NE(view.run("mknod n c 1 3").status, 0);
  EXPECT_NE(view.run("chown 12345 plain").status, 0);
  ASSERT_EQ(view.outside("cp plain s; chmod 4755 s").status, 0);
  view.run("echo more >> s");
  EXPECT_EQ(view.outside("stat -c %a s").output, "755\n");
}

TEST(AnchoredRules, AreNotShakenOffByRenames) {
  Options options;
  options.policy.files.hide.push_back(pattern("config/master.key2"));
  options.policy.files.readonly.push_back(pattern("infra/**"));
  MountedView view(std::move(options));
  ASSERT_EQ(view.outside("mkdir -p config infra/x other; echo canary > config/master.key2;"
                         "echo fixed > infra/x/main.tf; echo o > other/o")
                .status,
            0);
  EXPECT_NE(view.run("mv config c2").status, 0);
  EXPECT_NE(view.run("mv infra i2").status, 0);
  EXPECT_NE(view.run("mv infra/x x").status, 0);
  EXPECT_NE(view.run("mkdir t && echo bad > t/y && mv -T t infra").status, 0);
  EXPECT_EQ(view.run("cat config/master.key2 c2/master.key2 2>/dev/null").output, "");
  EXPECT_EQ(view.run("mv other o2 && cat o2/o").output, "o\n");  // positive control
  // Moved outside, the rule goes by the path it has now.
  view.run("ls -R; cat */*");
  ASSERT_EQ(view.outside("mkdir c3; echo canary > c3/master.key2; mv config old").status, 0);
  view.run("cat c3/master.key2");
  ASSERT_EQ(view.outside("mv c3 config; echo again >> config/master.key2").status, 0);
  outlive_caches();
  EXPECT_EQ(view.run("cat config/master.key2").output.find("again"), std::string::npos);
}

TEST(HardLinks, OfHiddenFilesAreHidden) {
  TemporaryDirectory elsewhere;
  run_outside(elsewhere.path(), "echo canary > token");
  Options options;
  options.hidden_elsewhere = {elsewhere.path() + "/token"};
  MountedView view(std::move(options));
  ASSERT_EQ(view.outside("echo canary > .env; ln .env notes.txt; mkdir -p d .aws; ln .env d/n;"
                         "echo canary > .aws/credentials; ln .aws/credentials d/c; ln " +
                         elsewhere.path() + "/token t; echo fine > a; ln a b")
                .status,
            0);
  EXPECT_EQ(view.run("cat notes.txt d/n d/c t 2>/dev/null").output, "");
  EXPECT_EQ(view.run("cat a b").output, "fine\nfine\n");  // positive control
  EXPECT_EQ(view.run("find . -type f | sort").output, "./a\n./b\n");
  // Linked while the box runs, and known to it before.
  ASSERT_EQ(view.outside("echo canary > .env.two; echo one > late").status, 0);
  EXPECT_EQ(view.run("cat late").output, "one\n");
  ASSERT_EQ(view.outside("ln late .env.three; ln .env.two fresh; echo canary >> late").status, 0);
  EXPECT_EQ(view.run("cat fresh").output.find("canary"), std::string::npos);
  outlive_caches();
  EXPECT_EQ(view.run("cat late").output.find("canary"), std::string::npos);
  // Links that the box makes itself stay usable.
  EXPECT_EQ(view.run("echo x > p; ln p q; echo y >> q; cat p q; rm p; cat q").output,
            "x\ny\nx\ny\nx\ny\n");
  EXPECT_NE(view.run("ln notes.txt z").status, 0);
}

TEST(Redaction, ShowsTheSameLengthAndNoValue) {
  Options options;
  options.policy.files.redact.push_back(pattern("conf/*.yaml"));
  MountedView view(std::move(options));
  ASSERT_EQ(view.outside("mkdir conf; echo 'password: canary' > conf/a.yaml; cp conf/a.yaml b.yaml;"
                         "ln conf/a.yaml c.yaml")
                .status,
            0);
  EXPECT_EQ(view.run("cat b.yaml").output, "password: canary\n");
  const Result result = view.run("cat conf/a.yaml");
  EXPECT_EQ(result.output.size(), std::string("password: canary\n").size());
  EXPECT_EQ(result.output.find("canary"), std::string::npos);
  EXPECT_NE(result.output.find("password"), std::string::npos);
  for (const char* use :
       {"cp conf/a.yaml x && cat x", "dd if=conf/a.yaml bs=1 skip=3", "cat c.yaml",
        "python3 -c \"import os; i=os.open('conf/a.yaml',0);"
        "o=os.open('y',os.O_CREAT|os.O_RDWR); os.copy_file_range(i,o,99);"
        "print(open('y').read())\"",
        "ln conf/a.yaml l; cat l", "mv conf/a.yaml m; cat m", "mv conf c2; cat c2/a.yaml"}) {
    EXPECT_EQ(view.run(use).output.find("canary"), std::string::npos) << use;
  }
  EXPECT_NE(view.run("echo x >> conf/a.yaml").status, 0);
  EXPECT_EQ(view.touched(Touch::Kind::kRedacted), std::vector<std::string>{"conf/a.yaml"});
}

TEST(Synthetic, EntriesShadowAndAreReadOnly) {
  Options options;
  options.synthetic = {
      {"a/b/file", false, "made\n"}, {"link", true, "real"}, {"top", false, "t\n"}};
  MountedView view(std::move(options));
  ASSERT_EQ(view.outside("echo real > real; echo shadowed > top").status, 0);
  EXPECT_EQ(view.run("cat a/b/file link top").output, "made\nreal\nt\n");
  EXPECT_EQ(view.run("find . -mindepth 1 | sort").output,
            "./a\n./a/b\n./a/b/file\n./link\n./real\n./top\n");
  EXPECT_NE(view.run("echo x > top").status, 0);
  EXPECT_NE(view.run("rm top").status, 0);
  EXPECT_NE(view.run("mv real top").status, 0);
  EXPECT_NE(view.run("touch a/b/other").status, 0);
  EXPECT_NE(view.run("rm -rf a").status, 0);
  EXPECT_EQ(view.outside("cat top; ls").output, "shadowed\nreal\ntop\n");
}

}  // namespace
}  // namespace agentbox::view
