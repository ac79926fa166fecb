"""What a box leaves in a repository for whoever works there next, and which credentials' places it does not have.
Each way has a control outside a box, where it is open."""
import os
import subprocess
import unittest

from sandbox import SessionTest

CANARY = "canary-c2a94f0b6e"
KINDS = (("--view", "live"), ("--view", "masks"))
# Read by a program outside without a word: shells, editors, agents, git.
HOME = (".bashrc", ".profile", ".zshrc", ".gitconfig", ".config/git/config", ".claude/settings.json")
STARTUP = (".envrc", ".vscode/tasks.json", ".vscode/settings.json",
           ".idea/workspace.xml", ".mcp.json", ".claude/commands/x.md", ".claude/settings.json", ".git/config",
           ".git/hooks/pre-commit")
RUN_BY_HAND = ("Makefile", "package.json", "scripts/build.sh")  # docs/threat-model.md: look before you run
CREDENTIALS = (".npmrc", ".netrc", ".pgpass", ".docker/config.json", ".aws/credentials",
               ".config/gcloud/credentials.db", ".kube/config", ".ssh/id_ed25519", ".git-credentials", ".pypirc")
FORMS = {".npmrc": "//r/:_authToken=%s\n", ".docker/config.json": '{"auths": {"r": {"auth": "%s"}}}\n',
         ".netrc": "machine r login a password %s\n", ".pypirc": "[pypi]\npassword = %s\n",
         ".pgpass": "h:5432:d:u:%s\n", ".git-credentials": "https://a:%s@example.com\n"}


class GitEscape(SessionTest):
    def git(self, *arguments):
        return subprocess.run(["git", *arguments], cwd=self.project, env=self.environment, capture_output=True,
                              check=False)

    def box(self, kind, script):
        result = self.agentbox("run", *kind, "--", "sh", "-c", script)
        return (result.stdout + result.stderr).decode(errors="replace")

    def test_start_up_files_are_not_written(self):
        """Those that are there; docs/view.md and docs/fallback.md say what becomes of new ones."""
        self.git("init", "-q", ".")
        for name in STARTUP + RUN_BY_HAND:
            if name != ".git/config":
                self.write(name, "own\n")
        for name in HOME:
            self.write(name, "own\n", base=self.home)
        script = "for f in %s; do echo evil >>$f; rm -f $f; echo evil >$f; done" % " ".join(
            (*STARTUP, *RUN_BY_HAND, *(f"~/{name}" for name in HOME)))
        for kind in KINDS:
            with self.subTest(" ".join(kind)):
                output = self.box(kind, script)
                changed = [name for name in STARTUP if "evil" in (self.project / name).read_text()]
                self.assertEqual(changed, [], output)
                changed = [name for name in HOME if (self.home / name).read_text() != "own\n"]
                self.assertEqual(changed, [], output)
                for name in RUN_BY_HAND:  # the control
                    self.assertEqual((self.project / name).read_text(), "evil\n")

    def test_no_command_of_the_box_runs_in_the_users_git(self):
        self.git("init", "-q", ".")
        ran = self.place / "ran"
        script = f"""git config core.fsmonitor 'touch {ran}; :'; git config alias.st '!touch {ran}'
            printf '[core]\\nfsmonitor = "touch {ran}; :"\\n' >>.git/config
            printf '#!/bin/sh\\ntouch {ran}\\n' >.git/hooks/post-index-change; chmod +x .git/hooks/post-index-change
            echo x >file; git add file"""
        for kind in KINDS:
            with self.subTest(" ".join(kind)):
                output = self.box(kind, script)
                self.git("status")
                self.git("add", "-A")
                self.assertFalse(ran.exists(), output)
                self.assertTrue((self.project / "file").exists())
        subprocess.run(["sh", "-c", script], cwd=self.project, env=self.environment, capture_output=True, check=False)
        self.git("status")
        self.assertTrue(ran.exists())  # the control

    def test_places_of_credentials(self):
        """In the project and in the home; the control are the same bytes under a name of no meaning."""
        for base in (self.project, self.home):
            for name in CREDENTIALS:
                self.write(name, FORMS.get(name, "%s\n") % CANARY, base=base)
        shown = " ".join(f"{name} {self.home / name}" for name in CREDENTIALS)
        plain = subprocess.run(["sh", "-c", f"cat {shown}"], cwd=self.project, capture_output=True, check=False)
        self.assertEqual(plain.stdout.decode().count(CANARY), 2 * len(CREDENTIALS))
        for kind in KINDS:
            with self.subTest(" ".join(kind)):
                output = self.box(kind, f"cat {shown}; cat agentbox.json")
                self.assertNotIn("canary", output)

    def test_submodules_and_large_files_of_git(self):
        for name in (".git/modules/m/config", ".git/lfs/objects/aa/bb/x"):
            self.write(name, f"[remote \"o\"]\nurl = https://a:{CANARY}@example.com/\n")
        self.write(".env", f"TOKEN={CANARY}\n")
        for kind in KINDS:
            with self.subTest(" ".join(kind)):
                output = self.box(kind, "cat .env; echo evil >>.git/modules/m/config; cat .git/HEAD")
                self.assertNotIn(CANARY, output)
                self.assertNotIn("evil", (self.project / ".git/modules/m/config").read_text())

    def test_an_old_commit_does_not_bring_a_hidden_file(self):
        self.git("init", "-q", ".")
        self.git("config", "user.name", "Ada")
        self.git("config", "user.email", "ada@example.com")
        self.write(".env", f"A={CANARY}\n")
        self.git("add", "-f", ".env")
        self.git("commit", "-qm", "with")
        self.git("rm", "-q", ".env")
        self.git("commit", "-qm", "without")
        script = "git checkout HEAD~1 -- .env; cat .env; git stash -q; git stash pop; git restore -s HEAD~1 .env; cat .env"
        for history in ("warn", "filter", "refuse"):
            self.write(".config/agentbox/policy.json", '{"version": 1, "history": "%s"}' % history, base=self.home)
            with self.subTest(history):
                output = self.box(KINDS[0], script + "; git show HEAD~1:.env; git reset -q --hard; rm -f .env")
                # The control is "warn", which says it (history_test.py) and leaves git's objects as they are.
                self.assertEqual(CANARY in output, history == "warn")


if __name__ == "__main__":
    unittest.main()
