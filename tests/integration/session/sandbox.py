"""A project, a home and a store of the test's own, and the program under test in them."""
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

AGENTBOX = os.environ["AGENTBOX"]


class SessionTest(unittest.TestCase):
    def setUp(self):
        self.place = pathlib.Path(tempfile.mkdtemp(prefix="agentbox-session-"))
        self.addCleanup(shutil.rmtree, self.place, ignore_errors=True)
        self.home = self.place / "home"
        self.project = self.place / "project"
        self.home.mkdir()
        self.project.mkdir()
        self.environment = {
            "HOME": str(self.home),
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "LANG": "C.UTF-8",
            "TERM": "dumb",
        }

    def agentbox(self, *arguments, stdin=b"", cwd=None, env=None, timeout=60):
        return subprocess.run(
            [AGENTBOX, *arguments], input=stdin, capture_output=True, timeout=timeout,
            cwd=cwd or self.project, env={**self.environment, **(env or {})})

    def run_box(self, script, *options, **keywords):
        """`script` by sh in a box; fails the test unless it exits 0. Returns its output."""
        result = self.agentbox("run", *options, "--", "sh", "-c", script, **keywords)
        self.assertEqual(result.returncode, 0, result.stderr.decode() + result.stdout.decode())
        return result.stdout.decode()

    def write(self, name, text, base=None):
        path = (base or self.project) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def policy(self, **members):
        self.write("agentbox.json", json.dumps({"version": 1, **members}))

    def secret(self, name, value):
        result = self.agentbox("secret", "set", name, stdin=value.encode())
        self.assertEqual(result.returncode, 0, result.stderr.decode())

    def trust(self):
        result = self.agentbox("trust", "--yes")
        self.assertEqual(result.returncode, 0, result.stderr.decode())

    def records(self):
        result = self.agentbox("log", "--json")
        self.assertEqual(result.returncode, 0, result.stderr.decode())
        return [json.loads(line) for line in result.stdout.decode().splitlines()]

    def verify(self):
        result = self.agentbox("log", "verify")
        self.assertEqual(result.returncode, 0, result.stdout.decode() + result.stderr.decode())
