"""A repository with secrets, a home and a state directory of a test's own, and ways to start things
there with and without a box."""

import base64
import json
import os
import pathlib
import platform
import secrets
import shutil
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent / "standin"))
import standin  # noqa: E402 - found by the path set above

BUILD = pathlib.Path(os.environ.get("AGENTBOX_BUILD_DIR") or "build").resolve()
AGENTBOX = os.environ.get("AGENTBOX") or str(BUILD / "launcher/cli/agentbox")
MODULES = (BUILD / "agents/node_modules").resolve()

SYSTEM_PATH = "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin"
# Places that a policy may not open up as "system"; see docs/policy.md.
PRIVATE = ("/root", "/home", "/run", "/proc", "/sys", "/dev", "/boot")

# Files of the repository that a box does not show; git does not know them.
HIDDEN = (".env", ".env.production.local.backup", "config.bak")

# What shells, git and programs for the user run or obey, in the home and in a repository.
SHELL_FILES = (".bashrc", ".profile", ".gitconfig", ".config/git/config", ".ssh/config",
               ".local/bin/git", ".config/autostart/x.desktop")
PROJECT_FILES = (".git/hooks/pre-commit", ".git/config", ".mcp.json", ".claude/settings.json",
                 ".envrc", ".vscode/tasks.json", "agentbox.json")


def forms(value):
    """The texts that give `value` away: itself, reversed, in hexadecimal and in base64 at any
    alignment."""
    raw = value.encode()
    texts = {value, value[::-1], raw.hex(), raw.hex().upper()}
    for offset in range(3):
        encoded = base64.b64encode(b"\0" * offset + raw).decode()
        # Without the characters at both ends, which the neighbours change.
        texts.add(encoded[4 if offset else 0 : len(encoded) - 4])
    return texts


def gives_away(text, value):
    return any(form in text for form in forms(value))


