// No byte of a hidden file, by any name.
#include <gtest/gtest.h>

#include <thread>

#include "tests/integration/view/mounted_view.h"

namespace agentbox::view {
namespace {

const std::string kCanary = "canary-4f1d77";

bool leaks(const Result& result) { return result.output.find(kCanary) != std::string::npos; }

class Hiding : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(
        view.outside(
                "echo " + kCanary +
                " | tee .env visible >/dev/null; mkdir -p a/b .aws;"
                "cp .env a/b/.env.local; cp .env .ENV; cp .env .aws/credentials; cp .env key.pem;"
                "echo X= > .env.example")
            .status,
        0);
  }
  MountedView view;
};

TEST_F(Hiding, EveryFormOfAccess) {
  ASSERT_TRUE(leaks(view.run("cat visible")));  // positive control: the same by another name
  for (const char* path : {".env", "a/b/.env.local", ".aws/credentials", "key.pem", ".//.env",
                           "./a/../.env", "a/./b/.env.local", ".ENV"}) {
    const std::string p = path;
    for (const std::string& use :
         {"cat " + p, "head -c 99 < " + p, "stat " + p, "test -e " + p, "readlink -e " + p,
          "getfattr -d " + p, "bash " + p, "truncate -s 0 " + p, "mv " + p + " x", "rm " + p,
          "ln " + p + " x", "cp " + p + " x", "dd if=" + p, "chmod 644 " + p,
          "touch -c " + p + " && test -e " + p,
          "python3 -c \"import os; os.open('" + p + "', os.O_PATH)\"",
          "python3 -c \"import mmap; f=open('" + p + "'); print(mmap.mmap(f.fileno(),0)[:])\""}) {
      const Result result = view.run(use);
      EXPECT_NE(result.status, 0) << use << "\n" << result.output;
      EXPECT_FALSE(leaks(result)) << use;
    }
  }
  EXPECT_EQ(view.outside("cat .env a/b/.env.local .aws/credentials key.pem").output,
            kCanary + "\n" + kCanary + "\n" + kCanary + "\n" + kCanary + "\n");
}

TEST_F(Hiding, NotListedAndNotFoundAsENOENT) {
  EXPECT_EQ(view.run("ls -A").output, ".env.example\na\nvisible\n");
  EXPECT_EQ(view.run("find . -mindepth 1 | sort").output,
            "./.env.example\n./a\n./a/b\n./visible\n");
  EXPECT_NE(view.run("cat .env").output.find("No such file"), std::string::npos);
  EXPECT_EQ(view.run("grep -rl . . | sort").output, "./.env.example\n./visible\n");
}

TEST_F(Hiding, LinksAndProcPaths) {
  EXPECT_FALSE(leaks(view.run("ln -s .env l; cat l; ln -s $PWD/.env m; cat m; ln -s l n; cat n")));
  EXPECT_FALSE(
      leaks(view.run("cat /proc/self/cwd/.env; cd a; cat ../.env; cat /proc/self/cwd/../.env")));
  EXPECT_TRUE(leaks(view.run("ln -s visible v; cat v; cat /proc/self/cwd/visible")));
  // A link made outside does not lead the supervisor out of the tree: the box's kernel follows it.
  ASSERT_EQ(view.outside("ln -s " + view.real() + "/.env out; ln -s .aws dir").status, 0);
  EXPECT_EQ(view.run("readlink out").output, view.real() + "/.env\n");
  EXPECT_FALSE(leaks(view.run("cat dir/credentials; ls dir/")));
}

TEST_F(Hiding, RenamedOrCreatedOutsideWhileTheBoxRuns) {
  const std::string loop =
      "end=$((SECONDS+4)); while [ $SECONDS -lt $end ]; do cat .env .env.local config/.env"
      " link draft 2>/dev/null; cat * 2>/dev/null; done; true";
  Result inside;
  ASSERT_EQ(view.outside("rm visible").status, 0);
  std::thread box([&] { inside = view.run(loop); });
  const std::string secret = "printf '" + kCanary + "\\n'";
  for (int i = 0; i < 40; ++i) {
    view.outside(secret + " > .env.new; mv .env.new .env;" + secret + " > .env.local;" +
                 "rm -rf config; mkdir config;" + secret + " > config/.env;" +
                 // The link goes before the name that hides it does.
                 "ln -f .env link; sleep 0.02; rm -f link draft; echo harmless > draft;" +
                 "sleep 0.02; mv draft .env;" + secret + " >> .env; sleep 0.02");
  }
  box.join();
  EXPECT_FALSE(leaks(inside));
  // Positive control: the loop does read what is visible.
  EXPECT_NE(inside.output.find("harmless"), std::string::npos);
}

