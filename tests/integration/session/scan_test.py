"""`agentbox scan`: what it finds, what it says git does with it, and that it prints no secret."""
import base64
import json
import os
import pathlib
import socket
import subprocess
import unittest

import sandbox

SCHEMA = pathlib.Path(__file__).parents[3] / "docs/scan.schema.json"
CANARY = "Canary7Qx9vLm2Zt4Rw8Kp1Jd6"
# In two parts, so that no scanner takes this file for one that holds a token.
TOKEN = "ghp_" + "q7Lw2Rk9Zx4Vt8Bn1Mc6Jd3Hf5Gs0PyTuEo2"


class ScanTest(sandbox.SessionTest):
    def git(self, *arguments, cwd=None):
        environment = {**self.environment, "GIT_CONFIG_NOSYSTEM": "1",
                       "GIT_AUTHOR_NAME": "t", "GIT_AUTHOR_EMAIL": "t@t",
                       "GIT_COMMITTER_NAME": "t", "GIT_COMMITTER_EMAIL": "t@t"}
        result = subprocess.run(["git", "-c", "protocol.file.allow=always", *arguments],
                                cwd=cwd or self.project, env=environment, capture_output=True)
        self.assertEqual(result.returncode, 0, result.stderr)
        return result.stdout

    def scan(self, *arguments, status=None, **keywords):
        """The parsed JSON report, after all that holds for every report."""
        result = self.agentbox("scan", "--json", *arguments, **keywords)
        self.assertEqual(result.stderr, b"")
        report = json.loads(result.stdout)
        self.assertEqual(report["status"], result.returncode)
        if status is not None:
            self.assertEqual(result.returncode, status, result.stdout.decode())
        for form in ("--sarif", None):
            other = self.agentbox("scan", *([form] if form else []), *arguments, **keywords)
            self.assertEqual(other.returncode, result.returncode, other.stderr)
            for secret in (CANARY, TOKEN, TOKEN[4:]):
                self.assertNotIn(secret.encode(), other.stdout + other.stderr, form)
        for secret in (CANARY, TOKEN, TOKEN[4:]):
            self.assertNotIn(secret.encode(), result.stdout)
        return report

    def hidden(self, report):
        return {entry["path"]: entry for entry in report["hidden"]}

    def states(self, report):
        return {entry["path"]: entry["git"] for entry in report["hidden"]}


