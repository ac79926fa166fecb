"""Git in a box, in a repository that tracks files which the box does not see."""
import subprocess
import unittest

from sandbox import SessionTest

SECRET = "SECRET=canary-5f3b9a7c1d\n"


class TrackedHiddenFiles(SessionTest):
    def setUp(self):
        super().setUp()
        self.write(".gitconfig", "[user]\nname = Ada\nemail = ada@example.com\n", base=self.home)
        self.git("init", "-q", "-b", "main", ".")
        self.write(".env", SECRET)
        self.write("config/secret.pem", SECRET)
        for number in range(20):
            self.write(f"file{number}", f"{number}\n")
        self.git("add", "-A", "-f")
        self.git("commit", "-qm", "one")
        self.git("branch", "side")

    def git(self, *arguments, cwd=None, check=True):
        result = subprocess.run(["git", *arguments], cwd=cwd or self.project, env=self.environment,
                                capture_output=True, check=check)
        return result.stdout.decode()

    def assert_untouched(self, cwd=None):
        cwd = cwd or self.project
        self.assertEqual(self.git("status", "--porcelain", cwd=cwd), "")
        for line in self.git("ls-files", "-v", cwd=cwd).splitlines():
            self.assertTrue(line.startswith("H "), line)
        for name in (".env", "config/secret.pem"):
            self.assertEqual((cwd / name).read_text(), SECRET)
            self.assertEqual(self.git("show", "HEAD:" + name, cwd=cwd), SECRET)

    def test_the_control_a_commit_without_them_deletes_them(self):
        clone = self.place / "clone"
        self.git("clone", "-q", str(self.project), str(clone))
        (clone / ".env").unlink()  # as it would look to the box
        self.git("commit", "-qam", "x", cwd=clone)
        self.assertEqual(self.git("show", "HEAD:.env", cwd=clone, check=False), "")

    def test_status_is_clean_and_commits_keep_them(self):
        self.assertEqual(self.run_box("git status --porcelain; ls -A .env config/* 2>/dev/null; true"), "")
        self.run_box("echo x >new && git add -A && git commit -qam x && git status --porcelain")
        self.assert_untouched()
        self.run_box("echo y >>file1 && git stash -q && git checkout -q side && echo s >s && git add -A"
                     " && git commit -qm s && git checkout -q main && git merge -q side -m m"
                     " && git stash pop -q && git commit -qam y && git rm -q --cached file2"
                     " && git reset -q --hard && git rebase -q side")
        self.assert_untouched()
        self.assertEqual(self.git("log", "--format=%s", "--", ".env"), "one\n")
        self.verify()

    def test_in_a_linked_worktree_too(self):
        linked = self.place / "linked"
        self.git("worktree", "add", "-q", str(linked), "side")
        self.run_box("test -z \"$(git status --porcelain)\" && echo x >new && git add -A"
                     " && git commit -qam x", cwd=linked)
        self.assert_untouched(linked)
        self.assert_untouched()
        # The worktree's box has the repository's own index at hand as well.
        self.run_box(f"git -C {self.project} ls-files -v >seen; rm -f seen", cwd=linked)
        self.run_box("echo x >new && git add -A && git commit -qam x")
        self.assert_untouched()
        self.assert_untouched(linked)


if __name__ == "__main__":
    unittest.main()
