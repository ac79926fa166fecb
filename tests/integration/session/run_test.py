"""`agentbox run` as a whole: what comes in, what stays out, what is recorded."""
import os
import signal
import stat
import subprocess
import time
import unittest

from sandbox import AGENTBOX, SessionTest

CANARY = "canary-5f3b9a7c1d"


class Environment(SessionTest):
    def test_only_listed_variables_come_in_and_never_a_credential(self):
        caller = {"COLORTERM": "truecolor", "GITHUB_TOKEN": CANARY, "OP_SERVICE_ACCOUNT_TOKEN": CANARY,
                  "MY_PRIVATE_NOTE": CANARY, "LD_PRELOAD": "", "DBUS_SESSION_BUS_ADDRESS": "unix:x"}
        seen = self.run_box("env", env=caller)
        self.assertNotIn(CANARY, seen)
        self.assertIn("COLORTERM=truecolor", seen)
        self.assertNotIn("DBUS_SESSION_BUS_ADDRESS", seen)
        self.assertIn(f"HOME={self.home}", seen)
        # The control: without the box all of them arrive.
        plain = subprocess.run(["env"], env={**self.environment, **caller}, capture_output=True)
        self.assertIn(CANARY.encode(), plain.stdout)

    def test_no_process_of_the_box_holds_the_callers_environment(self):
        seen = self.run_box("for p in /proc/[0-9]*; do tr '\\0' '\\n' <$p/environ; tr '\\0' ' ' <$p/cmdline;"
                            " done 2>/dev/null; true", env={"GITHUB_TOKEN": CANARY})
        self.assertNotIn(CANARY, seen)


