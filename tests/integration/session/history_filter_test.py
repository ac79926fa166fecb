"""`history: "filter"`: blobs with secrets are not in the box's object store, and all else works."""
import json
import subprocess
import textwrap

from sandbox import AGENTBOX, SessionTest

# Looks like a token of GitHub's; put together here, so that no scanner takes this file for a leak.
TOKEN = "ghp_" + "q7Rk2VxN9sLw4TzB8yHd3JmCf6PaGe0UtWiZ"
CANARY = "hunter2-canary"

# Reads all that can be read below the directories given, and looks for the words: as they stand,
# and in whatever can be inflated from any place that looks like the beginning of a zlib stream.
SEARCH = textwrap.dedent("""
    import os, re, sys, zlib
    words = [word.encode() for word in sys.argv[1].split(",")]
    files = streams = 0
    for top in sys.argv[2:]:
        for directory, _, names in os.walk(top):
            for name in names:
                path = os.path.join(directory, name)
                try:
                    with open(path, "rb") as file:
                        data = file.read()
                except OSError:
                    continue
                files += 1
                texts = [data]
                for found in re.finditer(rb"\\x78[\\x01\\x5e\\x9c\\xda]", data):
                    try:
                        texts.append(zlib.decompressobj().decompress(data[found.start():]))
                        streams += 1
                    except zlib.error:
                        pass
                for text in texts:
                    for word in words:
                        if word in text:
                            print("FOUND", word.decode(), path)
    print("searched", files > 5, streams > 5)
""")