class Git(ScanTest):
    def test_says_what_git_has_and_would_take(self):
        self.git("init", "-q")
        self.write(".gitignore", ".env.local\n*.log\n")
        self.write(".env", f"TOKEN={CANARY}\n")
        self.write(".env.local", f"TOKEN={CANARY}\n")
        self.write("deploy/server.key", CANARY)
        self.write("main.c", "int main(){}\n")
        self.git("add", ".env", "main.c")
        self.git("commit", "-qm", "1")
        report = self.scan(status=1)
        self.assertEqual(self.states(report), {".env": "tracked", ".env.local": "ignored",
                                               "deploy/server.key": "untracked"})
        self.assertEqual({(e["path"], e["git"], e["ignore_file"], e["ignore_line"])
                          for e in report["in_git"]},
                         {(".env", "tracked", ".gitignore", "/.env"),
                          ("deploy/server.key", "untracked", ".gitignore", "/deploy/server.key")})
        text = self.agentbox("scan").stdout.decode()
        self.assertIn("git rm --cached -- .env", text)
        self.assertIn("/deploy/server.key", text)

        # The control: it is clean once what it found is gone, and only then.
        self.git("rm", "-q", "--cached", ".env")
        self.write(".gitignore", "".join(e["ignore_line"] + "\n" for e in report["in_git"]) + ".env.local\n")
        self.assertEqual(set(self.states(self.scan(status=0)).values()), {"ignored"})
        for name in (".env", ".env.local", "deploy/server.key"):
            (self.project / name).unlink()
        self.assertEqual(self.scan(status=0)["hidden"], [])

    def test_ignore_lines_hold_for_strange_names(self):
        self.git("init", "-q")
        names = ["#a.env", "!b.env", "c d .env", "e*[x]?.env", "back\\slash.env", "new\nline.env",
                 ":(top)f.env", ":g.env", "tab\t.env", "'quote\".env"]
        for name in names:
            self.write(name, f"A={CANARY}")
        report = self.scan(status=1)
        self.assertEqual(self.states(report), dict.fromkeys(names, "untracked"))
        self.write(".gitignore", "".join(e["ignore_line"].replace("\\x0a", "\n").replace("\\x09", "\t") + "\n"
                                         for e in report["in_git"]))
        self.assertEqual(self.states(self.scan(status=0)), dict.fromkeys(names, "ignored"))

    def test_each_repository_is_asked_about_its_own_files(self):
        inner = self.place / "inner"
        inner.mkdir()
        self.git("init", "-q", cwd=inner)
        self.write(".env", f"A={CANARY}", inner)
        self.git("add", ".env", cwd=inner)
        self.git("commit", "-qm", "1", cwd=inner)
        self.git("init", "-q")
        self.git("submodule", "add", "-q", str(inner), "sub")
        self.git("commit", "-qm", "1")
        self.git("worktree", "add", "-q", "trees/side")
        self.write("sub/new.env", f"A={CANARY}")
        self.write("trees/side/other.env", f"A={CANARY}")
        self.write("vendored/.env", f"A={CANARY}")
        self.git("init", "-q", cwd=self.project / "vendored")
        self.write("vendored/.gitignore", ".env\n")
        report = self.scan(status=1)
        self.assertEqual(self.states(report), {
            "sub/.env": "tracked", "sub/new.env": "untracked", "trees/side/other.env": "untracked",
            "vendored/.env": "ignored"})
        self.assertEqual({e["path"]: (e["ignore_file"], e["ignore_line"]) for e in report["in_git"]}, {
            "sub/.env": ("sub/.gitignore", "/.env"), "sub/new.env": ("sub/.gitignore", "/new.env"),
            "trees/side/other.env": ("trees/side/.gitignore", "/other.env")})

    def test_a_submodule_that_is_not_checked_out_belongs_to_nobody(self):
        self.git("init", "-q")
        self.git("update-index", "--add", "--cacheinfo", "160000," + "1" * 40 + ",sub")
        self.write("sub/.env", f"A={CANARY}")
        self.write(".env", f"A={CANARY}")
        self.assertEqual(self.states(self.scan(status=1)), {"sub/.env": "none", ".env": "untracked"})

    def test_a_project_below_the_root_of_its_repository(self):
        self.git("init", "-q", cwd=self.place)
        self.write(".gitignore", "a.env\n", self.place)
        self.policy()
        self.write("a.env", f"A={CANARY}")
        self.write("b.env", f"A={CANARY}")
        self.assertEqual(self.states(self.scan(status=1)), {"a.env": "ignored", "b.env": "untracked"})

    def test_no_repository_is_no_fault(self):
        self.write(".env", f"A={CANARY}")
        self.assertEqual(self.states(self.scan(status=0)), {".env": "none"})

    def test_nothing_that_the_repository_names_is_run(self):
        self.git("init", "-q")
        self.write(".env", f"A={CANARY}")
        self.git("add", ".env")
        trap = self.write("trap", f"#!/bin/sh\ntouch '{self.place}/sprung'\necho\n")
        trap.chmod(0o755)
        for name in ("git", "git-ls-files"):
            (self.project / name).symlink_to("trap")
        for key in ("core.fsmonitor", "core.pager", "core.sshCommand", "filter.x.clean",
                    "filter.x.process", "core.hooksPath"):
            self.git("config", key, str(trap) if key != "core.hooksPath" else str(self.project))
        self.write(".gitattributes", "* filter=x\n")
        (self.project / "post-index-change").symlink_to("trap")
        path = f"{self.project}:{self.environment['PATH']}"
        self.assertEqual(self.states(self.scan(status=1, env={"PATH": path})), {".env": "tracked"})
        self.assertFalse((self.place / "sprung").exists())
        # The control: git itself does spring it.
        subprocess.run(["git", "status"], cwd=self.project, env=self.environment, capture_output=True)
        self.assertTrue((self.place / "sprung").exists())

    @unittest.skipUnless(os.geteuid() == 0, "only root can give files away")
    def test_dubious_ownership_is_said(self):
        self.git("init", "-q", "sub")
        self.write("sub/.env", f"A={CANARY}")
        os.chown(self.project / "sub", 65534, 65534)
        os.chown(self.project / "sub/.git", 65534, 65534)
        report = self.scan(status=2)
        self.assertEqual(self.states(report), {"sub/.env": "unknown"})
        self.assertIn("dubious ownership", report["git_failures"][0]["why"])
        self.assertIn("safe.directory", self.agentbox("scan").stdout.decode())

    def test_git_that_is_missing_is_said(self):
        self.git("init", "-q")
        self.write(".env", f"A={CANARY}")
        report = self.scan(status=2, env={"PATH": "/nonexistent"})
        self.assertEqual(self.states(report), {".env": "unknown"})