class Files(SessionTest):
    def test_secret_files_do_not_exist(self):
        for name in (".env", ".env.production.local.backup", "config.bak", "secrets.json", "server.pem",
                     "deep/er/.env.local.sample", "id_ed25519", "terraform.tfstate"):
            self.write(name, CANARY)
        self.write(".env.example", "KEY=")
        self.write("app.py", "code")
        seen = self.run_box("find . -type f; cat .env; cat config.bak; grep -r canary . ; true")
        self.assertNotIn("canary", seen)
        self.assertIn("app.py", seen)
        self.assertIn(".env.example", seen)
        self.assertNotIn("config.bak", seen)
        control = subprocess.run(["grep", "-rc", CANARY, "."], cwd=self.project, capture_output=True)
        self.assertIn(b".env:1", control.stdout)
        hidden = [r["subject"] for r in self.records() if r["event"] == "hide"]
        self.assertIn(str(self.project / ".env"), hidden)
        self.verify()

    def test_what_is_changed_outside_while_it_runs_stays_hidden(self):
        self.write(".env", CANARY)
        process = subprocess.Popen(
            [AGENTBOX, "run", "--", "sh", "-c",
             "echo up; read go; cat .env .env.local notes.txt; ls -A; true"],
            cwd=self.project, env=self.environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE)
        self.assertEqual(process.stdout.readline(), b"up\n")
        self.write(".env.new", CANARY + "2")
        os.rename(self.project / ".env.new", self.project / ".env")
        self.write(".env.local", CANARY)
        os.link(self.project / ".env", self.project / "notes.txt")
        self.write("visible.txt", "fine")
        out, err = process.communicate(b"go\n", timeout=30)
        self.assertNotIn(b"canary", out + err)
        self.assertIn(b"visible.txt", out)
        self.assertNotIn(b"notes.txt\n", out)

    def test_the_project_is_writable_and_what_would_run_outside_is_not(self):
        subprocess.run(["git", "init", "-q", "."], cwd=self.project, check=True)
        self.run_box("echo x >made && mkdir d && mv made d/ && echo y >>d/made")
        self.assertEqual((self.project / "d/made").read_text(), "x\ny\n")
        for target in (".git/hooks/pre-commit", ".git/config", "agentbox.json", ".mcp.json",
                       ".claude/settings.json", ".vscode/tasks.json", ".envrc"):
            self.run_box(f"mkdir -p $(dirname {target}) 2>/dev/null; ! echo evil >>{target}")
            path = self.project / target
            self.assertFalse(path.exists() and "evil" in path.read_text(), target)

    @unittest.skipIf(os.geteuid() != 0, "needs root, to give files to a group of another number")
    def test_files_of_other_groups_can_be_worked_with(self):
        user, group, other = 33, 33, 60  # www-data, and the group "games"
        self.write("shared.txt", "one\n").chmod(0o664)
        theirs = self.write("theirs.txt", "one\n")
        theirs.chmod(0o660)
        for path in (self.place, self.home, self.project):
            os.chown(path, user, group)
        os.chown(self.project / "shared.txt", user, other)
        os.chown(theirs, 0, other)
        script = ("echo two >>shared.txt && sed -i s/one/three/ shared.txt && cp shared.txt copy && rm copy &&"
                  " echo two >>theirs.txt && mv shared.txt moved.txt")
        result = subprocess.run(
            ["setpriv", f"--reuid={user}", f"--regid={group}", f"--groups={other}",
             AGENTBOX, "run", "--", "sh", "-c", script],
            cwd=self.project, env=self.environment, capture_output=True)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual((self.project / "moved.txt").read_text(), "three\ntwo\n")
        self.assertEqual(theirs.read_text(), "one\ntwo\n")
        self.assertEqual(theirs.stat().st_gid, other)

    def test_git_works_in_a_repository_and_in_a_linked_worktree(self):
        git = ["git", "-c", "user.name=t", "-c", "user.email=t@example.com"]
        subprocess.run([*git, "init", "-q", "."], cwd=self.project, check=True)
        subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", "x"], cwd=self.project, check=True)
        linked = self.place / "linked"
        subprocess.run([*git, "worktree", "add", "-q", str(linked)], cwd=self.project, check=True)
        self.write(".gitconfig", "[user]\nname = Ada\nemail = ada@example.com\n"
                                 "[credential]\nhelper = store\n", base=self.home)
        commit = ("echo a >$0 && git add -A && git commit -qm 'from the box' && git log --format=%an -1"
                  " && git status --porcelain && ! git config --get credential.helper")
        for directory in (self.project, linked):
            result = self.agentbox("run", "--", "sh", "-c", commit, "file-" + directory.name, cwd=directory)
            self.assertEqual(result.stdout, b"Ada\n", result.stderr)
        log = subprocess.run(["git", "log", "--all", "--format=%s"], cwd=self.project, capture_output=True)
        self.assertEqual(log.stdout.count(b"from the box"), 2)
        # The shared git directory, as the worktree's box sees it, runs nothing later either.
        git_directory = self.project / ".git"
        before = (git_directory / "config").read_bytes()
        planted = self.agentbox(
            "run", "--", "sh", "-c", "echo x >$0/config; echo x >$0/hooks/post-commit; echo x >$0/made", git_directory,
            cwd=linked)
        self.assertEqual((git_directory / "config").read_bytes(), before, planted.stderr)
        self.assertFalse((git_directory / "hooks/post-commit").exists())
        self.assertTrue((git_directory / "made").exists())


