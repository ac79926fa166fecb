"""The files of a box without /dev/fuse: masks at launch, and a guard that masks again."""
import base64
import json
import os
import pathlib
import shutil
import signal
import subprocess
import time
import unittest

from sandbox import AGENTBOX, SessionTest

PATIENCE = 30  # seconds; what is waited for takes milliseconds
# Looks like what a service hands out, and is none.
TOKEN = "ghp_" + "aZ3kQ9xT7bLm2VnR8cWd5YpJ4hGs6FuE1oAi"
PASSWORD = "outer-kT9#vQ2m!xW7pL4z"
# In the box: until "go" is there, then until `$1` cannot be read any more.
UNREADABLE = """
while [ ! -e go ]; do sleep 0.01; done
i=0
while cat "$1" >/dev/null 2>&1; do
  i=$((i + 1)); [ $i -lt 2000 ] || { echo "still readable"; exit 1; }
  sleep 0.005
done
cat "$1" 2>&1
exit 0
"""


class MaskedTest(SessionTest):
    def run_box(self, script, *options, **keywords):
        return super().run_box(script, "--view", "masks", *options, **keywords)

    def start(self, *command, view="masks"):
        process = subprocess.Popen([AGENTBOX, "run", "--view", view, "--", *command],
                                   cwd=self.project, env=self.environment, stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.addCleanup(lambda: process.poll() is None and process.kill())
        return process

    def await_file(self, name):
        deadline = time.monotonic() + PATIENCE
        while not (self.project / name).exists():
            self.assertLess(time.monotonic(), deadline, f"{name} did not appear")
            time.sleep(0.01)

    def finish(self, process, status=0):
        output, errors = process.communicate(timeout=PATIENCE)
        self.assertEqual(process.returncode, status, (output + errors).decode())
        return output.decode() + errors.decode()

    def replace(self, name, text):
        """As an editor saves."""
        new = self.project.parent / "saved"
        new.write_text(text)
        os.rename(new, self.project / name)

    def unreadable(self, name, act):
        process = self.start("sh", "-c", f": > ready\n{UNREADABLE}", "sh", name)
        self.await_file("ready")
        act()
        self.write("go", "")
        self.assertNotIn("outer", self.finish(process).replace(name, ""))


class LaunchTest(MaskedTest):
    def test_hidden_names_are_masked_and_nothing_is_left(self):
        self.write(".env", "A=outer\n")
        self.write("deep/er/.env.local", "A=outer\n")
        self.write(".aws/credentials", "outer\n")
        self.write(".npmrc", "//registry.example/:_authToken=outer\n")
        self.write("plain/.npmrc", "fund=false\n")
        os.link(self.project / ".env", self.project / "notes.txt")
        os.link(self.project / ".aws/credentials", self.project / "other.txt")
        before = sorted(str(p) for p in self.project.rglob("*"))
        output = self.run_box(
            "cat .env deep/er/.env.local .aws/credentials .npmrc notes.txt other.txt 2>&1;"
            "dd if=.env 2>&1; cat plain/.npmrc; grep -r outer . 2>/dev/null; true")
        self.assertNotIn("outer", output)
        self.assertIn("fund=false", output)
        self.assertEqual(before, sorted(str(p) for p in self.project.rglob("*")))
        self.assertEqual((self.project / ".env").read_text(), "A=outer\n")
        hidden = {r["subject"] for r in self.records() if r["event"] == "hide"}
        self.assertIn(str(self.project / "notes.txt"), hidden)

    def test_control_the_same_files_are_readable_under_other_names(self):
        self.write("settings", "A=outer\n")
        os.link(self.project / "settings", self.project / "notes.txt")
        self.assertEqual(self.run_box("cat settings notes.txt"), "A=outer\n" * 2)

    def test_masks_cannot_be_taken_off(self):
        self.write("dir/.env", "A=outer\n")
        output = self.run_box(
            "umount dir/.env; umount -l dir/.env; mv dir/.env x; ln dir/.env y; rm dir/.env;"
            "chmod 644 dir/.env; mv dir other; cat other/.env x y;"
            "mount --bind . /tmp; cat /tmp/other/.env; unshare -rm cat other/.env;"
            "cat /proc/self/root$PWD/other/.env /proc/self/cwd/other/.env;"
            "mkdir n; ln -s ../other/.env n/l; cat n/l; rm -rf other; true")
        self.assertNotIn("outer", output)
        self.assertEqual((self.project / "other/.env").read_text(), "A=outer\n")

    def test_protected_names_are_read_only(self):
        self.write(".mcp.json", "{}")
        self.write(".claude/settings.json", "{}")
        self.write(".claude/.env", "A=outer\n")
        output = self.run_box(
            "for f in .mcp.json .claude/settings.json .claude/new; do echo x > $f; done 2>&1;"
            "mv .claude c 2>&1; rm -rf .mcp.json 2>&1; cat .claude/.env 2>&1; cat .mcp.json")
        self.assertEqual(output.count("Read-only file system"), 3, output)
        self.assertNotIn("outer", output)
        self.assertTrue(output.endswith("{}"), output)

    def test_the_rest_is_an_ordinary_tree(self):
        self.write("a", "1")
        self.run_box("echo 2 > a; mkdir d; mv a d/b; ln -s d/b l; ln d/b h; echo 3 >> l")
        self.assertEqual((self.project / "h").read_text(), "2\n3\n")

    def test_the_home_has_what_is_listed_and_a_scratch(self):
        self.write(".config/tool/settings", "yes\n", base=self.home)
        self.write(".config/other", "outer\n", base=self.home)
        self.write("kept/data", "1\n", base=self.home)
        self.write(".gitconfig", "[user]\n\tname = Somebody\n", base=self.home)
        self.policy(home={"read": [".config/tool"], "write": ["kept"]})
        self.trust()
        script = ("cat ~/.config/tool/settings; echo x > ~/.config/tool/settings;"
                  "cat ~/.config/other; echo 2 > ~/kept/data; ls -A ~; echo s >> ~/scratch;"
                  "cat ~/scratch; git config user.name")
        for options in ([], ["--fresh"]):
            output = self.run_box(script + "; true", *options)
            self.assertIn("yes", output)
            self.assertIn("Somebody", output)
            self.assertNotIn("outer", output)
            self.assertEqual((self.home / "kept/data").read_text(), "2\n")
            self.assertEqual((self.home / ".config/tool/settings").read_text(), "yes\n")
        self.assertFalse((self.home / "scratch").exists())
        self.assertIn("s\ns\n", self.run_box(script + "; true"))

    def test_a_secret_as_a_file_is_in_the_home_only(self):
        self.secret("token", "outer-value")
        member = {"from": "local://token", "as": {"file": "~/.token"}}
        self.policy(secrets={"token": member})
        self.trust()
        for options in ([], ["--fresh"]):
            # Masked in the output, so that its length tells.
            self.assertEqual(self.run_box("wc -c < ~/.token", *options).strip(), "11")
        self.policy(secrets={"token": {**member, "as": {"file": "token.txt"}}})
        self.trust()
        result = self.agentbox("run", "--view", "masks", "--", "true")
        self.assertEqual(result.returncode, 78, result.stderr.decode())


class GuardTest(MaskedTest):
    def test_a_save_outside_is_masked_again(self):
        self.write(".env", "A=outer1\n")
        self.unreadable(".env", lambda: self.replace(".env", "A=outer2\n"))

    def test_names_that_appear_are_masked(self):
        def in_a_new_directory():
            self.write("new/er/.env", "A=outer\n")

        def moved_in():
            (self.place / "made").mkdir()
            (self.place / "made/.env").write_text("A=outer\n")
            os.rename(self.place / "made", self.project / "new2")

        def linked():
            os.link(self.project / "new/er/.env", self.project / "copy.txt")

        def credential():
            self.write(".npmrc", "//registry.example/:_authToken=outer\n")

        for name, act in [("new/er/.env", in_a_new_directory), ("new2/.env", moved_in),
                          ("copy.txt", linked), (".npmrc", credential)]:
            with self.subTest(name):
                for left in ("go", "ready"):
                    (self.project / left).unlink(missing_ok=True)
                self.unreadable(name, act)

    def test_a_hidden_name_that_the_box_makes_is_masked(self):
        output = self.run_box("echo inner > x; mv x .env; i=0; while cat .env 2>/dev/null; do "
                              "i=$((i+1)); [ $i -lt 2000 ] || exit 1; sleep 0.005; done; true")
        self.assertTrue(set(output.split()) <= {"inner"}, output)

    def test_a_protected_name_that_appears_ends_the_session(self):
        for script in ("echo '{}' > .mcp.json", "mkdir .vscode", "ln -s /etc/passwd .envrc",
                       "mkdir -p a/.git/hooks"):
            with self.subTest(script):
                process = self.start("sh", "-c", f"{script}; sleep {PATIENCE}")
                self.assertIn("has appeared", self.finish(process, 77))
        failed = [r for r in self.records() if r["outcome"] == "failed"]
        self.assertEqual(len(failed), 4)
        self.assertIn("has appeared", failed[0]["error"])

    def test_a_protected_name_that_is_saved_outside_stays_protected(self):
        self.write(".mcp.json", "{}")
        process = self.start("sh", "-c", ": > ready; while [ ! -e go ]; do sleep 0.01; done; i=0;"
                             "while echo x >> .mcp.json; do i=$((i+1)); [ $i -lt 2000 ] || exit 1;"
                             "sleep 0.005; done 2>/dev/null; echo refused")
        self.await_file("ready")
        self.replace(".mcp.json", "[]")
        self.write("go", "")
        self.assertIn("refused", self.finish(process))

    def test_a_dead_guard_ends_the_session(self):
        process = self.start("sh", "-c", f": > ready; sleep {PATIENCE}")
        self.await_file("ready")
        guards = [int(p.parent.name) for p in pathlib.Path("/proc").glob("[0-9]*/comm")
                  if self.comm(p) == "agentbox-guard" and self.parent(p.parent) == process.pid]
        self.assertEqual(len(guards), 1)
        os.kill(guards[0], signal.SIGKILL)
        self.assertIn("guard", self.finish(process, 125))

    def test_the_guard_goes_with_the_supervisor(self):
        process = self.start("sh", "-c", f": > ready; sleep {PATIENCE}")
        self.await_file("ready")
        guards = [p.parent for p in pathlib.Path("/proc").glob("[0-9]*/comm")
                  if self.comm(p) == "agentbox-guard" and self.parent(p.parent) == process.pid]
        self.assertEqual(len(guards), 1)
        process.kill()
        process.wait()
        deadline = time.monotonic() + PATIENCE
        while self.comm(guards[0] / "comm") == "agentbox-guard" and \
                self.state(guards[0]) != "Z":
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.01)

    @staticmethod
    def comm(path):
        try:
            return path.read_text().strip()
        except OSError:
            return ""

    @staticmethod
    def fields(directory):
        try:
            return (directory / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            return ["Z", "0"]

    def parent(self, directory):
        return int(self.fields(directory)[1])

    def state(self, directory):
        return self.fields(directory)[0]


class ContentsTest(MaskedTest):
    """Files with ordinary names: none in which a secret is found can be read."""

    def found(self):
        return {(r["subject"][len(str(self.project)) + 1:], r["outcome"], r["reason"])
                for r in self.records() if r["event"] == "find"}

    def files(self):
        """What a tree holds besides its .env; by name."""
        return {
            "notes.txt": f"the word is {PASSWORD} here\n",
            "config/app.json": json.dumps({"token": TOKEN}),
            "build.log": "Basic " + base64.b64encode(b"admin:" + PASSWORD.encode()).decode() + "\n",
            "big.txt": "line of ordinary text\n" * 200_000 + PASSWORD + "\n",
        }

    def test_copies_and_tokens_cannot_be_read(self):
        self.write(".env", f"DB_PASSWORD={PASSWORD}\nPORT=3000\n")
        self.write("plain.txt", "PORT=3000\n")
        for name, text in self.files().items():
            self.write(name, text)
        os.link(self.project / "notes.txt", self.project / "link.txt")
        output = self.run_box("cat plain.txt; for f in *.txt *.log config/*; do echo x >> $f; done;"
                              "mv notes.txt n; cp build.log b; cat * config/*; grep -r . .; true")
        self.assertIn("PORT=3000", output)
        for secret in (PASSWORD, TOKEN, self.files()["build.log"][10:26]):
            self.assertNotIn(secret, output)
        for name, text in self.files().items():
            self.assertEqual((self.project / name).read_text(), text)
        self.assertEqual(self.found(), {
            ("notes.txt", "masked", "value of .env"), ("link.txt", "masked", "value of .env"),
            ("build.log", "masked", "value of .env"), ("big.txt", "masked", "value of .env"),
            ("config/app.json", "masked", "github-token")})
        self.assertNotIn(PASSWORD, json.dumps(self.records()))

    def test_control_without_the_hidden_file_it_is_a_word_like_any_other(self):
        for name, text in self.files().items():
            self.write(name, text)
        output = self.run_box("cat notes.txt build.log; tail -n 1 big.txt")
        self.assertEqual(output.count(PASSWORD), 2)
        self.assertIn(self.files()["build.log"], output)

    def test_each_file_by_its_rule(self):
        self.policy(files={"detect": {"**": "off", "closed/**": "redact", "docs/**": "report"}})
        self.trust()
        for name in ("a.txt", "closed/a.txt", "docs/a.txt"):
            self.write(name, f"token = {TOKEN}\n")
        output = self.run_box("cat a.txt docs/a.txt; cat closed/a.txt 2>&1; true")
        self.assertEqual(output.count(TOKEN), 2, output)
        self.assertEqual(self.found(), {("closed/a.txt", "masked", "github-token"),
                                        ("docs/a.txt", "shown", "github-token")})

    def test_a_released_value_is_found(self):
        self.policy(secrets={"database": {"from": "local://db", "as": {"env": "DB_PASSWORD"}}},
                    scopes={"main": {"secrets": ["database"]}})
        self.trust()
        self.secret("db", PASSWORD)
        self.write("notes.txt", f"the word is {PASSWORD} here\n")
        self.assertNotIn(PASSWORD, self.run_box("cat notes.txt; true", "--no-masking"))

    def test_a_protected_file_that_holds_a_token(self):
        self.write(".mcp.json", json.dumps({"token": TOKEN}))
        self.write(".claude/settings.json", json.dumps({"token": TOKEN}))
        output = self.run_box("cat .mcp.json .claude/settings.json; echo x > .mcp.json;"
                              "echo x > .claude/settings.json; echo x > .claude/new; true")
        self.assertNotIn(TOKEN, output)
        self.assertFalse((self.project / ".claude/new").exists())
        self.assertEqual({name for name, _, _ in self.found()},
                         {".mcp.json", ".claude/settings.json"})
        self.assertIn(TOKEN, (self.project / ".mcp.json").read_text())

    def test_a_file_that_gets_a_secret_is_masked(self):
        self.write(".env", f"DB_PASSWORD={PASSWORD}\n")
        text = f"outer {TOKEN}\n"

        def moved_in():
            (self.place / "made").mkdir()
            (self.place / "made/a").write_text(text)
            os.rename(self.place / "made", self.project / "new")

        for name, act in [("written.txt", lambda: self.write("written.txt", text)),
                          ("saved.txt", lambda: self.replace("saved.txt", text)),
                          ("copy.txt", lambda: shutil.copy(self.project / ".env",
                                                           self.project / "copy.txt")),
                          ("new/a", moved_in)]:
            with self.subTest(name):
                for left in ("go", "ready"):
                    (self.project / left).unlink(missing_ok=True)
                if name != "new/a":
                    self.write(name, "inner\n")
                self.unreadable(name, act)

    def test_a_file_with_a_huge_hole(self):
        with open(self.project / "holes", "wb") as file:
            file.truncate(1 << 42)
            file.seek(1 << 41)
            file.write(TOKEN.encode())
        self.assertNotIn("ghp_", self.run_box(f"tail -c +{(1 << 41) + 1} holes | head -c 100; true"))

    def test_a_hidden_file_that_changes_is_looked_for(self):
        self.write("notes.txt", f"the word is {PASSWORD}\n")
        self.unreadable("notes.txt", lambda: self.write(".env", f"DB_PASSWORD={PASSWORD}\n"))

    def test_control_with_off_nothing_is_masked(self):
        self.policy(files={"detect": "off"})
        self.trust()
        self.write(".env", f"DB_PASSWORD={PASSWORD}\n")
        process = self.start("sh", "-c", ": > ready; while [ ! -e go ]; do sleep 0.01; done;"
                             "sleep 0.5; cat notes.txt; cat .env 2>&1")
        self.await_file("ready")
        self.write("notes.txt", f"{PASSWORD} {TOKEN}\n")
        self.write("go", "")
        output, _ = process.communicate(timeout=PATIENCE)
        self.assertIn(f"{PASSWORD} {TOKEN}", output.decode())
        self.assertEqual(output.decode().count(PASSWORD), 1)


class GitTest(MaskedTest):
    """No commit made in the box holds a mask, or the deletion of a hidden file."""

    def git(self, *arguments):
        return subprocess.run(["git", *arguments], cwd=self.project, env=self.environment, check=True,
                              capture_output=True).stdout.decode()

    def setUp(self):
        super().setUp()
        self.git("init", "-q", "-b", "main")
        self.git("config", "user.name", "Somebody")
        self.git("config", "user.email", "somebody@example.org")
        self.hidden = [".env", "config/.aws/credentials"]
        for name in self.hidden:
            self.write(name, "A=outer\n")
        self.write("code.c", "int x;\n")
        self.git("add", "-A")
        self.git("commit", "-qm", "first")

    def check(self):
        for commit in self.git("rev-list", "--all", "--reflog").split():
            for name in self.hidden:
                self.assertEqual(self.git("show", f"{commit}:{name}"), "A=outer\n")
        for name in self.hidden:
            self.assertEqual(self.git("show", f":{name}"), "A=outer\n")
            self.assertEqual((self.project / name).read_text(), "A=outer\n")

    def test_commits_keep_what_is_hidden(self):
        for commands in ("git add -A; git commit -qm x", "git commit -qam x", "git add -u",
                         "git add .; git commit -qm x", "git add code.c; git commit -qm x",
                         "git stash", "git stash -u", "git checkout -f", "git reset -q --hard",
                         "git clean -fdx", "git rm -rf .", "git rm -f .env; git commit -qm x",
                         "git checkout -b other; echo y > y; git add y; git commit -qm y"):
            with self.subTest(commands):
                self.write("code.c", f"int x; // {commands}\n")
                self.run_box(f"({commands}) 2>&1; true")
                self.check()
        self.assertIn("y", self.git("ls-tree", "--name-only", "other").split())

    def test_control_files_that_are_not_hidden_are_committed(self):
        self.run_box("echo 'int z;' > code.c; git commit -qm x code.c")
        self.assertEqual(self.git("show", "HEAD:code.c"), "int z;\n")
        self.check()


class TierTest(MaskedTest):
    def without_fuse(self, *arguments, before=""):
        """In a mount namespace where /dev/fuse is a socket, which cannot be opened."""
        script = ("import socket,sys; socket.socket(socket.AF_UNIX).bind(sys.argv[1])")
        cover = self.place / "socket"
        if not cover.exists():
            subprocess.run(["python3", "-c", script, cover], check=True)
        return subprocess.run(
            ["unshare", "-rm", "sh", "-c",
             f'{before} mount --bind "$0" /dev/fuse && exec "$@"', cover, AGENTBOX, *arguments],
            cwd=self.project, env=self.environment, capture_output=True, timeout=60)

    def setUp(self):
        super().setUp()
        if not os.path.exists("/dev/fuse"):
            self.skipTest("no /dev/fuse to take away here")

    def test_without_fuse_files_are_masked(self):
        self.write(".env", "A=outer\n")
        result = self.without_fuse("run", "--", "sh", "-c", "cat .env; echo done")
        self.assertEqual((result.returncode, result.stdout), (0, b"done\n"), result.stderr)
        starts = [r for r in self.records() if r["event"] == "session" and r["outcome"] == "start"]
        self.assertEqual(starts[0]["reason"], "files: masks")
        doctor = self.without_fuse("doctor").stdout.decode()
        self.assertIn("weaker than the live view", doctor)

    def test_live_does_not_start(self):
        for options, document in ((["--view", "live"], {}), ([], {"view": "live"})):
            self.policy(**document)
            result = self.without_fuse("run", *options, "--", "true")
            self.assertEqual(result.returncode, 78, result.stderr.decode())
            self.assertIn("/dev/fuse", result.stderr.decode())

    def test_masks_are_refused_where_they_do_not_do(self):
        self.policy(view="live")
        result = self.agentbox("run", "--view", "masks", "--", "true")
        self.assertEqual(result.returncode, 77, result.stderr.decode())
        self.policy(user_namespaces=True)
        self.trust()
        result = self.agentbox("run", "--view", "masks", "--", "true")
        self.assertEqual(result.returncode, 78, result.stderr.decode())
        self.assertEqual(self.agentbox("run", "--view", "some", "--", "true").returncode, 78)
        self.policy()
        result = self.agentbox("run", "--view", "masks", "--review", "--", "true")
        self.assertEqual(result.returncode, 78, result.stderr.decode())
        self.assertIn("--review", result.stderr.decode())

    def test_with_fuse_the_view_is_live(self):
        self.agentbox("run", "--", "true")
        starts = [r for r in self.records() if r["event"] == "session" and r["outcome"] == "start"]
        self.assertEqual(starts[0]["reason"], "files: live view")

    def test_too_few_watches_end_the_launch(self):
        for i in range(20):
            (self.project / f"d{i}").mkdir()
        result = self.without_fuse("run", "--", "true",
                                   before="echo 8 > /proc/sys/user/max_inotify_watches &&")
        self.assertEqual(result.returncode, 125, result.stderr.decode())
        self.assertIn("max_user_watches", result.stderr.decode())


class MaskAloneTest(SessionTest):
    def test_control_a_mask_without_a_guard_leaks_after_a_save(self):
        self.write(".env", "A=outer1\n")
        self.write("empty", "")
        script = ("mount --bind empty .env && cat .env && : > ready && "
                  "while [ ! -e go ]; do sleep 0.01; done; cat .env")
        process = subprocess.Popen(["unshare", "-rm", "sh", "-c", script], cwd=self.project,
                                   stdout=subprocess.PIPE)
        while not (self.project / "ready").exists():
            self.assertIsNone(process.poll())
            time.sleep(0.01)
        (self.place / "saved").write_text("A=outer2\n")
        os.rename(self.place / "saved", self.project / ".env")
        self.write("go", "")
        self.assertEqual(process.communicate(timeout=PATIENCE)[0], b"A=outer2\n")


if __name__ == "__main__":
    unittest.main()
