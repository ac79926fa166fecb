// Files that lead git to another directory: made once, whole, by `git worktree add`; nothing else.
#include <gtest/gtest.h>

#include "tests/integration/view/mounted_view.h"

namespace agentbox::view {
namespace {

const std::string kGit =
    "export HOME=$PWD/../nowhere GIT_CONFIG_NOSYSTEM=1 GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b"
    " GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@b; set -e;";

Options with_worktrees() {
  Options options;
  options.with_worktrees = true;
  return options;
}

class WorktreeFiles : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(view.outside(kGit + "git init -q .; echo x > f; git add f; git commit -qm one;"
                                  "mkdir -p wt .git/worktrees/wt")
                  .status,
              0);
    good = "gitdir: " + view.mount_point() + "/.git/worktrees/wt\n";
    back = view.mount_point() + "/wt/.git\n";
  }
  // A python script with the texts that are accepted, and the calls that say what came of it.
  std::string python(const std::string& body) {
    return "python3 - <<'END'\nimport ctypes, mmap, os\nGOOD = b'''" + good + "'''\nBACK = b'''" +
           back +
           "'''\n"
           "def fails(call, *arguments):\n"
           "  try: call(*arguments)\n"
           "  except OSError: return\n"
           "  raise SystemExit('allowed: %s %r' % (call.__name__, arguments))\n"
           "def made(path, flags=os.O_WRONLY, mode=0o666):\n"
           "  return os.open(path, os.O_CREAT | os.O_EXCL | flags, mode)\n" +
           body + "\nEND";
  }
  // Each script has a "wt/" of its own, so that none sees what the kernel keeps of another's.
  void expect(std::string body, const std::string& git_file) {
    const std::string name = "w" + std::to_string(++scripts);
    for (std::size_t at = 0; (at = body.find("wt/", at)) != std::string::npos;) {
      body.replace(at, 2, name);
    }
    const Result result =
        view.run("mkdir " + name + " .git/worktrees/" + name + ";" + python(body));
    EXPECT_EQ(result.status, 0) << body << "\n" << result.output;
    EXPECT_EQ(view.outside("cat " + name + "/.git 2>/dev/null").output, git_file) << body;
  }
  MountedView view{with_worktrees()};
  std::string good, back;
  int scripts = 0;
};