TEST_F(Hiding, FileHeldOpenWhileItBecomesHidden) {
  ASSERT_EQ(view.outside("echo draft > draft").status, 0);
  Result inside;
  std::thread box([&] {
    inside = view.run(
        "exec 3< draft; cat <&3; touch ready; while [ ! -e go ]; do sleep 0.05; done;"
        "sleep 1.2; cat <&3; cat draft; cat /proc/self/fd/3");
  });
  view.outside("while [ ! -e ready ]; do sleep 0.02; done; mv draft .env; echo " + kCanary +
               " >> .env; touch go");
  box.join();
  EXPECT_NE(inside.output.find("draft\n"), std::string::npos);
  EXPECT_FALSE(leaks(inside)) << inside.output;
}

TEST_F(Hiding, DirectoryThatBecomesHidden) {
  ASSERT_EQ(view.outside("mkdir conf; echo plain > conf/credentials").status, 0);
  Result inside;
  std::thread box([&] {
    inside = view.run(
        "top=$PWD; cd conf; cat credentials; touch ../ready; while [ ! -e $top/go ]; do sleep"
        " 0.05; done; sleep 1.2; cat credentials; ls; cat ./credentials");
  });
  view.outside("while [ ! -e ready ]; do sleep 0.02; done; rm -rf .aws; mv conf .aws; echo " +
               kCanary + " > .aws/credentials; touch go");
  box.join();
  EXPECT_NE(inside.output.find("plain"), std::string::npos);
  EXPECT_FALSE(leaks(inside)) << inside.output;
}

TEST_F(Hiding, NothingButAFileOfTheBoxsOwnGetsAHiddenName) {
  for (const char* script :
       {"mkdir new/.aws", "ln -s visible new/.env", "ln visible new/id_rsa", "mv visible new/.env",
        "mkfifo new/.env", "mkdir new/d && mv new/d new/.ssh", "echo x > .env"}) {
    view.run("rm -rf new; mkdir new");
    EXPECT_NE(view.run(script).status, 0) << script;
    EXPECT_EQ(view.outside("ls -A new | grep -v '^d$'").output, "") << script;
  }
  EXPECT_EQ(view.run("echo y > new/plain && cat new/plain").output, "y\n");
  EXPECT_EQ(view.outside("cat .env").output, kCanary + "\n");
}

TEST_F(Hiding, UnusualNames) {
  ASSERT_EQ(view.outside("printf " + kCanary + " > $'a\\n.pem'; printf " + kCanary +
                         " > $'\\xff.key'; printf plain > $'\\xfe\\n[x]'; printf " + kCanary +
                         " > '[x].key'; touch $(printf 'n%.0s' $(seq 255))")
                .status,
            0);
  const Result result = view.run("for f in * .*; do cat \"$f\" 2>/dev/null; done; ls | wc -c");
  EXPECT_FALSE(leaks(Result{0, result.output.substr(result.output.find("plain"))}));
  EXPECT_NE(result.output.find("plain"), std::string::npos);
  EXPECT_EQ(view.run("n=$(printf 'n%.0s' $(seq 255)); mv $n ${n/n/m} && test -e ${n/n/m}").status,
            0);
  EXPECT_NE(view.run("touch $(printf 'n%.0s' $(seq 256))").status, 0);
}

TEST_F(Hiding, CredentialFilesByContent) {
  ASSERT_EQ(view.outside("echo '//r/:_authToken=" + kCanary +
                         "' > .npmrc; mkdir ok;"
                         "echo 'save-exact=true' > ok/.npmrc")
                .status,
            0);
  EXPECT_EQ(view.run("cat ok/.npmrc").output, "save-exact=true\n");
  EXPECT_FALSE(leaks(view.run("cat .npmrc; ls -la")));
  EXPECT_EQ(view.run("ls -A .npmrc 2>/dev/null").output, "");
  // The bytes that are sent are those that are judged: in place, within the caches' lives.
  Result inside;
  std::thread box([&] {
    inside = view.run(
        "exec 3< ok/.npmrc; touch ready; while [ ! -e go ]; do sleep 0.02; done;"
        "cat <&3; cat ok/.npmrc; sleep 1.2; cat ok/.npmrc");
  });
  view.outside("while [ ! -e ready ]; do sleep 0.02; done; echo '//r/:_authToken=" + kCanary +
               "' > ok/.npmrc; touch go");
  box.join();
  EXPECT_FALSE(leaks(inside)) << inside.output;
}

TEST_F(Hiding, TouchesAreToldOnce) {
  view.run("cat .env; cat .env; cat missing/.env; cat .env.none");
  EXPECT_EQ(view.touched(Touch::Kind::kHidden), std::vector<std::string>{".env"});
}

TEST_F(Hiding, MetadataAndHandlesOfHiddenFiles) {
  EXPECT_EQ(view.run("python3 -c \"import os; os.statvfs('.env')\" 2>&1 | tail -1").output,
            "FileNotFoundError: [Errno 2] No such file or directory: '.env'\n");
  EXPECT_EQ(view.run("grep -cF .env /proc/self/mountinfo").output, "0\n");
}

}  // namespace
}  // namespace agentbox::view