class Home(SessionTest):
    def test_the_home_is_private_and_kept_for_the_repository(self):
        self.write(".ssh/id_rsa", CANARY, base=self.home)
        self.write("diary.txt", CANARY, base=self.home)
        self.assertNotIn("canary", self.run_box("ls -AR ~; cat ~/diary.txt ~/.ssh/id_rsa; true"))
        self.run_box("mkdir -p ~/.cache/tool && echo kept >~/.cache/tool/state")
        self.assertFalse((self.home / ".cache").exists())
        self.assertEqual(self.run_box("cat ~/.cache/tool/state"), "kept\n")

    def test_fresh_is_empty_and_leaves_nothing(self):
        self.run_box("echo kept >~/state")
        self.run_box("test ! -e ~/state && echo new >~/other", "--fresh")
        self.assertEqual(self.run_box("cat ~/state; cat ~/other || true"), "kept\n")

    def test_an_agent_replaces_its_state_by_rename(self):
        self.write(".claude.json", "{}", base=self.home)
        self.write(".claude/settings.json", "{}", base=self.home)
        self.run_box("echo '{\"new\":1}' >~/.claude.json.tmp.1 && mv ~/.claude.json.tmp.1 ~/.claude.json &&"
                     " ! echo evil >~/.claude/settings.json && ! mkdir ~/.claude/hooks", "--profile", "claude")
        self.assertEqual((self.home / ".claude.json").read_text(), '{"new":1}\n')
        self.assertEqual((self.home / ".claude/settings.json").read_text(), "{}")

    def test_the_home_itself_is_no_project(self):
        result = self.agentbox("run", "--", "true", cwd=self.home)
        self.assertEqual(result.returncode, 77)


class Secrets(SessionTest):
    VALUE = "pa55-" + CANARY

    def grant(self, **where):
        self.secret("db", self.VALUE)
        self.policy(secrets={"database": {"from": "local://db", "as": where}},
                    scopes={"main": {"secrets": ["database"]}, "other": {}})
        self.trust()

    def test_a_value_arrives_masked_and_only_in_its_scope(self):
        self.grant(env="DATABASE_URL")
        seen = self.run_box(f'echo "$DATABASE_URL"; test "$DATABASE_URL" = {self.VALUE} && echo same')
        self.assertEqual(seen, "<concealed by agentbox:database>\nsame\n")
        self.assertEqual(self.run_box('echo "${DATABASE_URL-none}"', "--scope", "other"), "none\n")

    def test_each_release_is_recorded_before_it(self):
        self.grant(env="DATABASE_URL")
        self.run_box("true")
        events = [r["event"] for r in self.records()]
        self.assertIn("resolve", events)
        release = [r for r in self.records() if r["event"] == "release"][0]
        self.assertEqual(release["reference"], "local://db")
        self.assertEqual(release["delivery"], "env:DATABASE_URL")
        self.assertNotIn(CANARY, str(self.records()))
        self.verify()

    def test_a_file_is_private_and_never_on_a_disk(self):
        self.grant(file="~/.config/tool/password")
        seen = self.run_box(f"test \"$(cat ~/.config/tool/password)\" = {self.VALUE} && "
                            "! echo x >~/.config/tool/password && stat -Lf -c %T ~/.config/tool/password")
        self.assertEqual(seen, "tmpfs\n")
        found = subprocess.run(["grep", "-r", CANARY, str(self.place)], capture_output=True)
        self.assertEqual(found.stdout, b"")

    def test_an_unresolved_reference_starts_nothing(self):
        self.policy(secrets={"database": {"from": "local://absent", "as": {"env": "X"}}},
                    scopes={"main": {"secrets": ["database"]}})
        self.trust()
        result = self.agentbox("run", "--", "touch", "ran")
        self.assertEqual(result.returncode, 78)
        self.assertIn(b"local://absent", result.stderr)
        self.assertFalse((self.project / "ran").exists())

    def test_an_env_file_mixes_literals_and_references(self):
        self.secret("db", self.VALUE)
        self.write(".env", "PORT=3000\nexport URL=local://db\nQUOTED=\"a b\"\n")
        seen = self.run_box(f'echo $PORT "$QUOTED"; test "$URL" = {self.VALUE} && echo same; echo $URL',
                            "--env-file", ".env")
        self.assertEqual(seen, "3000 a b\nsame\n<concealed by agentbox:URL>\n")

    def test_an_env_file_of_the_project_may_not_reach_for_the_users_files(self):
        secret = self.write("own-key", CANARY, base=self.home)
        self.write(".env", f"KEY=file://{secret}\n")
        self.assertEqual(self.agentbox("run", "--env-file", ".env", "--", "true").returncode, 77)
        outside = self.write("outside.env", f"KEY=file://{secret}\n", base=self.place)
        self.assertEqual(self.run_box(f"test $KEY = {CANARY} && echo same", "--env-file", str(outside)),
                         "same\n")

    def test_no_masking_is_logged(self):
        self.grant(env="DATABASE_URL")
        self.assertEqual(self.run_box("echo $DATABASE_URL", "--no-masking"), self.VALUE + "\n")
        self.assertIn("mask", [r["event"] for r in self.records()])

    def test_a_log_that_cannot_be_written_stops_the_launch(self):
        self.grant(env="DATABASE_URL")
        self.run_box("true")
        # A limit on file sizes below the log's stands in for a full disk, and binds root too.
        command = 'ulimit -f 1; exec "$0" run -- touch ran'
        result = subprocess.run(["sh", "-c", command, AGENTBOX], cwd=self.project,
                                env=self.environment, capture_output=True)
        self.assertEqual(result.returncode, 125, result.stderr)
        self.assertFalse((self.project / "ran").exists())
        self.assertNotIn(CANARY.encode(), result.stdout + result.stderr)
        self.run_box("touch ran")  # the control: without the limit it runs
        self.verify()