TEST_F(WorktreeFiles, AreWrittenOnceAndWhole) {
  // Positive control: as git does it.
  expect(
      "fd = made('wt/.git', os.O_WRONLY | os.O_TRUNC)\nassert os.write(fd, GOOD) == len(GOOD)\n"
      "assert os.stat('wt/.git').st_mode & 0o777 == 0o444\nassert open('wt/.git','rb').read() == "
      "GOOD",
      good);
  for (const char* body :
       {// In two pieces, at an offset, after a hole.
        "fd = made('wt/.git')\nfails(os.write, fd, GOOD[:20])\nfails(os.write, fd, GOOD[20:])",
        "fd = made('wt/.git')\nfails(os.pwrite, fd, GOOD, 1)\nfails(os.pwrite, fd, GOOD, 4096)",
        "fd = made('wt/.git')\nfails(os.ftruncate, fd, 1)\nfails(os.posix_fallocate, fd, 0, 9)",
        "fd = made('wt/.git')\nfails(os.write, fd, b'gitdir: /evil\\n')\nos.ftruncate(fd, 0)",
        "fd = made('wt/.git')\nfails(os.writev, fd, [b'gitdir: /evil', b'\\n'])",
        // Without the handle that made it, and as something else than an empty file.
        "os.close(made('wt/.git'))\nfails(os.open, 'wt/.git', os.O_WRONLY)\n"
        "fails(os.open, 'wt/.git', os.O_RDWR | os.O_TRUNC)\nfails(os.truncate, 'wt/.git', 9)\n"
        "fails(os.chmod, 'wt/.git', 0o666)\nfails(os.utime, 'wt/.git')",
        "os.close(made('wt/.git'))\nfails(os.link, 'wt/.git', 'other')\n"
        "fails(os.rename, 'wt/.git', 'other')\nfails(os.rename, 'f', 'wt/.git')",
        "open('p','wb').write(GOOD)\nfails(os.rename, 'p', 'wt/.git')\nfails(os.link, 'p', "
        "'wt/.git')\n"
        "fails(os.symlink, 'p', 'wt/.git')\nfails(os.mknod, 'wt/.git', 0o100666)\n"
        "fails(os.mkfifo, 'wt/.git')\n"
        "assert ctypes.CDLL(None).renameat2(-100, b'p', -100, b'wt/.git', 2) != 0",
        "m = made('wt/.git', os.O_RDWR)\nfails(os.ftruncate, m, 4096)\n"
        "try: mmap.mmap(m, 4096); raise SystemExit('mapped')\nexcept ValueError: pass"}) {
    expect(body, "");
  }
  for (const char* body :
       {// Afterwards, with the handle that made it.
        "fd = made('wt/.git', os.O_RDWR)\nos.write(fd, GOOD)\nfails(os.pwrite, fd, GOOD, 0)\n"
        "fails(os.pwrite, fd, b'x', 9)\nfails(os.write, fd, b'evil\\n')\nfails(os.ftruncate, fd, "
        "0)\n"
        "fails(os.ftruncate, fd, 9)\nfails(os.posix_fallocate, fd, 0, 9999)\nfails(os.fchmod, fd, "
        "0o666)",
        "fd = made('wt/.git', os.O_RDWR | os.O_APPEND)\nos.write(fd, GOOD)\n"
        "fails(os.write, fd, b'/../../evil\\n')",
        "fd = made('wt/.git', os.O_RDWR)\nos.write(fd, GOOD)\nm = mmap.mmap(fd, len(GOOD))\n"
        "m[8:13] = b'/evil'\nfails(m.flush)\nm.close()",
        "os.write(made('wt/.git'), GOOD)\n"
        "fails(os.open, 'wt/.git', os.O_WRONLY | os.O_TRUNC)\nfails(os.truncate, 'wt/.git', 0)\n"
        "fails(os.rename, 'wt/.git', 'g')\nfails(os.rename, 'f', 'wt/.git')\nfails(os.link, "
        "'wt/.git', 'g')\n"
        "assert ctypes.CDLL(None).renameat2(-100, b'f', -100, b'wt/.git', 2) != 0",
        // Made again: checked again.
        "os.write(made('wt/.git'), GOOD)\nos.unlink('wt/.git')\nfd = made('wt/.git')\n"
        "fails(os.write, fd, b'gitdir: /evil\\n')\nos.unlink('wt/.git')\nos.write(made('wt/.git'), "
        "GOOD)",
        // An open file that was removed is no way to the one that stands there now.
        "fd = made('wt/.git')\nos.unlink('wt/.git')\nos.write(made('wt/.git'), GOOD)\n"
        "fails(os.write, fd, b'gitdir: /evil\\n')\n"
        "fails(lambda: os.link('/proc/self/fd/%d' % fd, 'g', follow_symlinks=True))"}) {
    expect(body, good);
  }
}

TEST_F(WorktreeFiles, OfTheGitDirectory) {
  expect(
      "os.write(made('.git/worktrees/wt/commondir'), b'../..\\n')\n"
      "os.write(made('.git/worktrees/wt/gitdir'), BACK)\n"
      "for name, text in ('commondir', b'../..\\n'), ('gitdir', BACK):\n"
      "  path = '.git/worktrees/wt/' + name\n"
      "  assert open(path, 'rb').read() == text\n"
      "  fails(os.truncate, path, 0)\n  fails(os.rename, path, 'x')\n"
      "  fails(os.open, path, os.O_WRONLY)\n",
      "");
  expect(
      "for name in 'commondir', 'gitdir':\n"
      "  fd = made('.git/worktrees/wt/' + name)\n"
      "  for text in b'../../../evil\\n', b'/evil\\n', b'/evil/.git\\n', GOOD:\n"
      "    fails(os.write, fd, text)\n"
      "  assert os.fstat(fd).st_size == 0\n"
      // Nothing of what would make a repository of it.
      "for name in 'config', 'config.worktree', 'hooks', 'modules/s/config', '../../commondir':\n"
      "  fails(made, '.git/worktrees/wt/' + name)\n"
      "os.makedirs('.git/worktrees/wt/modules/s')\n"
      "for name in 'config', 'config.worktree', 'hooks', 'modules/s/config', 'modules/s/hooks':\n"
      "  fails(os.mkdir, '.git/worktrees/wt/' + name)\n  fails(made, '.git/worktrees/wt/' + name)\n"
      "os.mkdir('evil')\nopen('evil/config', 'w').close()\n"
      "fails(os.symlink, '../../evil', '.git/worktrees/e')\nos.symlink('../../evil', 'l')\n"
      "fails(os.rename, 'l', '.git/worktrees/e')\nfails(os.rename, 'evil', '.git/worktrees/e')\n"
      "fails(os.rename, '.git/worktrees/wt/', 'w')\n",
      "");
}