class Tree(ScanTest):
    def test_what_is_no_file_is_passed_over(self):
        os.mkfifo(self.project / "pipe")
        os.mkfifo(self.project / "pipe.env")
        with socket.socket(socket.AF_UNIX) as server:
            here = os.getcwd()
            os.chdir(self.project)
            server.bind("socket.env")
            os.chdir(here)
            (self.project / "loop").symlink_to(".")
            (self.project / "turn.env").symlink_to("turn.env")
            (self.project / "to-env").symlink_to(".env")
            self.write(".env", f"A={CANARY}")
            self.assertEqual(set(self.hidden(self.scan(status=0))),
                             {"pipe.env", "socket.env", "turn.env", ".env"})

    @unittest.skipIf(os.geteuid() == 0, "root can read everything")
    def test_what_cannot_be_read_is_said(self):
        self.write("closed.env", CANARY).chmod(0)
        self.write("shut/in.env", CANARY)
        (self.project / "shut").chmod(0)
        self.addCleanup((self.project / "shut").chmod, 0o700)
        report = self.scan(status=2)
        self.assertEqual({e["path"]: e["error"] for e in report["unreadable"]},
                         {"closed.env": "EACCES", "shut": "EACCES"})
        text = self.agentbox("scan").stdout.decode()
        self.assertRegex(text, r"closed\.env +Permission denied")

    def test_names_cannot_drive_the_terminal(self):
        self.write("a\x1b[31m\nb\u202e.env", CANARY)
        self.write(os.fsdecode(b"bad\xff.env"), CANARY)
        out = self.agentbox("scan").stdout
        self.assertNotIn(b"\x1b", out)
        self.assertNotIn("\u202e".encode(), out)
        self.assertIn(rb"a\x1b[31m\x0ab\u{202e}.env", out)
        by_path = self.hidden(self.scan(status=0))
        self.assertIn("a\x1b[31m\nb\u202e.env", by_path)
        self.assertEqual(bytes.fromhex(by_path["bad\\xff.env"]["path_hex"]), b"bad\xff.env")

    def test_paths(self):
        self.write("a/.env", CANARY)
        self.write("ab/.env", CANARY)
        self.write("a/b/c.env", CANARY)
        self.git("init", "-q")
        for arguments, found in ((["a"], {"a/.env", "a/b/c.env"}), (["a/b"], {"a/b/c.env"}),
                                 (["a/b/c.env", "ab"], {"a/b/c.env", "ab/.env"}),
                                 (["."], {"a/.env", "ab/.env", "a/b/c.env"})):
            self.assertEqual(set(self.hidden(self.scan(*arguments, status=1))), found, arguments)
        # From elsewhere, the project is the one that the path is in.
        self.assertEqual(set(self.hidden(self.scan(str(self.project / "ab"), cwd=self.place))),
                         {"ab/.env"})
        for arguments in (["nowhere"], ["a", str(self.home)], ["--json", "--sarif"]):
            result = self.agentbox("scan", *arguments)
            self.assertEqual(result.returncode, 125, arguments)
            self.assertEqual(result.stdout, b"")

    def test_hidden_is_what_a_box_does_not_see(self):
        self.policy(files={"hide": ["/private/", "*.sql"], "show": ["public.pem"], "redact": ["*.ini"]})
        self.write(".env", CANARY)
        self.write("private/deep/note.txt", CANARY)
        self.write("dump.sql", CANARY)
        self.write("public.pem", "x")
        self.write("settings.ini", f"password = {CANARY}")
        self.write("a/.npmrc", f"//registry.example/:_authToken={CANARY}\n")
        self.write("b/.npmrc", "registry=https://registry.example/\n")
        self.write("c/.npmrc", "x" * 70000)
        self.write("id_rsa", CANARY)
        self.write("id_rsa.pub", "x")
        self.write("src/main.c", "int x;\n")
        os.link(self.project / ".env", self.project / "src/copy.txt")
        os.link(self.project / "settings.ini", self.project / "src/settings.txt")
        self.write("e/.env", "TOKEN=op://vault/item/field\n")
        self.write("f/.env", "TOKEN=op://vault/item/field\n")
        os.link(self.project / "f/.env", self.project / "f/other")
        self.write("g/.env", f"TOKEN=op://vault/item/field\nKEY={CANARY}\n")
        self.write("d/.npmrc", "registry=https://registry.example/\n")
        os.link(self.project / "d/.npmrc", self.project / "d/other")
        self.write(".aws/credentials", f"aws_secret_access_key = {CANARY}\n", self.home)
        os.link(self.home / ".aws/credentials", self.project / "notes.txt")
        (self.project / "link.env").symlink_to("src/main.c")
        (self.project / "link").symlink_to(".env")
        self.trust()
        report = self.scan()
        self.assertTrue(report["policy_trusted"])
        everything = {os.path.relpath(os.path.join(directory, name), self.project)
                      for directory, directories, files in os.walk(self.project)
                      for name in directories + files}
        # By lookup: a listing may show a hard link before it was looked at.
        names = "\n".join(sorted(everything))
        seen = set(self.run_box("while read -r name; do if [ -e \"$name\" ] || [ -L \"$name\" ]; then "
                                "echo \"$name\"; fi; done", stdin=names.encode() + b"\n",
                                ).splitlines())
        self.assertEqual(set(self.hidden(report)), everything - seen)
        for name in ("src/copy.txt", "notes.txt", "f/.env"):
            self.assertIn(name, self.hidden(report))
        self.assertIn("src/main.c", seen)
        self.assertIn("e/.env", seen)


