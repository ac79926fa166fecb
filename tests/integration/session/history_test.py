"""What a session says of secrets in a project's git history, and what `history` makes of them."""
import json
import pathlib
import subprocess

from sandbox import SessionTest

# Looks like a token of GitHub's; put together here, so that no scanner takes this file for a leak.
TOKEN = "ghp_" + "q7Rk2VxN9sLw4TzB8yHd3JmCf6PaGe0UtWiZ"
SCHEMA = pathlib.Path(__file__).parents[3] / "docs/history.schema.json"
LINE = "agentbox: {} in git history (agentbox scan --history)\n"


class History(SessionTest):
    def setUp(self):
        super().setUp()
        self.write(".gitconfig", "[user]\nname = Ada\nemail = ada@example.com\n", base=self.home)
        self.git("init", "-q", "-b", "main", ".")
        self.write("tracked", "x\n")
        self.commit("first")

    def git(self, *arguments, cwd=None):
        return subprocess.run(["git", *arguments], cwd=cwd or self.project, env=self.environment,
                              capture_output=True, check=True, text=True).stdout

    def commit(self, message, *options):
        self.git("add", "-A", "-f")
        self.git("commit", "-qm", message, *options)

    def leave_secrets(self):
        """A file that was committed and deleted, one that only the reflog knows, one in the index."""
        self.write(".env", "A=hunter2-canary\n")
        self.commit("with .env")
        self.git("rm", "-q", ".env")
        self.commit("without .env")
        self.write("config.py", f"token = '{TOKEN}'\n")
        self.commit("with a token")
        self.git("reset", "-q", "--hard", "HEAD~1")
        self.write("staged.py", f"token = '{TOKEN[:-4]}Abc4'\n")
        self.git("add", "staged.py")
        (self.project / "staged.py").unlink()

    def history_records(self):
        return [record for record in self.records() if record["event"] == "history"]

    def start(self, *command):
        return self.agentbox("run", "--", *(command or ("true",)))

    def test_a_clean_repository_is_not_spoken_of(self):
        self.start("sleep", "2")
        result = self.start("echo", "ran")
        self.assertEqual((result.returncode, result.stdout), (0, b"ran\n"))
        self.assertNotIn(b"history", result.stderr)
        self.assertEqual(self.history_records(), [])

    def test_neither_is_a_directory_without_repository(self):
        self.git("rev-parse")
        (self.project / ".git").rename(self.place / "elsewhere")
        for policy in ({}, {"history": "refuse"}):
            self.policy(**policy)
            result = self.start()
            self.assertEqual((result.returncode, result.stderr), (0, b""))

    def test_warn_records_and_then_says_one_line(self):
        self.leave_secrets()
        first = self.start("sleep", "3")
        self.assertEqual(first.returncode, 0, first.stderr)
        self.assertEqual([record["outcome"] for record in self.history_records()], ["3 secrets"
                         " in git history"])
        second = self.start()
        self.assertEqual((second.returncode, second.stderr.decode()), (0, LINE.format("3 secrets")))
        quiet = self.agentbox("run", "--quiet", "--", "true")
        self.assertEqual(quiet.stderr, b"")
        for path in (self.home / ".local/state/agentbox").rglob("*"):
            if path.is_file():
                self.assertNotIn(TOKEN.encode(), path.read_bytes())
                self.assertNotIn(b"hunter2-canary", path.read_bytes())

    def test_refuse_starts_nothing(self):
        self.policy(history="refuse")
        result = self.start("touch", "started")
        self.assertEqual(result.returncode, 0, result.stderr)  # the control: nothing in it
        self.assertTrue((self.project / "started").exists())
        (self.project / "started").unlink()
        self.leave_secrets()
        for _ in range(2):
            result = self.start("touch", "started")
            self.assertEqual(result.returncode, 77, result.stderr)
            self.assertIn(b"3 secrets in git history", result.stderr)
            self.assertIn(b"agentbox scan --history", result.stderr)
            self.assertFalse((self.project / "started").exists())
        self.assertEqual(self.records()[-1]["outcome"], "failed")

    def test_refuse_does_not_take_an_unfinished_search_for_a_clean_one(self):
        self.policy(history="refuse")
        pack = self.project / ".git/objects/pack"
        self.git("gc", "-q")
        for path in pack.glob("*.idx"):
            path.chmod(0o600)
            path.write_bytes(b"no index")
        result = self.start("touch", "started")
        self.assertEqual(result.returncode, 125, result.stderr)
        self.assertFalse((self.project / "started").exists())

    def test_a_repository_cannot_weaken_it(self):
        self.write(".config/agentbox/policy.json", json.dumps({"version": 1, "history": "refuse"}),
                   base=self.home)
        self.policy(history="warn")
        self.leave_secrets()
        self.assertEqual(self.start().returncode, 77)

    def test_in_a_linked_worktree(self):
        self.leave_secrets()
        linked = self.place / "linked"
        self.git("worktree", "add", "-q", str(linked))
        self.write("agentbox.json", json.dumps({"version": 1, "history": "refuse"}), base=linked)
        result = self.agentbox("run", "--", "true", cwd=linked)
        self.assertEqual(result.returncode, 77, result.stderr)

    def test_scan_lists_them(self):
        clean = self.agentbox("scan", "--history")
        self.assertEqual((clean.returncode, clean.stdout), (0, b"No secret in git history.\n"))
        self.leave_secrets()
        self.git("commit", "-qm", f"it was {TOKEN}", "--allow-empty")
        result = self.agentbox("scan", "--history")
        self.assertEqual(result.returncode, 1, result.stderr)
        text = result.stdout.decode()
        for part in (".git\n", "  .env  hidden by the rule", "  config.py:1  GitHub", "  staged.py:1",
                     "  message of commit ", "\n4 secrets in git history.\n"):
            self.assertIn(part, text)
        report = json.loads(self.agentbox("scan", "--history", "--json").stdout)
        self.assertEqual((report["secrets"], report["searched"]), (4, 0))
        secrets = report["repositories"][0]["secrets"]
        self.assertEqual({one["path"]: one["line"] for one in secrets},
                         {"": 1, ".env": 0, "config.py": 1, "staged.py": 1} | {"": secrets[0]["line"]})
        for one in secrets:
            if one["path"] == "config.py":
                self.assertEqual(self.git("show", one["object"]), f"token = '{TOKEN}'\n")
                self.assertIn("with a token", self.git("show", "-s", one["commit"]))
        for output in (text, json.dumps(report)):
            self.assertNotIn(TOKEN, output)
        # What it has noted down serves the next launch too.
        self.assertIn(b"4 secrets in git history", self.start().stderr)

    def test_json_is_what_the_schema_says(self):
        try:
            import jsonschema
        except ImportError:
            self.skipTest("python3-jsonschema is not installed")
        self.leave_secrets()
        self.git("commit", "-qm", f"it was {TOKEN}", "--allow-empty")
        report = json.loads(self.agentbox("scan", "--history", "--json").stdout)
        schema = json.loads(SCHEMA.read_text())
        jsonschema.validate(report, schema)
        with self.assertRaises(jsonschema.ValidationError):
            jsonschema.validate({**report, "value": 1}, schema)

    def test_scan_refuses_what_makes_no_sense(self):
        for options in (("--sarif",), ("tracked",)):
            self.assertEqual(self.agentbox("scan", "--history", *options).returncode, 125)