class Trust(SessionTest):
    def test_a_policy_that_widens_is_refused_until_trusted_and_again_when_changed(self):
        self.policy(network=["example.com:443"])
        refused = self.agentbox("run", "--", "true")
        self.assertEqual(refused.returncode, 77)
        self.assertIn(b"example.com:443", refused.stderr)
        self.trust()
        self.run_box("true")
        self.policy(network=["example.com:443", "example.org:443"])
        self.assertEqual(self.agentbox("run", "--", "true").returncode, 77)

    def test_a_policy_that_narrows_needs_none(self):
        self.write("plans.txt", CANARY)
        self.policy(files={"hide": ["plans.txt"]})
        self.assertNotIn("canary", self.run_box("cat plans.txt; true"))

    def test_a_mistake_is_shown_with_its_place(self):
        self.write("agentbox.json", '{\n  "version": 1,\n  "netwrok": []\n}\n')
        result = self.agentbox("run", "--", "true")
        self.assertEqual(result.returncode, 78)
        self.assertIn(b"agentbox.json:3:3", result.stderr)
        self.assertIn(b"network", result.stderr)


class Ends(SessionTest):
    def test_statuses(self):
        self.write("script", "not executable")
        for command, status in ((["true"], 0), (["sh", "-c", "exit 7"], 7),
                                (["sh", "-c", "kill -TERM $$"], 128 + signal.SIGTERM),
                                (["sh", "-c", "kill -KILL $$"], 128 + signal.SIGKILL),
                                (["no-such-command"], 127), (["./script"], 126)):
            self.assertEqual(self.agentbox("run", "--", *command).returncode, status, command)
        self.assertEqual(self.agentbox("run", "--no-such-option", "--", "true").returncode, 125)

    def test_a_killed_supervisor_leaves_nothing(self):
        process = subprocess.Popen([AGENTBOX, "run", "--fresh", "--", "sh", "-c", "sleep 7654 & echo up; wait"],
                                   cwd=self.project, env=self.environment, stdout=subprocess.PIPE)
        self.assertEqual(process.stdout.readline(), b"up\n")
        before = set(self.place.rglob("*"))
        process.send_signal(signal.SIGKILL)
        process.wait()
        for _ in range(100):
            left = subprocess.run(["pgrep", "-f", "sleep 7654"], capture_output=True)
            if left.returncode != 0:
                break
            time.sleep(0.05)
        self.assertEqual(left.stdout, b"")
        with open("/proc/self/mountinfo") as mounts:
            self.assertNotIn(str(self.place), mounts.read())
        self.assertEqual(set(self.place.rglob("*")), before)
        self.verify()

    def test_output_and_errors_stay_apart(self):
        result = self.agentbox("run", "--", "sh", "-c", "echo out; echo err >&2; cat", stdin=b"in\n")
        self.assertEqual((result.stdout, result.stderr), (b"out\nin\n", b"err\n"))


if __name__ == "__main__":
    unittest.main()
