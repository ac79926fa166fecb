// Everyday tools, unchanged.
#include <gtest/gtest.h>

#include "tests/integration/view/mounted_view.h"

namespace agentbox::view {
namespace {

const std::string kGit =
    "export HOME=$PWD/../nowhere GIT_CONFIG_NOSYSTEM=1 GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b"
    " GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@b; set -e;";

TEST(Tools, Git) {
  MountedView view;
  ASSERT_EQ(
      view.outside(kGit + "git init -q .; for i in $(seq 200); do echo $i > f$i; done;"
                          "git add -A; git commit -qm one; git worktree add -q wt; echo s > .env")
          .status,
      0);
  EXPECT_EQ(view.run(kGit + "git status --short").output, "?? wt/\n");
  const Result result = view.run(
      kGit +
      "echo x >> f1; rm f2; echo new > n; git status --short; git add f1 f2 n; git commit -qm two;"
      "git mv f3 g3; git commit -qm three; git checkout -q -b side HEAD~1; echo y > side;"
      "git add side; git commit -qm side; git stash list; git checkout -q -; git merge -q side -m "
      "m;"
      "git log --oneline | wc -l; git gc -q; git fsck; cd wt; echo w > w; git add w;"
      "git commit -qm wt; git status --short; cd ..; git clone -q . /tmp/clone.$$;"
      "rm -rf /tmp/clone.$$");
  EXPECT_EQ(result.status, 0) << result.output;
  EXPECT_NE(result.output.find(" M f1\n D f2\n?? n\n"), std::string::npos) << result.output;
  EXPECT_EQ(view.outside(kGit + "git fsck; git status --short; git -C wt status --short").output,
            "?? .env\n?? wt/\n");
}

TEST(Tools, BuildsAndScripts) {
  MountedView view;
  ASSERT_EQ(view.outside("mkdir src; printf 'cmake_minimum_required(VERSION 3.20)\\nproject(p C)\\n"
                         "add_library(l src/l.c)\\nadd_executable(e src/e.c)\\n"
                         "target_link_libraries(e l)\\nenable_testing()\\nadd_test(t e)\\n'"
                         " > CMakeLists.txt; echo 'int l(void){return 0;}' > src/l.c;"
                         "echo 'int l(void);int main(void){return l();}' > src/e.c")
                .status,
            0);
  const Result build = view.run("cmake -B b . && cmake --build b && b/e && ctest --test-dir b");
  EXPECT_EQ(build.status, 0) << build.output;
  EXPECT_EQ(view.run("cmake --build b | grep -c Building").output, "0\n");  // times are right
  EXPECT_EQ(view.outside("b/e").status, 0);                                 // not "text file busy"
  const Result python = view.run(
      "mkdir pkg; echo 'V = 1' > pkg/__init__.py; env -u PYTHONDONTWRITEBYTECODE python3 -c "
      "'import pkg; print(pkg.V)';"
      "ls pkg/__pycache__ | wc -l; python3 -c \"import sqlite3; c=sqlite3.connect('db');"
      "c.execute('pragma journal_mode=wal'); c.execute('create table t(a)');"
      "c.executemany('insert into t values (?)', [(i,) for i in range(500)]); c.commit();"
      "print(c.execute('select count(*) from t').fetchone()[0])\"");
  EXPECT_EQ(python.output, "1\n1\n500\n");
  EXPECT_EQ(view.run("tar cf t.tar src && mkdir x && tar xpf t.tar -C x && diff -r src x/src &&"
                     " cp -a x y && rm -rf x && ls y/src | wc -l")
                .output,
            "2\n");
}

TEST(Tools, EditorsThatSaveByRename) {
  MountedView view;
  ASSERT_EQ(view.outside("echo one > f; ln -s f l").status, 0);
  EXPECT_EQ(view.run("cat f; cp -p f f.new; echo two > f.new; mv f f~; mv f.new f; cat f f~ l;"
                     "sed -i s/two/three/ f; cat f; perl -pi -e s/three/four/ f; cat f")
                .output,
            "one\ntwo\none\ntwo\nthree\nfour\n");
  EXPECT_EQ(view.outside("cat f").output, "four\n");
}

}  // namespace
}  // namespace agentbox::view
