"""The policy's `commands`: a name typed in the box runs the program of the host in its own scope."""
import hashlib
import json
import secrets
import shlex
import unittest

from sandbox import SessionTest

# Says what it was given; the token by its hash.
STUB = r"""#!/bin/bash
echo "token $(printf %s "$GH_TOKEN" | sha256sum | cut -c1-16)"
echo "name $0"
for a in "$@"; do printf 'arg <%s>\n' "$a"; done
echo "cwd $PWD"
env | sed 's/^/env /'
[ "$2" = input ] && sed 's/^/in /'
[ "$2" = status ] && exit "$3"
exit 0
"""


def hash_of(value):
    return hashlib.sha256(value.encode()).hexdigest()[:16]


class ShimsTest(SessionTest):
    ARGS = ["pr", "issue"]

    def setUp(self):
        super().setUp()
        self.token = "ghx-" + secrets.token_hex(20)
        self.tools = self.place / "tools"
        self.tools.mkdir()
        self.tool("gh", STUB)
        self.environment["PATH"] = f"{self.tools}:/usr/local/bin:/usr/bin:/bin"
        self.secret("gh", self.token)
        self.write_policy()

    def tool(self, name, text):
        path = self.tools / name
        path.write_text(text)
        path.chmod(0o755)
        return path

    def write_policy(self, **members):
        self.policy(**{
            "system": [str(self.tools)],
            "secrets": {"gh": {"from": "local://gh", "as": {"env": "GH_TOKEN"}}},
            "scopes": {"main": {"secrets": []}, "github": {"secrets": ["gh"]}},
            "commands": {"gh": {"scope": "github", "args": self.ARGS}}, **members})
        self.trust()

    def box(self, script, status=0, review=False, **keywords):
        options = ["--review"] if review else []
        result = self.agentbox("run", *options, "--", "sh", "-c", script, **keywords)
        self.assertEqual(result.returncode, status, result.stderr.decode() + result.stdout.decode())
        self.assertNotIn(self.token.encode(), result.stdout + result.stderr)
        return result

    def lines(self, script, **keywords):
        return self.box(script, **keywords).stdout.decode().splitlines()

    def test_the_program_has_its_token_and_the_box_has_not(self):
        out = self.lines('echo "mine [$GH_TOKEN]"; gh pr "a b" ""')
        self.assertEqual(out[0], "mine []")
        self.assertIn("token " + hash_of(self.token), out)
        self.assertEqual([line for line in out if line.startswith("arg")],
                         ["arg <pr>", "arg <a b>", "arg <>"])
        self.assertIn(f"cwd {self.project}", out)
        self.verify()
        started = [r for r in self.records() if r["event"] == "spawn" and r["outcome"] == "started"]
        self.assertEqual(len(started), 1)
        self.assertEqual(started[0]["subject"], "command:gh")
        self.assertEqual(started[0]["chain"], "main/github")
        self.assertIn("agentbox.json", started[0]["rule"])

    def test_what_the_arguments_may_not_be(self):
        for arguments in ("", "api user", "auth token", "-R x/y pr", "-- pr", "'' pr", "PR",
                          "'pr '", "'pr issue'", "--repo=x pr", "@pr", "\"$(printf 'pr\\n.')\""):
            with self.subTest(arguments):
                result = self.box(f"gh {arguments}", status=77)
                self.assertIn(b"pr, issue", result.stderr)
                self.assertEqual(result.stdout, b"")
        refused = [r for r in self.records() if r["event"] == "spawn"]
        self.assertEqual({r["outcome"] for r in refused}, {"refused"})
        self.assertEqual({r["subject"] for r in refused}, {"command:gh"})
        self.assertEqual([r for r in self.records() if r["event"] == "resolve"], [])

    def test_input_status_and_directory(self):
        (self.project / "sub").mkdir()
        out = self.lines("cd sub; printf 'x\\ny\\n' | gh pr input")
        self.assertIn("in y", out)
        self.assertIn(f"cwd {self.project}/sub", out)
        self.box("gh pr status 9", status=9)
        self.box("cd /tmp; gh pr", status=127)

    def test_it_cannot_be_spawned(self):
        result = self.box("agentbox spawn --scope github -- env", status=77)
        self.assertIn(b"does not let", result.stderr)

    def test_the_file_counts_and_not_its_name(self):
        # Its path, a link to it, another argv[0]: the shim. A copy runs here, without the token.
        program = shlex.quote(str(self.tools / "gh"))
        for script in (f"{program} pr", f"ln -s {program} mygh; ./mygh pr",
                       f"bash -c 'exec -a other {program} pr'",
                       "cd sub && bash -c 'exec -a agentbox /run/agentbox/bin/gh pr'",
                       "env -i /run/agentbox/bin/gh pr"):
            (self.project / "sub").mkdir(exist_ok=True)
            with self.subTest(script):
                self.assertIn("token " + hash_of(self.token), self.lines(script))
        self.write("stub", STUB).chmod(0o755)
        self.assertIn("token " + hash_of(""), self.lines("cp stub gh; ./gh pr"))
        self.assertIn("token " + hash_of(""),
                      self.lines("mkdir b; cp stub b/gh; PATH=$PWD/b:$PATH gh pr"))

    def test_the_command_of_the_session_itself(self):
        result = self.agentbox("run", "--", "gh", "pr")
        self.assertIn(b"token " + hash_of(self.token).encode(), result.stdout)

    def test_check_resolves_their_secrets_too(self):
        self.write_policy(
            secrets={name: {"from": f"local://{name}", "as": {"env": f"{name.upper()}_TOKEN"}}
                     for name in ("gh", "own", "spawned")},
            scopes={"main": {"secrets": ["own"], "spawn": ["other"]},
                    "github": {"secrets": ["gh"]}, "other": {"secrets": ["spawned"]}},
            commands={"gh": {"scope": "github"}, "cat": {"scope": "github"}, "ls": {"scope": "main"}})
        self.secret("own", "value of its own")
        result = self.agentbox("check", "--json")
        self.assertEqual(result.returncode, 0, result.stderr.decode())
        self.assertEqual([(row["scope"], row["name"], row["ok"])
                          for row in json.loads(result.stdout)],
                         [("main", "own", True), ("github", "gh", True)])
        self.assertEqual([(record["scope"], record["reference"]) for record in self.records()
                          if record["event"] == "resolve"],
                         [("main", "local://own"), ("github", "local://gh")])
        self.agentbox("secret", "rm", "gh")
        result = self.agentbox("check")
        self.assertEqual(result.returncode, 78, result.stderr.decode())
        rows = [line.split()[:3] for line in result.stdout.decode().splitlines()
                if not line.lstrip().startswith("next:")]
        self.assertEqual(rows, [["ok", "main", "own"], ["failed", "github", "gh"]])
        result = self.agentbox("check", "--scope", "main")
        self.assertEqual(result.returncode, 0, result.stderr.decode())

    def test_the_box_is_told_what_it_may_run(self):
        self.write_policy(commands={"gh": {"scope": "github", "args": self.ARGS},
                                    "cat": {"scope": "github"}, "ls": {"scope": "main", "args": []}})
        said = self.box("agentbox status --json; agentbox status; echo x | gh pr told")
        status, end = json.JSONDecoder().raw_decode(said.stdout.decode())
        self.assertEqual(status["scopes"], {"scopes": [], "commands": [
            {"name": "cat", "scope": "github"},
            {"name": "gh", "scope": "github", "args": self.ARGS},
            {"name": "ls", "scope": "main", "args": []}]})
        for line in ("  cat \u2026  (scope github)", "  gh pr, gh issue  (scope github)",
                     "  ls, which may be given nothing  (scope main)"):
            self.assertIn(line, said.stdout.decode()[end:].splitlines())
        tree = self.agentbox("log", "tree").stdout.decode()
        self.assertRegex(tree, r"\n +box \w+  scope github  gh  .*\n +started by .*: command gh\n")

    def test_a_review_has_no_commands(self):
        result = self.box("gh pr; echo $?; agentbox status --json", review=True)
        self.assertEqual(result.stdout.split()[0], b"77")
        self.assertIn(b"--review", result.stderr)
        self.assertIn(b'"commands": []', result.stdout)

    def test_without_the_program_nothing_starts(self):
        (self.tools / "gh").unlink()
        result = self.agentbox("run", "--", "touch", "ran")
        self.assertEqual(result.returncode, 78, result.stderr.decode())
        self.assertIn(b'command "gh"', result.stderr)
        self.assertFalse((self.project / "ran").exists())

    def test_a_program_that_a_box_can_write_is_none(self):
        (self.tools / "gh").rename(self.project / "gh")
        for directory in ("bin", "written"):
            (self.home / directory).mkdir()
        (self.home / "bin/gh").symlink_to(self.project / "gh")
        self.write("written/gh", STUB, base=self.home).chmod(0o755)
        self.write_policy(home={"read": ["bin"], "write": ["written"]})
        for directory in (self.project, self.home / "bin", self.home / "written"):
            with self.subTest(directory):
                self.environment["PATH"] = f"{directory}:/usr/bin:/bin"
                result = self.agentbox("run", "--", "true")
                self.assertEqual(result.returncode, 78, result.stderr.decode())
        (self.home / "bin/gh").unlink()
        self.write("bin/gh", STUB, base=self.home).chmod(0o755)
        self.environment["PATH"] = f"{self.home}/bin:/usr/bin:/bin"
        self.assertIn("token " + hash_of(self.token), self.lines("gh pr"))


if __name__ == "__main__":
    unittest.main()