TEST_F(WorktreeFiles, GoWhenTheyCouldBeMadeHere) {
  ASSERT_EQ(
      view.outside(
              "mkdir -p sub mine .git/worktrees/out; echo 'gitdir: ../.git/modules/sub' > sub/.git;"
              "printf '" +
              good +
              "' > mine/.git; echo ../.. > .git/worktrees/out/commondir;"
              "echo /elsewhere/.git > .git/worktrees/out/gitdir;"
              "echo ../.. > .git/worktrees/wt/commondir; printf '" +
              back + "' > .git/worktrees/wt/gitdir; ln mine/.git mine/second")
          .status,
      0);
  const Result kept = view.run(
      "rm -f sub/.git; rm -f .git/worktrees/out/commondir; rm -rf .git/worktrees/out;"
      "rm -f mine/.git; ls sub/.git .git/worktrees/out/* mine/.git");
  EXPECT_EQ(kept.status, 0) << kept.output;
  ASSERT_EQ(view.outside("rm mine/second").status, 0);
  outlive_caches();
  const Result result = view.run("rm mine/.git && rm -r .git/worktrees/wt");
  EXPECT_EQ(result.status, 0) << result.output;
  EXPECT_EQ(view.outside("ls -A mine .git/worktrees").output, ".git/worktrees:\nout\n\nmine:\n");
}

TEST_F(WorktreeFiles, GitAddsCommitsAndRemoves) {
  const Result result = view.run(
      kGit +
      "rmdir .git/worktrees/wt wt; git worktree add -q wt -b feature; cd wt; echo y > g;"
      "git add g; git commit -qm two; git status --short; git log --format=%s -1; cd ..;"
      "git worktree list | wc -l; git worktree lock wt; git worktree unlock wt;"
      "mv wt/g wt/h; git -C wt add -A; git -C wt commit -qm three; git gc -q; git fsck;"
      "git worktree remove wt; git branch --format='%(refname:short)'; git worktree list | wc -l");
  EXPECT_EQ(result.status, 0) << result.output;
  EXPECT_EQ(result.output, "two\n2\nfeature\nmaster\n1\n");
  EXPECT_EQ(view.outside("ls -A .git/worktrees wt 2>/dev/null").output, "");
}

TEST(WorktreeFilesElsewhere, AreNotMade) {
  MountedView view;  // told of no git directory
  ASSERT_EQ(view.outside(kGit + "git init -q .; echo x > f; git add f; git commit -qm one").status,
            0);
  EXPECT_NE(view.run(kGit + "git worktree add -q wt").status, 0);
  EXPECT_NE(view.run("touch d/.git").status, 0);
  EXPECT_EQ(view.outside("ls -A . .git/worktrees 2>/dev/null | grep -c wt").output, "0\n");
}

TEST(WorktreeFilesElsewhere, TheProjectsOwnStays) {
  MountedView view(with_worktrees());
  const std::string text = "gitdir: " + view.mount_point() + "/.git/worktrees/wt\n";
  ASSERT_EQ(view.outside("printf '" + text + "' > .git").status, 0);
  EXPECT_NE(view.run("rm .git").status, 0);
  ASSERT_EQ(view.outside("rm .git").status, 0);
  outlive_caches();
  EXPECT_NE(view.run("touch .git").status, 0);
}

}  // namespace
}  // namespace agentbox::view
