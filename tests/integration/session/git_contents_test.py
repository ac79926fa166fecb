"""Tracked files in which a secret is found: git in a box neither stages nor loses them."""
import subprocess
import unittest

from sandbox import AGENTBOX, SessionTest

TOKEN = "ghp_" + "aZ3kQ9xT7bLm2VnR8cWd5YpJ4hGs6FuE1oAi"
OTHER = "ghp_" + "Bk7wP2mX9sLq4TzN6vYc3HjR8dFg1UaE5iOo"


class GitContents(SessionTest):
    def setUp(self):
        super().setUp()
        self.write("settings.py", f"TOKEN = '{TOKEN}'\n")
        self.write("main.py", "print('one')\n")
        self.git("git init -q -b main; git config user.email a@b; git config user.name c;"
                 "git add .; git commit -qm first")

    def git(self, script):
        return subprocess.run(["sh", "-ec", script], cwd=self.project, check=True, text=True,
                              env=self.environment, capture_output=True).stdout

    def check_untouched(self, text):
        """No stars in the repository, the user's file as it was, and the index its own again."""
        self.assertEqual((self.project / "settings.py").read_text(), text)
        objects = self.git("git cat-file --batch-all-objects --batch-check | grep blob |"
                           " cut -c1-40 | while read o; do git cat-file -p $o; echo; done")
        self.assertNotIn("***", objects)
        self.assertIn(TOKEN, objects)
        self.assertNotIn("S settings.py", self.git("git ls-files -v"))
        self.git("git fsck --strict")

    def in_every_way(self, text):
        self.assertIn("****", self.run_box("cat settings.py"))
        for number, script in enumerate([
                "git add -A; git commit -qm 1", "git commit -qam 2",
                "git stash -q; git stash pop -q; git commit -qam 3",
                "git checkout -qb side; git commit -qam 4; git checkout -q main; git merge -q side",
                "git commit -qam 5; git checkout -qb other HEAD~1; echo x >new; git add -A; git commit -qm x;"
                "git rebase -q main; git checkout -q main; git merge -q other",
                "git worktree add -q tree; cd tree; echo y >../tree/y; git add -A; git commit -qm 6"]):
            # Each has something of its own to commit, and git sees that and nothing else.
            output = self.run_box(f"echo 'print({number})' >main.py; git status --porcelain; "
                                  f"set -e; {script}")
            self.assertEqual(output, " M main.py\n", script)
            self.check_untouched(text)
        self.assertIn("print(4)", self.git("git show main:main.py"))
        self.assertEqual(self.git("git show main:settings.py"), f"TOKEN = '{TOKEN}'\n")

    def test_left_alone_by_git_outside(self):
        self.in_every_way(f"TOKEN = '{TOKEN}'\n")

    def test_times_in_doubt(self):
        self.git("sleep 0.1; touch settings.py")
        self.in_every_way(f"TOKEN = '{TOKEN}'\n")
        self.assertEqual(self.git("git diff --stat settings.py"), "")

    def test_edited_outside(self):
        text = f"TOKEN = '{TOKEN}'\nOTHER = '{OTHER}'\n"
        self.write("settings.py", text)
        self.in_every_way(text)
        # The control: outside git sees the change, and takes it.
        self.assertEqual(self.git("git status --porcelain settings.py"), " M settings.py\n")
        self.git("git commit -qam mine")
        self.assertIn(OTHER, self.git("git show HEAD:settings.py"))

    def test_a_change_without_a_secret_is_seen(self):
        self.write("settings.py", "TOKEN = None\n")
        self.assertEqual(self.run_box("git status --porcelain; git commit -qam clean"),
                         " M settings.py\n")
        self.assertEqual(self.git("git show HEAD:settings.py"), "TOKEN = None\n")

    def test_edited_outside_while_the_box_runs(self):
        script = ("git status --porcelain; touch ready; while [ -e ready ]; do sleep 0.1; done; "
                  "sleep 0.5; git status --porcelain; git add -A; git commit -qm box")
        box = subprocess.Popen([AGENTBOX, "run", "--", "sh", "-ec", script],
                               cwd=self.project, env=self.environment, stdout=subprocess.PIPE,
                               text=True)
        self.addCleanup(box.kill)
        while not (self.project / "ready").exists():
            self.assertIsNone(box.poll())
        text = f"TOKEN = '{TOKEN}'\nOTHER = '{OTHER}'\n"
        self.write("settings.py", text)
        self.write("main.py", "print('changed')\n")
        (self.project / "ready").unlink()
        output, _ = box.communicate(timeout=60)
        self.assertEqual((box.returncode, output), (0, " M main.py\n"))
        self.check_untouched(text)
        self.assertEqual(self.git("git show HEAD:main.py"), "print('changed')\n")

    def test_what_the_box_makes_it_commits(self):
        self.run_box(f"echo \"KEY = '{OTHER}'\" >made.py; git add -A; git commit -qm made")
        self.assertIn(OTHER, self.git("git show HEAD:made.py"))

    def test_a_bit_of_the_users_own_stays(self):
        self.git("git update-index --skip-worktree settings.py")
        self.run_box("echo 1 >main.py; git commit -qam 1")
        self.assertIn("S settings.py", self.git("git ls-files -v"))


if __name__ == "__main__":
    unittest.main()