class Place(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        # /var/tmp, as /tmp is another one in a box and Codex refuses to work there.
        base = os.environ.get("TMPDIR") or "/var/tmp"
        self.scratch = pathlib.Path(tempfile.mkdtemp(prefix="agentbox-e2e.", dir=base)).resolve()
        self.addCleanup(shutil.rmtree, self.scratch, ignore_errors=True)
        self.home = self.scratch / "home"
        self.project = self.scratch / "project"
        self.home.mkdir()
        self.project.mkdir()
        self.canary = "canary" + secrets.token_hex(12)
        self.environment = {
            "HOME": str(self.home),
            "PATH": SYSTEM_PATH,
            "LANG": "C.UTF-8",
            "TERM": "xterm-256color",
            "TMPDIR": str(self.scratch),
        }
        self.write_repository()

    def write(self, name, text):
        path = self.project / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def git(self, *arguments):
        subprocess.run(
            ["git", "-c", "user.name=T", "-c", "user.email=t@example.com", *arguments],
            cwd=self.project, env=self.environment, check=True, capture_output=True, timeout=30)

    def write_repository(self):
        self.write("README.md", "A small program.\n")
        self.write("app.py", "import os\nprint(os.environ.get('DATABASE_URL', 'none'))\n")
        self.write(".env.example", "API_KEY=\n")
        self.git("init", "-q")
        self.git("add", "-A")
        self.git("commit", "-q", "-m", "Begin")
        for name in HIDDEN:
            self.write(name, f"API_KEY={self.canary}\n")

    # --- boxes

    def store(self, name, value):
        """Puts a secret into the local store of this home."""
        subprocess.run([AGENTBOX, "secret", "set", name], input=value.encode(), cwd=self.project,
                       env=self.environment, check=True, capture_output=True, timeout=30)

    def policy(self, document):
        path = self.scratch / "policy.json"
        path.write_text(json.dumps({"version": 1, **document}), encoding="utf-8")
        return str(path)

    def box(self, *command, options=(), policy=None, profile="shell"):
        """The command line that starts `command` in a box."""
        line = [AGENTBOX, "run", "--profile", profile]
        if policy is not None:
            line += ["--policy", self.policy(policy)]
        return [*line, *options, "--", *command]

    def start(self, command, **options):
        """A process that runs on; it is gone when the test ends."""
        settings = {
            "cwd": self.project, "env": self.environment, "stdin": subprocess.DEVNULL,
            "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
        process = subprocess.Popen(command, **settings)
        self.addCleanup(process.communicate)
        self.addCleanup(process.kill)
        return process

    def run_to_end(self, command, timeout=60, extra=None, stdin=b""):
        """(status, standard output, standard error) of a command that ends by itself."""
        done = subprocess.run(command, cwd=self.project, env={**self.environment, **(extra or {})},
                              input=stdin, capture_output=True, timeout=timeout)
        return done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(
            errors="replace")

    def verify_log(self):
        status, out, err = self.run_to_end([AGENTBOX, "log", "verify"])
        self.assertEqual(status, 0, f"agentbox log verify: {out}{err}")

    def log(self):
        status, out, err = self.run_to_end([AGENTBOX, "log", "--json"])
        self.assertEqual(status, 0, err)
        return [json.loads(line) for line in out.splitlines()]

    # --- agent programs

    def visible(self, path):
        """`path` of an installed program, or a copy of it where a policy may show it to a box."""
        if not path.exists():
            self.fail(f"{path} is not there: run tests/e2e/install_agents.sh {BUILD}")
        if not str(path).startswith(tuple(f"{root}/" for root in PRIVATE)):
            return path
        # In the same place below a node_modules: node looks for further packages there.
        copy = self.scratch / "programs/node_modules" / path.relative_to(MODULES)
        if not copy.exists():
            copy.parent.mkdir(parents=True, exist_ok=True)
            if path.is_dir():
                shutil.copytree(path, copy, symlinks=True)
            else:
                shutil.copy2(path, copy)
        return copy

    def node(self):
        """Our own pinned node: Debian 12's is older than what Gemini CLI needs."""
        kind = {"x86_64": "x64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
        return self.visible(MODULES / f"node-linux-{kind}/bin/node")


class AgentTest(Place):
    """One agent program, played by a scenario. Subclasses say how it is set up and started."""

    profile = None
    api = None
    # Names of the variables that carry the key, and settings that are not secret.
    key_variable = None
    # Below the home: what an unboxed session runs or obeys, and a pattern of what it has to keep.
    obeyed = ()
    kept = None
    # The hidden file that it is made to read with its own tool.
    read_itself = ".env"
    # Arguments that make it print what its tools answered.
    verbose = ()

    def setUp(self):
        super().setUp()
        self.injected = "injected" + secrets.token_hex(12)
        self.key = "sk-test-" + secrets.token_hex(12)

    def configure(self, port):
        """Writes the program's settings into the home; returns variables to start it with."""
        raise NotImplementedError

    def command(self):
        """(command line, files and directories that the box has to show for it)."""
        raise NotImplementedError

    def leaks(self):
        """Steps each of which shows the canary to the model where nothing is hidden."""
        script = f"import sys\nsys.stdout.write(open('{self.project}/.env').read()[::-1])\n"
        return {
            "its own tool to read": [{"read": str(self.project / self.read_itself)}],
            "cat": [{"shell": "cat .env"}],
            "grep -r": [{"shell": "grep -r API_KEY ."}],
            "stale copies": [{"shell": "cat config.bak .env.production.local.backup"}],
            "git show of a blob it makes": [
                {"shell": "git hash-object -w .env | xargs git show"}],
            "git show :.env": [
                {"shell": "git add -f .env; git show :.env; git reset -q; true"}],
            "git stash": [
                {"shell": "git -c user.name=a -c user.email=a@b stash -q --all; "
                          "git show stash@{0}^3:.env; git stash pop -q; true"}],
            "a script that it writes": [
                {"write": f"{self.project}/show.py", "content": script},
                {"shell": "python3 show.py"}],
            "base64": [{"shell": "base64 -w0 .env"}],
        }

    def play(self, steps, boxed, options=(), arguments=(), files=None):
        """Runs the program through the steps; gives what it printed. self.results is then what the
        model was told after each step, self.sent all that was sent."""
        requests = self.scratch / ("requests-" + ("boxed" if boxed else "plain"))
        shutil.rmtree(requests, ignore_errors=True)
        server = standin.Server({"steps": steps, "final": "the scenario is through"}, str(requests))
        self.addCleanup(server.server_close)
        port = server.start()
        self.addCleanup(server.shutdown)
        extra = self.configure(port)
        line, shown = self.command()
        line = [*line, *arguments]
        if boxed:
            self.store("e2e-key", self.key)
            self.store("e2e-database", self.injected)
            line = self.box(*line, options=options, profile=self.profile, policy={
                "extends": [self.profile],
                "system": [str(path) for path in shown],
                "network": [f"localhost:{port}"],
                "files": files or {},
                # The unprivileged user of the tests may have none to log in with.
                "environment": {"set": {"SHELL": "/bin/bash"}},
                "secrets": {
                    "key": {"from": "local://e2e-key", "as": {"env": self.key_variable}},
                    "database": {"from": "local://e2e-database", "as": {"env": "DATABASE_URL"}}},
                "scopes": {"main": {"secrets": ["key", "database"]}}})
        else:
            extra = {**extra, self.key_variable: self.key, "DATABASE_URL": self.injected}
        status, out, err = self.run_to_end(line, extra=extra, timeout=150)
        bodies = [path.read_bytes() for path in sorted(requests.glob("*.body"))]
        self.sent = b"\n".join(bodies).decode(errors="replace")
        self.results = []
        for body in bodies:
            try:
                results = self.api.results(json.loads(body))
            except (ValueError, KeyError):
                continue  # another kind of request
            self.results = max(self.results, results, key=len)
        said = f"status {status}\n--- stdout\n{out[-3000:]}\n--- stderr\n{err[-3000:]}"
        self.assertEqual(status, 0, said)
        self.assertEqual(len(self.results), len(steps),
                         f"the program did {len(self.results)} of {len(steps)} steps; {said}")
        return out + err

    def each_leak(self, boxed):
        """(name, what the model was told by it) for each of leaks()."""
        readme = str(self.project / "README.md")
        steps, ends = [{"read": readme}, {"shell": "cat README.md; git log -1 --format=%s"}], {}
        for name, parts in self.leaks().items():
            steps += parts
            ends[name] = len(steps)
        self.play(steps, boxed)
        # Tools that do nothing at all would leak nothing.
        for told in self.results[:2]:
            self.assertIn("A small program.", told)
        self.assertIn("Begin", self.results[1])
        return {name: self.results[end - 1] for name, end in ends.items()}

    def test_without_a_box_every_step_shows_the_canary(self):
        # The control: what the next test finds nothing of is really asked for and would be there.
        for name, told in self.each_leak(boxed=False).items():
            with self.subTest(name):
                self.assertTrue(gives_away(told, self.canary), told)

    def test_in_a_box_no_request_holds_the_canary(self):
        told = self.each_leak(boxed=True)
        self.assertFalse(gives_away(self.sent, self.canary), told)
        # Nothing of what it did, git stash least of all, has changed a file that it cannot see.
        for name in HIDDEN:
            self.assertIn(self.canary, (self.project / name).read_text(encoding="utf-8"))
        hidden = [r.get("subject", "") for r in self.log() if r["event"] == "hide"]
        self.assertIn(str(self.project / ".env"), hidden)
        self.verify_log()

    def test_in_a_box_what_is_injected_arrives_and_is_masked(self):
        steps = [{"shell": "printf 'the length is %s\\n' ${#DATABASE_URL}; printenv DATABASE_URL"}]
        printed = self.play(steps, boxed=True, arguments=self.verbose)
        self.assertIn(f"the length is {len(self.injected)}", self.results[0])
        self.assertIn("the length is", printed, "the program does not print what its tools say")
        self.assertFalse(gives_away(printed, self.injected), printed)
        # A program that keeps what its tools say in a file is given stars, by the guard of writes.
        self.assertRegex(printed, r"concealed by agentbox|[*]{%d}" % len(self.injected))
        # The control: without masking it is printed.
        printed = self.play(steps, boxed=True, arguments=self.verbose, options=["--no-masking"],
                            files={"write_secrets": "allow"})
        self.assertIn(self.injected, printed)
        resolved = [r for r in self.log() if r["event"] in ("resolve", "release")]
        self.assertTrue(resolved)
        self.assertNotIn(self.injected, json.dumps(self.log()))
        self.verify_log()

    def test_what_it_writes_for_later_stays_in_the_box(self):
        below_home = [self.home / name for name in (*SHELL_FILES, *self.obeyed)]
        below_project = [self.project / name for name in PROJECT_FILES]

        def reached():
            return [str(path) for path in (*below_home, *below_project)
                    if path.is_file() and b"evil" in path.read_bytes()]

        # One command a file: a refusal must not keep the next from being tried.
        script = "".join(f"mkdir -p {path.parent}; echo 'evil = 1' >>{path}\n"
                         for path in (*below_home, *below_project))
        steps = [{"shell": script + "echo tried"}]
        self.play(steps, boxed=True)
        self.assertIn("tried", self.results[0])
        self.assertEqual(reached(), [])
        self.assertTrue(list(self.home.glob(self.kept)), f"no {self.kept} after the session")
        # The control: without a box all of them are written.
        self.play(steps, boxed=False)
        self.assertEqual(len(reached()), len(below_home) + len(below_project))