class Contents(ScanTest):
    def places(self, report):
        return [(e["path"], e["line"], e["column"], e["kind"]) for e in report["findings"]]

    def test_says_where_a_secret_stands_and_what_is_done(self):
        self.git("init", "-q")
        self.write("src/config.py", f"a = 1\nKEY = '{TOKEN}'\n")
        self.write("notes.txt", f"{TOKEN}\n")
        self.write("ignored.log", f"{TOKEN}\n")
        self.write(".gitignore", "*.log\n")
        self.git("add", "src")
        self.policy(files={"detect": {"**": "redact", "notes.txt": "deny"}})
        report = self.scan(status=1)
        self.assertEqual(self.places(report), [("ignored.log", 1, 1, "github-token"),
                                               ("notes.txt", 1, 1, "github-token"),
                                               ("src/config.py", 2, 8, "github-token")])
        self.assertEqual([(e["action"], e["git"], e["rule"]) for e in report["findings"]],
                         [("redact", "ignored", "**"), ("deny", "untracked", "notes.txt"),
                          ("redact", "tracked", "**")])
        self.assertRegex(self.agentbox("scan").stdout.decode(),
                         r"src/config\.py:2:8 .*\(github-token\) +redacted, IN GIT")
        # The control: gone with the secrets.
        for name in ("src/config.py", "notes.txt", "ignored.log"):
            self.write(name, "nothing\n")
        report = self.scan(status=0)
        self.assertEqual(report["findings"], [])
        self.assertGreaterEqual(report["searched"], 3)

    def test_copies_of_a_hidden_value_are_found(self):
        # No token of any kind: only that it stands in .env tells that it is secret.
        value = "violet-Harbour-93-quartz-lantern"
        self.write("a/.env", f"# staging\nDEBUG=true\nPASSPHRASE={value}\nPORT=3000\n")
        self.write("log/out.log", f"12:00 connecting with {value}\n")
        self.write("notebook.ipynb", json.dumps({"out": [f'a "{value}"\n']}))
        self.write("encoded.txt", "x " + base64.b64encode(f"u:{value}".encode()).decode() + "\n")
        self.write("build/app.bin", f"\0\1\2{value}\0")
        self.write("src/main.c", "int port = 3000; bool DEBUG = true;\n")
        report = self.scan(status=1)
        self.assertEqual({e["path"]: (e["kind"], e.get("copy_of")) for e in report["findings"]},
                         dict.fromkeys(["log/out.log", "notebook.ipynb", "encoded.txt",
                                        "build/app.bin"], ("known-value", "a/.env")))
        for form in ([], ["--json"], ["--sarif"]):
            out = self.agentbox("scan", *form).stdout.decode()
            self.assertNotIn(value, out)
            self.assertIn("a/.env", out)
        # Also where only a part is asked for: the values are those of the whole project.
        self.assertEqual([e["path"] for e in self.scan("log", status=1)["findings"]], ["log/out.log"])
        (self.project / "a/.env").unlink()
        self.assertEqual(self.scan(status=0)["findings"], [])
        # So are the home's own, in the project.
        self.write(".pgpass", f"db.example:5432:shop:app:{value}\n", self.home)
        self.assertEqual({e["copy_of"] for e in self.scan(status=1)["findings"]},
                         {str(self.home / ".pgpass")})

    def test_a_hidden_file_without_a_secret_is_no_fault_in_git(self):
        self.git("init", "-q")
        self.write(".env", "DEBUG=true\nPORT=3000\n")
        report = self.scan(status=0)
        self.assertEqual(self.states(report), {".env": "untracked"})
        self.assertFalse(report["hidden"][0]["holds_secret"])
        self.assertEqual(json.loads(self.agentbox("scan", "--sarif").stdout)["runs"][0]["results"][0]["level"],
                         "none")
        self.write(".env", "DEBUG=true\nDB_PASSWORD=Gh7!kq\n")
        self.assertEqual(self.states(self.scan(status=1)), {".env": "untracked"})

    def test_a_box_reads_what_scan_says(self):
        value = "Violet7Harbour93quartzLantern"
        self.policy(files={"detect": {"**": "redact", "denied/**": "deny", "told/**": "report"}})
        self.write(".env", f"PASSPHRASE={value}\n")
        for name in ("a.txt", "denied/b.txt", "told/c.txt"):
            self.write(name, f"first\n  {TOKEN}\n")
        self.write("out.log", f"connecting with {value}\n")
        self.write("clean.txt", "nothing\n")
        self.trust()
        report = self.scan(status=1)
        actions = {e["path"]: e["action"] for e in report["findings"]}
        self.assertEqual(actions, {"a.txt": "redact", "denied/b.txt": "deny", "told/c.txt": "report",
                                   "out.log": "redact"})
        for entry in report["findings"]:
            name = entry["path"]
            text = self.run_box(f"cat {name} 2>&1 || true")
            lines = (self.project / name).read_text().splitlines()
            secret = lines[entry["line"] - 1][entry["column"] - 1:entry["end_column"] - 1]
            self.assertIn(secret, (TOKEN, value))
            self.assertEqual(secret in text, entry["action"] == "report", name)
            self.assertEqual("Permission denied" in text, entry["action"] == "deny", name)
        self.assertEqual(self.run_box("cat clean.txt"), "nothing\n")

    def test_detect_off_is_left_out_and_said(self):
        self.policy(files={"detect": {"**": "redact", "docs/**": "off"}})
        self.write("docs/a.txt", TOKEN)
        self.trust()
        report = self.scan(status=0)
        self.assertEqual((report["findings"], report["left_out"]), ([], 1))
        self.assertIn("1 file was not searched", self.agentbox("scan").stdout.decode())

    def test_large_and_binary_files_are_searched_to_their_end(self):
        large = self.project / "large.bin"
        with large.open("wb") as file:
            file.truncate(300 << 20)
            file.seek(0, os.SEEK_END)
            file.write(f"\n{TOKEN}\n".encode())
        self.write("image.png", "\x89PNG\0\0" + f"\n{TOKEN}\n")
        report = self.scan(status=1)
        self.assertEqual(self.places(report), [("image.png", 2, 1, "github-token"),
                                               ("large.bin", 2, 1, "github-token")])
        self.assertGreater(report["bytes"], 300 << 20)

    def test_git_configuration_is_searched_and_objects_are_not(self):
        self.git("init", "-q")
        self.git("config", "remote.origin.url", f"https://user:{TOKEN}@git.example/a.git")
        with (self.project / ".git/objects/loose").open("w") as file:
            file.write(TOKEN)
        # A directory of that name elsewhere is a directory like any other.
        self.write("objects/a", TOKEN)
        self.assertEqual({path for path, *_ in self.places(self.scan(status=1))},
                         {".git/config", "objects/a"})

    def test_files_full_of_secrets_are_counted(self):
        self.write("many.txt", f"{TOKEN}\n" * 1010)
        report = self.scan(status=1)
        self.assertEqual((len(report["findings"]), report["unlisted_findings"]), (1000, 10))
        self.assertIn("more (--json lists all)", self.agentbox("scan").stdout.decode())

    @unittest.skipIf(os.geteuid() == 0, "root can read everything")
    def test_what_cannot_be_searched_is_said(self):
        self.write("closed.txt", TOKEN).chmod(0)
        self.assertEqual(self.scan(status=2)["unreadable"],
                         [{"path": "closed.txt", "error": "EACCES"}])
        self.write("open.txt", TOKEN)
        self.scan(status=3)

    def test_sarif_says_where(self):
        self.write("a.txt", f"x\n  {TOKEN}\n")
        log = json.loads(self.agentbox("scan", "--sarif").stdout)
        result, = log["runs"][0]["results"]
        self.assertEqual(result["ruleId"], "github-token")
        self.assertEqual(result["locations"][0]["physicalLocation"]["region"],
                         {"startLine": 2, "startColumn": 3, "endLine": 2,
                          "endColumn": 3 + len(TOKEN)})


