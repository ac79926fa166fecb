"""Linked git worktrees made in a box, and what must not be made that way."""
import shutil
import subprocess
import unittest

from sandbox import SessionTest

GIT = ["git", "-c", "user.name=t", "-c", "user.email=t@example.com"]


class Worktrees(SessionTest):
    def setUp(self):
        super().setUp()
        self.write(".gitconfig", "[user]\nname = Ada\nemail = ada@example.com\n", base=self.home)
        self.git("init", "-q", ".")
        self.write("tracked", "x\n")
        self.git("add", "-A")
        self.git("commit", "-qm", "first")
        self.canary = self.place / "canary"

    def git(self, *arguments, cwd=None, check=True):
        result = subprocess.run([*GIT, *arguments], cwd=cwd or self.project, env=self.environment,
                                capture_output=True, text=True)
        if check:
            self.assertEqual(result.returncode, 0, result.stderr)
        return result.stdout

    def evil_repository(self, directory):
        """Shell: makes a git directory whose configuration runs a command on `git status`."""
        return (f"mkdir -p {directory}/objects {directory}/refs && echo ref: refs/heads/x >{directory}/HEAD &&"
                f" printf '[core]\\n\\trepositoryformatversion = 0\\n\\tfsmonitor = touch {self.canary};:\\n'"
                f" >{directory}/config")

    def status_runs_the_canary(self, directory):
        self.canary.unlink(missing_ok=True)
        self.git("status", cwd=directory, check=False)
        return self.canary.exists()

    def test_add_use_list_and_remove(self):
        for cwd in (self.project, None):
            if cwd is None:  # the same from a worktree whose git directory is elsewhere
                cwd = self.place / "linked"
                self.git("worktree", "add", "-q", str(cwd))
            name = "made-in-" + cwd.name
            seen = self.run_box(
                f"git worktree add -q wt -b {name} && cd wt && echo a >a && git add a && git commit -qm {name} &&"
                " git status --porcelain && git log --format=%s -1 && git worktree list", cwd=cwd)
            self.assertEqual(seen.splitlines()[0], name)
            self.assertIn(f"{cwd}/wt ", seen)
            # Outside, the same worktree, with the project's own configuration.
            self.assertEqual(self.git("status", "--porcelain", cwd=cwd / "wt"), "")
            self.assertEqual(self.git("log", "--format=%an %s", "-1", name), f"Ada {name}\n")
            self.assertIn(f"{cwd}/wt ", self.git("worktree", "list"))
            # A session there works, and what it was made with stays.
            self.run_box("git status && ! echo x >.git && ! rm .git", cwd=cwd / "wt")
            self.run_box("git worktree remove wt && test ! -e wt && git branch -D " + name, cwd=cwd)
            self.assertFalse((self.project / ".git/worktrees/wt").exists())
            self.assertNotIn("/wt ", self.git("worktree", "list"))
        # The clean-up of one whose directory was removed.
        self.run_box("git worktree add -q wt && rm -r wt && git worktree prune && git worktree add -q wt")
        self.assertEqual(self.git("status", "--porcelain", cwd=self.project / "wt"), "")

    def test_a_failed_add_leaves_nothing(self):
        result = self.agentbox("run", "--", "git", "worktree", "add", "wt", "no-such-branch")
        self.assertNotEqual(result.returncode, 0)
        self.write(".vscode/settings.json", "{}")  # cannot be checked out in a box
        self.git("add", "-A")
        self.git("commit", "-qm", "with a read-only file")
        result = self.agentbox("run", "--", "git", "worktree", "add", "-b", "side", "wt")
        self.assertNotEqual(result.returncode, 0)
        self.assertFalse((self.project / "wt").exists())
        self.assertFalse((self.project / ".git/worktrees/wt").exists())

    def test_a_worktree_of_the_users_stays(self):
        linked = self.place / "linked"
        self.git("worktree", "add", "-q", str(linked))
        self.run_box("! rm .git/worktrees/linked/gitdir && ! rm .git/worktrees/linked/commondir &&"
                     " ! mv .git/worktrees/linked x", cwd=self.project)
        self.run_box("! rm .git && ! mv .git g && git status", cwd=linked)
        self.assertIn("gitdir: ", (linked / ".git").read_text())

    def test_a_git_file_leads_to_no_directory_of_the_boxs_making(self):
        evil = self.project / "evil"
        # Made outside: in a box, "HEAD" of a directory that is no git directory is refused already.
        subprocess.run(["sh", "-c", self.evil_repository("evil") + " && mkdir wt"], cwd=self.project,
                       check=True)
        # The control: planted from outside, the directory runs its command.
        self.write("planted/.git", f"gitdir: {evil}\n")
        self.assertTrue(self.status_runs_the_canary(self.project / "planted"))
        for text in (f"gitdir: {evil}\\n", "gitdir: ../evil\\n", "gitdir: evil\\n",
                     f"gitdir: {self.project}/.git/worktrees/../../evil\\n",
                     f"gitdir: {evil}\\0{self.project}/.git/worktrees/wt\\n",
                     f"gitdir: {evil}\\n{self.project}/.git/worktrees/wt\\n"):
            self.run_box(f"! printf '{text}' >wt/.git; printf '{text}' >text; ! mv text wt/.git; ! cp text wt/.git;"
                         " ! ln text wt/.git; ! ln -s text wt/.git; ! ln -s ../evil wt/.git; rm text")
            path = self.project / "wt/.git"
            self.assertFalse(path.is_symlink())
            self.assertEqual(path.read_bytes() if path.exists() else b"", b"", text)
            self.assertFalse(self.status_runs_the_canary(self.project / "wt"), text)
            self.run_box("rm -f wt/.git")

    def test_the_worktrees_part_of_the_git_directory_is_not_the_boxs_either(self):
        good = f"gitdir: {self.project}/.git/worktrees/evil\\n"
        # The control: this name, with a configuration of its own, would run it.
        self.write(".git/worktrees/evil/refs/x", "")
        subprocess.run(["sh", "-c", self.evil_repository(".git/worktrees/evil")], cwd=self.project, check=True)
        self.write("planted/.git", f"gitdir: {self.project}/.git/worktrees/evil\n")
        self.assertTrue(self.status_runs_the_canary(self.project / "planted"))
        for make in (
                self.evil_repository(".git/worktrees/evil"),
                self.evil_repository("evil") + "; mkdir -p .git/worktrees; mv evil .git/worktrees/evil",
                self.evil_repository("evil") + "; mkdir -p .git/worktrees; ln -s ../../evil .git/worktrees/evil",
                self.evil_repository("evil") + "; ln -s ../evil/.. .git/worktrees",
                self.evil_repository("evil") + "; ln -s ../evil/.. l; mv l .git/worktrees",
                self.evil_repository("all/evil") + "; mv all .git/worktrees",
                self.evil_repository("evil") + "; mkdir -p .git/worktrees/evil; echo ref: refs/heads/x "
                ">.git/worktrees/evil/HEAD; printf '../../../evil\\n' >.git/worktrees/evil/commondir",
                "mkdir -p .git/worktrees/evil/hooks; " + self.evil_repository(".git/worktrees/evil")):
            for leftover in (".git/worktrees", "evil", "all", "l", "wt"):
                path = self.project / leftover
                if path.is_symlink():
                    path.unlink()
                shutil.rmtree(path, ignore_errors=True)
            self.run_box(f"{make}; mkdir wt; printf '{good}' >wt/.git; true")
            self.assertEqual((self.project / "wt/.git").read_text(), good.replace("\\n", "\n"))
            self.assertFalse(self.status_runs_the_canary(self.project / "wt"), make)

    def test_other_repositories_are_not_made(self):
        for make in ("git init -q wt", "git clone -q . wt", "git -c protocol.file.allow=always submodule add ./. wt"):
            result = self.agentbox("run", "--", "sh", "-c", make)
            self.assertNotEqual(result.returncode, 0, make)
        self.run_box("mkdir -p wt/.git && ! echo x >wt/.git/config && ! mkdir wt/.git/hooks")
        self.assertEqual(self.git("log", "--format=%s"), "first\n")

    def test_refused_texts_are_recorded(self):
        self.run_box("mkdir wt && ! echo gitdir: /evil >wt/.git")
        refused = [r["subject"] for r in self.records() if r["event"] == "deny"]
        self.assertIn(str(self.project / "wt/.git"), refused)


if __name__ == "__main__":
    unittest.main()
