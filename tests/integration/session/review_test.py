"""Sessions that write into a layer, and what `agentbox review` does with it."""
import json
import os
import pathlib
import random
import signal
import stat
import subprocess
import time
import unittest

from sandbox import AGENTBOX, SessionTest

SECRET = "SECRET=canary-7d1e4b9f20\n"


def tree(root):
    """Everything below `root`, without git's own directory: path → (type and mode, content)."""
    found = {}
    for directory, directories, files in os.walk(root):
        if ".git" in directories:
            directories.remove(".git")
        for name in directories + files:
            path = pathlib.Path(directory, name)
            status = path.lstat()
            content = (os.readlink(path) if path.is_symlink()
                       else path.read_bytes() if path.is_file() else b"")
            found[str(path.relative_to(root))] = (stat.filemode(status.st_mode), content)
    return found


def inode(path):
    try:
        return path.stat().st_ino
    except FileNotFoundError:
        return None


class ReviewTest(SessionTest):
    def setUp(self):
        super().setUp()
        self.layers = self.home / ".local/state/agentbox/review"

    def box(self, script, *options):
        return self.run_box(script, "--review", *options)

    def review(self, *arguments, status=0, **keywords):
        result = self.agentbox("review", *arguments, **keywords)
        self.assertEqual(result.returncode, status,
                         result.stderr.decode() + result.stdout.decode())
        return result.stdout.decode()

    def changes(self):
        """path → (letter, state) of the only layer."""
        all = json.loads(self.review("show", "--json"))
        return {one["path"]: (one["change"], one["state"]) for one in all["changes"]}

    def waiting(self):
        return json.loads(self.review("list", "--json"))["reviews"]

    def assert_no_layer(self):
        self.assertEqual(self.waiting(), [], self.review())
        self.assertEqual(list(self.layers.iterdir()), [])