class Policy(ScanTest):
    def test_a_policy_that_is_not_trusted_decides_nothing(self):
        self.policy(files={"show": [".env"]})
        self.write(".env", CANARY)
        report = self.scan(status=0)
        self.assertFalse(report["policy_trusted"])
        self.assertIn(".env", self.hidden(report))
        self.assertIn("agentbox trust", self.agentbox("scan").stdout.decode())
        self.trust()
        report = self.scan(status=0)
        self.assertTrue(report["policy_trusted"])
        self.assertNotIn(".env", self.hidden(report))


class Forms(ScanTest):
    def test_json_is_what_the_schema_says(self):
        try:
            import jsonschema
        except ImportError:
            self.skipTest("python3-jsonschema is not installed")
        self.git("init", "-q")
        self.write(".env", CANARY)
        self.write(".aws/credentials", CANARY)
        self.write(os.fsdecode(b"bad\xff.env"), CANARY)
        os.link(self.project / ".env", self.project / "copy")
        self.policy(files={"redact": ["*.ini"]})
        self.write("a.ini", f"a={CANARY}")
        self.write("b.txt", TOKEN)
        self.write("c.txt", CANARY)
        report = self.scan(status=1)
        self.assertTrue(any("copy_of" in entry for entry in report["findings"]))
        schema = json.loads(SCHEMA.read_text())
        jsonschema.validate(report, schema)
        with self.assertRaises(jsonschema.ValidationError):
            jsonschema.validate({**report, "value": 1}, schema)

    def test_sarif(self):
        self.git("init", "-q")
        self.write("a b/%.env", CANARY)
        self.write(".env", CANARY)
        self.write(".gitignore", ".env")
        log = json.loads(self.agentbox("scan", "--sarif").stdout)
        self.assertEqual(log["version"], "2.1.0")
        run, = log["runs"]
        rules = run["tool"]["driver"]["rules"]
        self.assertEqual(run["tool"]["driver"]["name"], "agentbox")
        self.assertEqual(run["invocations"][0]["exitCode"], 1)
        by_uri = {}
        for result in run["results"]:
            self.assertEqual(rules[result["ruleIndex"]]["id"], result["ruleId"])
            location, = result["locations"]
            artifact = location["physicalLocation"]["artifactLocation"]
            self.assertEqual(artifact["uriBaseId"], "%SRCROOT%")
            self.assertTrue(result["message"]["text"])
            # SARIF 2.1.0, 3.27.9 and 3.27.10: a level other than "none" is for failures alone.
            self.assertEqual(result.get("kind", "fail") == "fail", result["level"] != "none")
            by_uri[artifact["uri"]] = result["level"]
        self.assertEqual(by_uri, {"a%20b/%25.env": "error", ".env": "none"})


if __name__ == "__main__":
    unittest.main()