class HistoryFilter(SessionTest):
    def setUp(self):
        super().setUp()
        self.write(".gitconfig", "[user]\nname = Ada\nemail = ada@example.com\n", base=self.home)
        self.git("init", "-q", "-b", "main", ".")
        self.choose("filter")
        self.write("tracked", "x\n")
        self.write("search.py", SEARCH)
        for number in range(10):
            self.write(f"file{number}", f"{number}\n" * 40)
        self.commit("first")

    def choose(self, history):
        self.write(".config/agentbox/policy.json", json.dumps({"version": 1, "history": history}),
                   base=self.home)

    def git(self, *arguments, cwd=None, check=True):
        return subprocess.run(["git", *arguments], cwd=cwd or self.project, env=self.environment,
                              capture_output=True, check=check, text=True).stdout

    def commit(self, message):
        self.git("add", "-A", "-f")
        self.git("commit", "-qm", message)
        return self.git("rev-parse", "HEAD").strip()

    def leave_secrets(self, packed):
        """A file that was committed and deleted, one in a stash, one that only the reflog knows."""
        self.write(".env", f"A={CANARY}\n")
        self.with_env = self.commit("with .env")
        self.git("rm", "-q", ".env")
        self.commit("without .env")
        self.write("config.py", f"token = '{TOKEN}'\n")
        self.lost = self.commit("with a token")
        self.git("reset", "-q", "--hard", "HEAD~1")
        self.write("tracked", f"x\ntoken = '{TOKEN[:-4]}Abc4'\n")
        self.git("stash", "-q")
        self.env = self.git("rev-parse", self.with_env + ":.env").strip()
        self.token = self.git("rev-parse", self.lost + ":config.py").strip()
        self.stashed = self.git("rev-parse", "stash@{0}:tracked").strip()
        self.blobs = (self.env, self.token, self.stashed)
        if packed:
            self.git("repack", "-q", "-adf")
            self.git("gc", "-q")
        self.write("later", "a loose one\n")
        self.commit("later")

    def objects(self):
        return set(self.git("cat-file", "--batch-all-objects", "--batch-check=%(objectname)")
                   .split())

    def refs(self):
        return (self.git("for-each-ref"), self.git("reflog", "--all"), self.git("stash", "list"))

    def check_outside(self, before):
        """What was there is there, whole."""
        self.assertEqual(before - self.objects(), set())
        self.fsck()
        for blob in self.blobs:
            self.git("cat-file", "blob", blob)
        self.assertEqual(self.git("status", "--porcelain"), "")

    def fsck(self):
        result = subprocess.run(["git", "fsck", "--full"], cwd=self.project, env=self.environment,
                                capture_output=True, text=True)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertNotRegex(result.stdout + result.stderr, "missing|error|broken")

    def in_box(self, script, **keywords):
        result = self.agentbox("run", "--", "sh", "-c", script, **keywords)
        return result.returncode, (result.stdout + result.stderr).decode(errors="replace")

    def attempts(self):
        env, lost = self.with_env, self.lost
        return (
            f"git cat-file blob {self.env}",
            f"git show {env}:.env; git show {env}",
            "git log -p --all",
            "git log -p -g",
            f"git cat-file blob {self.token}",
            f"git cat-file blob {self.stashed}",
            "git stash show -p",
            f"git checkout -f {lost}; cat config.py; git checkout -f main",
            f"git archive {lost}",
            "git bundle create /tmp/b --all; cat /tmp/b",
            f"git clone -q . /tmp/c; git -C /tmp/c cat-file blob {self.env}",
            f"git clone -q --no-local . /tmp/d; git -C /tmp/d cat-file blob {self.env}",
            f"git worktree add -f tree {lost}; cat tree/config.py; git worktree remove -f tree",
            f"git grep token {lost}",
            f"git cat-file --batch-all-objects --batch --unordered",
            f"git restore -s {lost} config.py; cat config.py; rm -f config.py",
            f"echo {self.env} | git pack-objects --stdout --all",
            f"git -c protocol.allow=always -c remote.agentbox.url=. cat-file blob {self.env}",
        )

    def check_unreadable(self, packed):
        self.leave_secrets(packed)
        before, refs = self.objects(), self.refs()
        words = f"{CANARY},{TOKEN[:-4]}"
        search = (f"python3 search.py {words} .git $(ls -d /run/agentbox/* | grep -v /bin);"
                  f"git clone -q . /tmp/c 2>/dev/null; python3 search.py {words} /tmp")
        self.choose("warn")
        for blob in self.blobs:  # the control
            status, output = self.in_box(f"git cat-file blob {blob}")
            self.assertEqual(status, 0, output)
        _, output = self.in_box(search)
        self.assertIn("searched True True", output)
        self.assertIn("FOUND", output)
        self.choose("filter")
        for attempt in self.attempts():
            with self.subTest(attempt=attempt):
                _, output = self.in_box(attempt)
                self.assertNotIn(CANARY, output)
                self.assertNotIn(TOKEN[:-4], output)
        _, output = self.in_box(search)
        self.assertIn("searched True True", output)
        self.assertNotIn("FOUND", output)
        status, output = self.in_box(f"git cat-file blob {self.env}")
        self.assertEqual(status, 128, output)
        self.assertIn("left-out-by-agentbox", output)
        self.check_outside(before)
        self.assertEqual(self.refs()[2], refs[2])

    def test_loose_secrets_cannot_be_read(self):
        self.check_unreadable(packed=False)

    def test_packed_secrets_cannot_be_read(self):
        self.check_unreadable(packed=True)

    def check_work(self, packed):
        self.leave_secrets(packed)
        before, stash = self.objects(), self.git("stash", "list")
        other = self.project / "vendor-origin"
        self.git("init", "-q", "--bare", str(other))
        self.write(".git/info/exclude", "vendor-origin\n")
        self.git("push", "-q", str(other), "main")
        self.run_box(f"""
            set -ex
            git status; git log --name-status >/dev/null; git fsck
            echo one >new; git add -A; git commit -qm one
            echo two >>new; git commit -qam two; git commit -q --amend -m 'two, amended'
            git checkout -qb topic HEAD~1; echo topic >topic; git add topic; git commit -qm topic
            git checkout -q main; git merge -q --no-edit topic
            git checkout -qb other HEAD~1; echo o >o; git add o; git commit -qm other
            git rebase -q main; git checkout -q main; git merge -q --ff-only other
            echo dirty >>new; git stash -q; git stash pop -q; git commit -qam three
            git branch kept; git tag -am tag tag
            git fetch -q ./vendor-origin main; git fetch --all; git gc -q
            git push -q ./vendor-origin main
            git worktree add -q tree topic; git -C tree status; git worktree remove tree
            git log -p {self.with_env}^! -- tracked >/dev/null
            git reflog; git status
            """)
        self.check_outside(before)
        self.assertIn(stash.strip().split(": ", 1)[1], self.git("stash", "list"))
        self.assertEqual((self.project / "new").read_text(), "one\ntwo\ndirty\n")
        self.assertEqual(self.git("show", "main:new"), "one\ntwo\ndirty\n")
        self.assertEqual(self.git("show", "main:topic") + self.git("show", "main:o"), "topic\no\n")
        self.git("clone", "-q", "--no-local", ".", str(self.place / "clone"))
        self.git("cat-file", "-e", "tag^{commit}", cwd=self.place / "clone")

    def test_work_goes_on_with_loose_secrets(self):
        self.check_work(packed=False)

    def test_work_goes_on_with_packed_secrets(self):
        self.check_work(packed=True)

    def check_kept(self, packed, *commands):
        self.leave_secrets(packed)
        if packed:  # a second pack, without a secret
            self.write("packed-later", "text\n" * 100)
            self.commit("a second pack")
            self.git("repack", "-q", "-d")
        self.write("last", "loose\n")
        self.commit("last")
        reachable = set(self.git("rev-list", "--objects", "--all", "--reflog",
                                 "--no-object-names").split())
        refs = self.refs()
        for command in commands:
            status, output = self.in_box(command)
            self.assertEqual(status, 0, command + output)
        self.assertEqual(self.refs(), refs)
        self.check_outside(reachable)
        # As is what a user's own gc makes of it.
        self.git("gc", "-q")
        self.check_outside(reachable)

    def check_gc(self, packed):
        self.check_kept(packed, "git gc -q --prune=now", "git repack -qadf",
                        "git prune --expire=now", "git prune-packed", "git repack -qad",
                        "git gc --aggressive -q --prune=now", "git repack -qd --cruft")

    def test_gc_loses_no_loose_objects(self):
        self.check_gc(packed=False)

    def test_gc_loses_no_packed_objects(self):
        self.check_gc(packed=True)

    def test_gc_removes_the_index_of_packs_that_it_removes(self):
        self.leave_secrets(packed=True)
        self.write("packed-later", "text\n" * 100)
        self.commit("a second pack")
        self.git("repack", "-q", "-d")
        self.git("multi-pack-index", "write")
        before = self.objects()
        status, output = self.in_box(
            f"git repack -qad; git log --oneline; git cat-file blob {self.env}")
        self.assertEqual(status, 128, output)
        self.assertNotIn(CANARY, output)
        self.check_outside(before)

    def test_a_pack_made_outside_meanwhile_is_hidden(self):
        self.leave_secrets(packed=False)
        box = subprocess.Popen(
            [AGENTBOX, "run", "--", "sh", "-c",
             f"echo up; read line; ls .git/objects/pack; git cat-file blob {self.env};"
             f"python3 search.py {CANARY},{TOKEN[:-4]} .git"],
            cwd=self.project, env=self.environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT)
        self.assertIn(b"left out", box.stdout.readline() + box.stdout.readline())
        self.git("repack", "-q", "-adf")
        output, _ = box.communicate(b"go\n", timeout=60)
        self.assertNotIn(CANARY.encode(), output)
        self.assertNotIn(b"FOUND", output)
        self.assertIn(b"searched", output)

    def test_objects_cannot_be_moved_from_their_place(self):
        self.leave_secrets(packed=True)
        _, output = self.in_box("mv .git/objects .git/o; mv .git/objects/pack .git/p; mv .git x;"
                                "ln .git/objects/pack/*.pack y; ls .git/objects/pack/")
        self.assertNotIn(".pack\n", output.rsplit(":", 1)[-1])
        self.assertTrue(list((self.project / ".git/objects/pack").glob("*.pack")))

    def test_the_alternates_of_a_repository_stay(self):
        other = self.project / "lib"
        self.git("clone", "-q", "--shared", ".", str(other))
        self.write(".git/info/exclude", "lib\n")
        self.leave_secrets(packed=True)
        blob = self.git("rev-parse", "HEAD:tracked").strip()
        status, output = self.in_box(f"git -C lib cat-file blob {blob} && git -C lib log --oneline")
        self.assertEqual(status, 0, output)
        _, output = self.in_box(f"git -C lib cat-file blob {self.env}")
        self.assertNotIn(CANARY, output)

    def test_what_cannot_be_filtered_is_refused(self):
        result = self.agentbox("run", "--view=masks", "--", "touch", "started")
        self.assertEqual(result.returncode, 78, result.stderr)
        result = self.agentbox("run", "--review", "--", "touch", "started")
        self.assertEqual(result.returncode, 78, result.stderr)
        self.leave_secrets(packed=False)
        self.git("clone", "-q", "--bare", ".", str(self.place / "outside"))
        (self.project / ".git/objects/info/alternates").write_text(
            str(self.place / "outside/objects") + "\n")
        result = self.agentbox("run", "--", "touch", "started")
        self.assertEqual(result.returncode, 77, result.stderr)
        self.assertIn(b"alternate", result.stderr)
        (self.project / ".git/objects/info/alternates").unlink()
        self.git("commit", "-q", "--allow-empty", "-m", f"it was {TOKEN}")
        result = self.agentbox("run", "--", "touch", "started")
        self.assertEqual(result.returncode, 77, result.stderr)
        self.assertIn(b"the message of commit", result.stderr)
        self.assertFalse((self.project / "started").exists())

    def test_it_is_said_and_made_once(self):
        self.leave_secrets(packed=True)
        for _ in range(2):
            result = self.agentbox("run", "--", "true")
            self.assertEqual(result.returncode, 0, result.stderr)
            self.assertIn(b" secrets in git history left out (agentbox scan", result.stderr)
        state = self.home / ".local/state/agentbox/history/filtered"
        self.assertEqual(len(list(state.iterdir())), 1)
        self.assertTrue(any("left out" in record["outcome"] for record in self.records()
                            if record["event"] == "history"))
        self.git("repack", "-q", "-adf", "--depth=3")
        self.agentbox("run", "--", "true")
        self.assertEqual(len(list(state.iterdir())), 1)

    def nested(self):
        """Other repositories below the project with the same secrets: what leads to them."""
        self.git("clone", "-q", ".", "linked-objects")
        self.git("clone", "-q", "--no-local", ".", "packed-objects")
        self.git("clone", "-q", "--bare", ".", "bare.git")
        self.git("worktree", "add", "-q", "--detach", "tree")
        self.git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add",
                 str(self.project / "bare.git"), "part")
        return ("-C linked-objects", "-C packed-objects", "-C bare.git", "-C tree", "-C part",
                "--git-dir=.git/modules/part")

    def test_other_repositories_of_the_project_are_filtered_too(self):
        self.leave_secrets(packed=True)
        places = self.nested()
        for choice, status in (("warn", 0), ("filter", 128)):
            self.choose(choice)
            for place in places:
                with self.subTest(choice=choice, place=place):
                    result, output = self.in_box(f"git {place} cat-file blob {self.env}")
                    self.assertEqual(result, status, output)
                    self.assertEqual(CANARY in output, choice == "warn", output)
        _, output = self.in_box(f"python3 search.py {CANARY},{TOKEN[:-4]} . "
                                "$(ls -d /run/agentbox/* | grep -v /bin)")
        self.assertIn("searched True True", output)
        self.assertNotIn("FOUND", output)
        # Nor does a fetch from one of them into another bring it.
        _, output = self.in_box(
            f"git fetch -q ./packed-objects {self.with_env}; git -C tree fetch -q ../bare.git;"
            f"git cat-file blob {self.env}")
        self.assertNotIn(CANARY, output)
        self.fsck()

    def test_a_partial_clone_is_refused(self):
        self.leave_secrets(packed=True)
        self.git("config", "remote.origin.promisor", "true")
        result = self.agentbox("run", "--", "touch", "started")
        self.assertEqual(result.returncode, 77, result.stderr)
        self.assertIn(b"is a partial clone", result.stderr)
        self.assertFalse((self.project / "started").exists())

    def test_sha256_objects_are_refused(self):
        other = self.project / "other"
        self.git("init", "-q", "--object-format=sha256", str(other))
        self.write(".env", f"A={CANARY}\n", base=other)
        self.git("add", "-f", ".env", cwd=other)
        self.git("commit", "-qm", "with .env", cwd=other)
        result = self.agentbox("run", "--", "touch", "started")
        self.assertEqual(result.returncode, 77, result.stderr)
        self.assertIn(b"has SHA-256 objects", result.stderr)
        self.assertFalse((self.project / "started").exists())

    def test_a_linked_worktree(self):
        self.leave_secrets(packed=True)
        linked = self.place / "linked"
        self.git("worktree", "add", "-q", str(linked))
        result = self.agentbox("run", "--", "sh", "-c", f"git cat-file blob {self.env}; git status;"
                               "echo a >a; git add a; git commit -qm linked", cwd=linked)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertNotIn(CANARY.encode(), result.stdout)
        self.assertIn(b"left-out-by-agentbox", result.stderr)
        self.assertEqual(self.git("show", "linked:a"), "a\n")
        self.fsck()