class Files(ReviewTest):
    def setUp(self):
        super().setUp()
        self.policy(files={"readonly": ["infra/**"], "hide": ["private/**"]})
        self.write("keep", "keep\n")
        self.write("edit", "old\n")
        self.write("gone", "gone\n")
        self.write("dir/one", "1\n")
        self.write("dir/two", "2\n")
        self.write("away/a/b", "b\n")
        self.write("infra/main.tf", "real\n")
        self.write(".env", SECRET)
        os.symlink("keep", self.project / "link")

    SCRIPT = """
      echo new >edit; chmod 755 edit; rm gone; rm -r away; mkdir -p new/deep; echo x >new/deep/file
      rm -r dir; echo file >dir; rm keep; mkdir keep; echo in >keep/in
      rm link; ln -s /nowhere link; mkdir empty; chmod 700 empty
    """

    def test_nothing_happens_outside_before_apply_and_all_of_it_after(self):
        before = tree(self.project)
        inside = self.place / "inside"
        self.box(self.SCRIPT)
        self.assertEqual(tree(self.project), before)
        self.assertEqual(self.changes(), {
            "away": ("D", "ready"), "away/a": ("D", "ready"), "away/a/b": ("D", "ready"),
            "dir": ("T", "ready"), "dir/one": ("D", "ready"), "dir/two": ("D", "ready"),
            "edit": ("M", "ready"), "empty": ("A", "ready"), "gone": ("D", "ready"),
            "keep": ("T", "ready"), "keep/in": ("A", "ready"), "link": ("M", "ready"),
            "new": ("A", "ready"), "new/deep": ("A", "ready"), "new/deep/file": ("A", "ready")})
        # The same script without a layer is what it should come to.
        subprocess.run(["cp", "-a", str(self.project), str(inside)], check=True)
        subprocess.run(["sh", "-ec", self.SCRIPT], cwd=inside, check=True)
        self.review("apply", "--yes")
        self.assertEqual(tree(self.project), tree(inside))
        self.assert_no_layer()
        self.verify()

    def test_the_box_sees_its_own_changes_and_no_layer(self):
        out = self.box("echo new >edit; cat edit; cat gone; rm gone; ls gone 2>&1; ls -A;"
                       " cat .env 2>&1; cat /proc/self/mountinfo;"
                       f" ls {self.layers} 2>&1; true")
        self.assertIn("new\ngone\n", out)
        self.assertNotIn(".env\n", out)
        self.assertNotIn("canary", out)
        self.assertNotIn("upperdir", out)
        self.assertNotIn("overlay", out)
        self.assertIn(f"{self.layers}': No such file", out.replace('"', "'"))

    def test_a_session_that_changes_nothing_leaves_no_layer(self):
        self.box("cat edit")
        self.box("echo old >edit; touch keep")
        self.assert_no_layer()

    def test_some_are_applied_and_some_dropped(self):
        self.box(self.SCRIPT)
        self.review("apply", "edit", "new/deep/file", "away/a", "--yes")
        self.assertEqual((self.project / "edit").read_text(), "new\n")
        self.assertEqual((self.project / "new/deep/file").read_text(), "x\n")
        self.assertTrue((self.project / "away").is_dir())
        self.assertFalse((self.project / "away/a").exists())
        self.assertEqual((self.project / "gone").read_text(), "gone\n")
        self.assertNotIn("edit", self.changes())
        self.review("drop", "gone", "dir", "--yes")
        self.review("apply", "--yes")
        self.assertEqual((self.project / "gone").read_text(), "gone\n")
        self.assertEqual((self.project / "dir/one").read_text(), "1\n")
        self.assertEqual(os.readlink(self.project / "link"), "/nowhere")
        self.assert_no_layer()

    def test_drop_throws_all_away(self):
        before = tree(self.project)
        self.box(self.SCRIPT)
        self.review("drop", "--yes")
        self.assertEqual(tree(self.project), before)
        self.assert_no_layer()

    def test_a_directory_made_anew_does_not_delete_twice(self):
        self.box("rm -r dir; mkdir dir; echo 1 >dir/new; echo 2 >dir/one")
        self.review("apply", "dir/new", "--yes")
        self.assertEqual((self.project / "dir/two").read_text(), "2\n")
        self.review("apply", "--yes")
        self.assertEqual(sorted(os.listdir(self.project / "dir")), ["new", "one"])
        self.assert_no_layer()

    def test_what_the_user_changed_is_a_conflict(self):
        self.box("echo box >edit; rm gone; rm -r away; echo box >keep")
        self.write("edit", "user\n")
        self.write("gone", "user\n")
        self.write("away/new", "user\n")
        out = self.review("apply", "--yes", status=1)
        self.assertIn("changed outside", out)
        self.assertEqual((self.project / "edit").read_text(), "user\n")
        self.assertEqual((self.project / "gone").read_text(), "user\n")
        self.assertEqual((self.project / "away/new").read_text(), "user\n")
        self.assertEqual((self.project / "keep").read_text(), "box\n")
        self.review("apply", "--yes", "--force", "edit", status=1)
        self.assertEqual((self.project / "edit").read_text(), "box\n")
        (kept,) = self.layers.glob("*/backup/0/edit")
        self.assertEqual(kept.read_text(), "user\n")
        self.review("drop", "--yes")
        self.assert_no_layer()

    def test_what_the_policy_forbids_later_is_refused(self):
        self.box("echo box >edit; echo box >keep")
        self.policy(files={"readonly": ["edit"]})
        out = self.review("apply", "--yes", status=1)
        self.assertIn("read-only for boxes", out)
        self.assertEqual((self.project / "edit").read_text(), "old\n")
        self.assertEqual((self.project / "keep").read_text(), "box\n")
        self.review("apply", "--yes", "--force", "edit", status=1)
        self.assertEqual((self.project / "edit").read_text(), "old\n")

    def test_the_box_cannot_change_what_is_protected(self):
        self.box("echo x >infra/main.tf; rm infra/main.tf; mv infra i; echo y >.env;"
                 " echo z >agentbox.json; echo ok >edit; true")
        self.assertEqual(self.changes(), {"edit": ("M", "ready")})

    def test_two_sessions_have_two_layers(self):
        self.box("echo 1 >edit; echo 1 >first")
        self.box("cat first; echo 2 >second; true")
        one, two = (layer["id"] for layer in self.waiting())
        self.review("apply", "--yes", status=125)
        self.review("apply", two[-8:], "--yes")
        self.assertEqual((self.project / "second").read_text(), "2\n")
        self.assertFalse((self.project / "first").exists())
        self.review("apply", one, "--yes")
        self.assert_no_layer()

    def test_names_and_contents_cannot_drive_the_terminal(self):
        self.box(r"printf 'a\033]0;x\007\n' >edit; touch \"$(printf 'n\033[2J')\"")
        for arguments in ([], ["show"], ["diff"], ["show", "--json"], ["apply", "--yes"]):
            out = self.review(*arguments)
            self.assertNotIn("\x1b", out)
            self.assertNotIn("\x07", out)

    def test_diff(self):
        self.box("echo new >edit; rm gone; printf 'a\\0b' >binary; ln -s x l")
        out = self.review("diff")
        for line in ("--- a/edit", "+++ b/edit", "-old", "+new", "+++ /dev/null", "-gone",
                     "Binary files differ", "+symbolic link to x"):
            self.assertIn(line + "\n", out)
        self.assertNotIn("gone", self.review("diff", "edit"))

    def test_without_a_word_nothing_is_applied_unasked(self):
        self.box("echo new >edit")
        self.assertIn(" M edit", self.review())
        self.assertIn("--yes", self.agentbox("review", "apply").stderr.decode())
        self.assertEqual((self.project / "edit").read_text(), "old\n")
        self.review("apply", "nothing/here", "--yes", status=125)
        self.review("aply", status=125)

    def test_a_killed_session_keeps_its_layer(self):
        process = subprocess.Popen(
            [AGENTBOX, "run", "--review", "--", "sh", "-c", "echo new >edit; echo up; sleep 60"],
            cwd=self.project, env=self.environment, stdout=subprocess.PIPE,
            stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.assertEqual(process.stdout.readline(), b"up\n")
        self.assertEqual(self.waiting()[0]["state"], "running")
        self.review("apply", "--yes", status=125)
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        deadline = time.monotonic() + 20
        while self.waiting()[0]["state"] == "running" and time.monotonic() < deadline:
            time.sleep(0.05)
        self.assertEqual(self.waiting()[0]["state"], "unfinished")
        self.review("apply", "--yes")
        self.assertEqual((self.project / "edit").read_text(), "new\n")
        self.assert_no_layer()

    def test_status_outside_lists_what_waits(self):
        def waiting():
            answer = json.loads(self.agentbox("status", "--json").stdout)
            self.assertIsNone(answer["status"])
            return [(one["id"], one["project"]) for one in answer["reviews"]]

        self.assertEqual(waiting(), [])
        self.assertNotIn("review", self.agentbox("status").stdout.decode())
        self.box("echo new >edit")
        identity = self.waiting()[0]["id"]
        self.assertEqual(waiting(), [(identity, str(self.project))])
        self.assertIn(f"  {identity}  {self.project}\n", self.agentbox("status").stdout.decode())
        self.box("agentbox status | grep -q session && ! agentbox status --json | grep reviews")  # not in a box
        self.review("drop", "--yes", identity)
        self.assertEqual(waiting(), [])

    def test_names_that_mean_something_to_a_mount(self):
        self.project = self.place / "a,lowerdir=:b\\c,upperdir=x"
        self.project.mkdir()
        self.write("file", "old\n")
        self.policy()
        self.box("cat file; echo new >file; echo y >'x,y:z'")
        self.assertEqual((self.project / "file").read_text(), "old\n")
        self.review("apply", "--yes")
        self.assertEqual((self.project / "file").read_text(), "new\n")

    def test_a_second_name_of_a_hidden_file_stays_hidden(self):
        os.link(self.project / ".env", self.project / "innocent")
        self.assertNotIn("canary", self.box("cat innocent 2>/dev/null; grep -r canary . ; true"))

    def test_five_thousand_files(self):
        self.box("for d in $(seq 50); do mkdir -p node_modules/p$d;"
                 " for f in $(seq 100); do echo $d $f >node_modules/p$d/f$f.js; done; done")
        self.assertEqual(len(self.changes()), 5051)
        self.review("apply", "--yes")
        self.assertEqual(len(list(self.project.glob("node_modules/*/*.js"))), 5000)
        self.assertEqual((self.project / "node_modules/p7/f9.js").read_text(), "7 9\n")
        self.assert_no_layer()
        self.box("rm -rf node_modules; mkdir -p node_modules/p1; echo new >node_modules/p1/f1.js")
        self.review("apply", "--yes")
        self.assertEqual([path.read_text() for path in self.project.glob("node_modules/*/*.js")],
                         ["new\n"])


class Hostile(ReviewTest):
    """A layer that no session made: the box cannot, but nothing rests on that."""

    def setUp(self):
        super().setUp()
        self.policy(files={"readonly": ["infra/**"], "redact": ["config/*.yaml"]})
        self.write("edit", "old\n")
        self.write("dir/file", "f\n")
        self.write("infra/main.tf", "real\n")
        self.write("config/a.yaml", "key: value\n")
        self.write(".env", SECRET)
        self.write("outside", "outside\n", base=self.place)
        self.box("echo new >edit")
        (self.upper,) = self.layers.glob("*/0/upper")

    def assert_refused(self, path, letter):
        self.assertEqual(self.changes()[path], (letter, "refused"))
        before = tree(self.project)
        self.review("apply", path, "--yes", "--force", path, status=1)
        self.assertEqual(tree(self.project), before)

    def test_a_hidden_file(self):
        (self.upper / ".env").write_text("stars")
        self.assert_refused(".env", "M")

    def test_a_new_hidden_file(self):
        (self.upper / ".env.local").write_text("x")
        self.assert_refused(".env.local", "A")

    def test_a_redacted_file(self):
        (self.upper / "config").mkdir()
        (self.upper / "config/a.yaml").write_text("key: *****\n")
        self.assert_refused("config/a.yaml", "M")

    def test_a_read_only_file(self):
        (self.upper / "infra").mkdir()
        (self.upper / "infra/main.tf").write_text("evil\n")
        self.assert_refused("infra/main.tf", "M")

    def test_the_policy(self):
        (self.upper / "agentbox.json").write_text("{}")
        self.assert_refused("agentbox.json", "M")

    def test_a_hook(self):
        (self.upper / ".git/hooks").mkdir(parents=True)
        (self.upper / ".git/hooks/pre-commit").write_text("#!/bin/sh\n")
        self.assert_refused(".git/hooks/pre-commit", "A")

    def test_a_set_user_id_program(self):
        (self.upper / "program").write_text("x")
        (self.upper / "program").chmod(0o4755)
        self.assert_refused("program", "A")

    def test_a_fifo(self):
        os.mkfifo(self.upper / "pipe")
        self.assert_refused("pipe", "A")

    def test_marks_that_lead_elsewhere(self):
        for number, mark in enumerate(("redirect", "metacopy", "whiteout")):
            directory = self.upper / f"d{number}"
            directory.mkdir()
            (directory / "x").write_text("x")
            os.setxattr(directory, f"user.overlay.{mark}", b"/etc")
            self.assert_refused(f"d{number}", "A")
            file = self.upper / f"f{number}"
            file.write_text("x")
            os.setxattr(file, f"user.overlay.{mark}", b"/etc")
            self.assert_refused(f"f{number}", "A")

    def test_a_directory_that_nobody_may_enter(self):
        if os.geteuid() == 0:
            self.skipTest("user 0 may enter every directory")
        (self.upper / "closed").mkdir(0o000)
        self.assertEqual(self.changes()["closed"], ("A", "refused"))
        self.review("apply", "edit", "--yes")
        self.review("drop", "--yes")
        self.assert_no_layer()

    def test_no_link_is_followed(self):
        os.symlink(self.place, self.upper / "dir")  # where the user has a directory
        (self.upper / "edit").unlink()
        os.symlink(self.place / "outside", self.upper / "edit")
        self.review("apply", "--yes")
        self.assertEqual(os.readlink(self.project / "dir"), str(self.place))
        self.assertEqual(os.readlink(self.project / "edit"), str(self.place / "outside"))
        self.assertEqual((self.place / "outside").read_text(), "outside\n")

    def test_no_link_of_the_users_tree_is_followed(self):
        (self.upper / "dir").mkdir()
        (self.upper / "dir/outside").write_text("box\n")
        (self.project / "dir/file").unlink()
        (self.project / "dir").rmdir()
        os.symlink(self.place, self.project / "dir")
        self.review("apply", "--yes", status=1)
        self.assertEqual((self.place / "outside").read_text(), "outside\n")

    def test_a_deletion_of_what_is_protected(self):
        try:
            os.mknod(self.upper / "infra", stat.S_IFCHR, os.makedev(0, 0))
        except PermissionError:
            self.skipTest("this kernel lets only user 0 make such a mark")
        self.review("apply", "--yes", "--force", "infra", status=1)
        self.assertEqual((self.project / "infra/main.tf").read_text(), "real\n")


class Git(ReviewTest):
    def setUp(self):
        super().setUp()
        self.write(".gitconfig", "[user]\nname = Ada\nemail = ada@example.com\n", base=self.home)
        self.git("init", "-q", "-b", "main", ".")
        self.write(".env", SECRET)
        for number in range(20):
            self.write(f"src/file{number}", f"{number}\n")
        self.git("add", "-A", "-f")
        self.git("commit", "-qm", "one")
        self.git("branch", "side")

    def git(self, *arguments, cwd=None):
        return subprocess.run(["git", *arguments], cwd=cwd or self.project, check=True,
                              env=self.environment, capture_output=True).stdout.decode()

    def assert_sound(self, cwd=None):
        self.git("fsck", "--strict", cwd=cwd)
        self.assertEqual(self.git("status", "--porcelain", cwd=cwd), "")
        for line in self.git("ls-files", "-v", cwd=cwd).splitlines():
            self.assertTrue(line.startswith("H "), line)
        self.assertEqual(((cwd or self.project) / ".env").read_text(), SECRET)
        self.assertEqual(self.git("show", "HEAD:.env", cwd=cwd), SECRET)

    def test_commit_checkout_merge_and_rebase(self):
        head = self.git("rev-parse", "HEAD")
        self.box("git checkout -q side && echo s >s && git add -A && git commit -qm s"
                 " && git checkout -q main && echo m >m && echo e >>src/file1 && git add -A"
                 " && git commit -qm m && git rebase -q side && git checkout -qb topic"
                 " && git rm -q src/file2 && git commit -qm t && git stash list"
                 " && git checkout -q main && git merge -q --no-ff -m merged topic"
                 " && test -z \"$(git status --porcelain)\"")
        self.assertEqual(self.git("rev-parse", "HEAD"), head)
        self.assert_sound()
        self.review("apply", "--yes")
        self.assertEqual(self.git("log", "--format=%s", "-1"), "merged\n")
        self.assertFalse((self.project / "src/file2").exists())
        self.assert_sound()
        self.assert_no_layer()

    def test_a_repack_applies_without_removing_objects(self):
        self.box("echo n >n && git add n && git commit -qm n && git gc -q --prune=now")
        self.review("apply", "--yes")
        self.assert_sound()
        self.assertEqual(self.git("log", "--format=%s"), "n\none\n")

    def test_status_outside_is_no_conflict(self):
        self.box("echo n >n && git add n && git commit -qm n")
        os.utime(self.project / "src/file3")
        self.git("status")  # writes the index again
        self.review("apply", "--yes")
        self.assert_sound()

    def test_a_commit_outside_holds_the_repository_back_as_a_whole(self):
        self.box("echo n >n && git add n && git commit -qm n")
        self.write("mine", "mine\n")
        self.git("add", "mine")
        self.git("commit", "-qm", "mine")
        head = self.git("rev-parse", "HEAD")
        self.review("apply", "--yes", status=1)
        self.assertEqual(self.git("rev-parse", "HEAD"), head)
        self.git("fsck", "--strict")
        self.assertEqual(self.git("status", "--porcelain"), "?? n\n")
        self.assertEqual(self.changes()[".git/index"][1], "conflict")

    def test_git_at_work_outside_holds_the_repository_back(self):
        self.box("echo n >n && git add n && git commit -qm n")
        self.write(".git/index.lock", "")
        self.assertIn("index.lock", self.review("apply", "--yes", status=1))
        (self.project / ".git/index.lock").unlink()
        self.review("apply", "--yes")
        self.assert_sound()

    def test_a_linked_worktree(self):
        linked = self.place / "linked"
        self.git("worktree", "add", "-q", str(linked), "side")
        head = self.git("rev-parse", "side")
        self.run_box("echo n >n && git add n && git commit -qm n && git branch other",
                     "--review", cwd=linked)
        self.assertEqual(self.git("rev-parse", "side"), head)
        self.review("apply", "--yes", cwd=linked)
        self.assertEqual(self.git("log", "--format=%s", "-1", "side"), "n\n")
        self.assert_sound(linked)
        self.assertIn("other", self.git("branch"))

    def test_a_new_worktree(self):
        # A box cannot check out what it does not see.
        self.git("rm", "-q", "--cached", ".env")
        self.git("commit", "-qm", "two")
        self.git("branch", "-f", "side")
        self.box("git worktree add -q tree side && cd tree && echo n >n && git add n"
                 " && git commit -qm n")
        self.review("apply", "--yes")
        self.git("fsck", "--strict")
        self.assertEqual(self.git("status", "--porcelain", cwd=self.project / "tree"), "")
        self.assertEqual((self.project / "tree/n").read_text(), "n\n")
        self.assertEqual(self.git("log", "--format=%s", "-1", "side"), "n\n")


class Killed(ReviewTest):
    def texts(self, names):
        """name → text, None for a file that is not there."""
        return {name: (self.project / name).read_text() if (self.project / name).exists() else None
                for name in names}

    def test_each_file_is_old_or_new_and_a_second_apply_ends_it(self):
        seed = int(os.environ.get("AGENTBOX_SEED", random.randrange(1 << 32)))
        chance = random.Random(seed)
        self.policy()
        names = [f"d{number % 40}/f{number}" for number in range(3000)]
        for name in names:
            self.write(name, "old\n")
        self.box("find . -name 'f*' | while read f; do echo new >$f; done;"
                 " for i in $(seq 500); do rm d$((i % 40))/f$i; done;"
                 " mkdir added; for i in $(seq 500); do echo new >added/$i; done")
        texts = self.texts(names)
        states = set()
        for turn in range(30):
            # Some while files are made ready, most when one of them has just been put in place.
            old = [name for name, text in texts.items() if text == "old\n"]
            target = self.project / chance.choice(old) if turn % 3 and old else None
            before = inode(target) if target else None
            process = subprocess.Popen([AGENTBOX, "review", "apply", "--yes"], cwd=self.project,
                                       env=self.environment, stdout=subprocess.DEVNULL,
                                       stderr=subprocess.DEVNULL)
            if target is None:
                time.sleep(chance.uniform(0, 0.2))
            while target and process.poll() is None and inode(target) == before:
                pass
            process.kill()
            process.wait()
            texts = self.texts(names)
            for name, text in texts.items():
                may_be_gone = 1 <= int(name.split("f")[1]) <= 500
                self.assertIn(text, ("old\n", None if may_be_gone else "new\n", "new\n"),
                              (seed, name))
            states.add(sum(text == "new\n" for text in texts.values()))
            for path in self.project.glob("added/*"):
                self.assertEqual(path.read_text(), "new\n", (seed, path))
            if not self.layers.exists() or not list(self.layers.iterdir()):
                break
        if list(self.layers.iterdir()):
            self.review("apply", "--yes")
        # In the midst at least once, or this has shown nothing.
        self.assertTrue(any(0 < state < 2500 for state in states), (seed, states))
        self.assertEqual(sorted(os.listdir(self.project)),
                         sorted(["agentbox.json", "added"] + [f"d{i}" for i in range(40)]))
        left = {str(path.relative_to(self.project)): path.read_text()
                for path in self.project.glob("*/*")}
        expected = {name: "new\n" for name in names
                    if not 1 <= int(name.split("f")[1]) <= 500}
        expected.update({f"added/{number}": "new\n" for number in range(1, 501)})
        self.assertEqual(left, expected, seed)
        self.assert_no_layer()


if __name__ == "__main__":
    unittest.main()
