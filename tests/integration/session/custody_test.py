"""Where values must not be: command lines, environments, files, core dumps.

Each secret is random and looked for as it is, in base64 and in hexadecimal. Each search has a control: a
process that keeps a value where agentbox must not is found by it.
"""
import base64
import json
import os
import pathlib
import re
import secrets
import shutil
import subprocess
import threading
import time
import unittest

from sandbox import AGENTBOX
from stores import STORES, StoreTest  # first: it makes the stand-ins importable
import aws
import doppler
import vault

OP_STUB = STORES.parent / "op_stub/op"
PATIENCE = 60
PROJECT_ID = "6f1e0000-0000-4000-8000-000000000001"


def forms(value):
    """The value's halves too: what is left of a buffer that was used again."""
    raw = value.encode()
    # Base64 at each of the three places where its groups of three bytes may begin.
    coded = [base64.b64encode(raw[skip:])[4:-4] for skip in range(3)]
    return [raw[:16], raw[16:], *coded, raw.hex().encode(), raw.hex().upper().encode()]


class Watch(threading.Thread):
    """Looks at the command line and environment of every new process, a thousand times a second."""

    def __init__(self, canaries):
        super().__init__(daemon=True)
        self.needles = [(name, form) for name, value in canaries.items() for form in forms(value)]
        self.first = os.getpid()
        self.own = os.readlink("/proc/self/ns/pid")
        self.found = set()
        self.samples = 0
        self.processes = set()
        self.stopped = threading.Event()

    def look(self, pid):
        where = "argv"
        try:
            text = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()
            self.note(where, text, text)
            if os.readlink(f"/proc/{pid}/ns/pid") == self.own:
                self.note("environ", pathlib.Path(f"/proc/{pid}/environ").read_bytes(), text)
        except OSError:
            pass  # it has ended
        self.processes.add(pid)

    def note(self, where, text, command):
        for name, form in self.needles:
            if form in text:
                self.found.add((where, name, command[:60]))

    def run(self):
        while not self.stopped.is_set():
            began = time.monotonic()
            for entry in os.listdir("/proc"):
                if entry.isdigit() and int(entry) > self.first:
                    self.look(int(entry))
            self.samples += 1
            time.sleep(max(0, 0.001 - (time.monotonic() - began)))

    def stop(self):
        self.stopped.set()
        self.join()
        return self.found


def holders_of(canaries, core):
    text = core.read_bytes()
    return {name for name, value in canaries.items() for form in forms(value) if form in text}


def outside(pid, own):
    try:
        return os.readlink(f"/proc/{pid}/ns/pid") == own and bool(os.readlink(f"/proc/{pid}/exe"))
    except OSError:
        return False  # it has ended


@unittest.skipUnless(shutil.which("gcore"), "gdb is not installed")
class Custody(StoreTest):
    def setUp(self):
        super().setUp()
        self.canaries = {}
        self.references = {}

    def canary(self, name):
        self.canaries[name] = secrets.token_urlsafe(24)  # 32 characters
        return self.canaries[name]

    def program(self, name, text):
        path = self.write("bin/" + name, "#!/bin/sh\n" + text, base=self.home)
        path.chmod(0o755)
        return path

    # Every store that there is, each with a value of its own.
    def stores(self):
        self.secret("shop/db", self.canary("local"))
        self.references["local"] = "local://shop/db"
        self.references["file"] = f"file://{self.write('value', self.canary('file'), base=self.home)}"
        kept = self.write("kept", self.canary("exec") + "\n", base=self.home)
        self.references["exec"] = f"exec://{self.program('show', f'exec cat {kept}')}"
        self.one_password()
        self.over_https()
        if shutil.which("age"):
            self.sops()

    def one_password(self):
        self.write(".config/op/stub.json", json.dumps(
            {"secrets": {"op://Dev/db/password": self.canary("op")}, "integration": True}), base=self.home)
        stub = self.home / "bin/op"
        stub.write_text(OP_STUB.read_text())
        stub.chmod(0o755)
        self.environment["PATH"] = f"{self.home}/bin:" + self.environment["PATH"]
        self.references["op"] = "op://Dev/db/password"

    def over_https(self):
        tokens = {name: self.canary(name + "-token") for name in ("vault", "doppler", "infisical", "aws")}
        servers = [
            self.serve(vault.Vault, {
                "tokens": {tokens["vault"]: {}},
                "mounts": {"secret/": {"type": "kv", "options": {"version": "2"}}},
                "secrets": {"secret/app": [{"data": {"password": self.canary("vault")}}]}}),
            self.serve(doppler.Doppler, {
                "tokens": {tokens["doppler"]: {}},
                "configs": {"shop/dev": {"PASSWORD": self.canary("doppler")}}}),
            self.serve(aws.Aws, {
                "keys": {"AKIA1": {"secret": tokens["aws"]}}, "roles": {},
                "secrets": {"prod/db": {"versions": {"1": {
                    "string": json.dumps({"password": self.canary("aws")}), "stages": ["AWSCURRENT"]}}}}}),
        ]
        authority = self.home / "ca.pem"
        authority.write_text("".join((one.directory / "ca.pem").read_text() for one in servers))
        self.environment.update(
            SSL_CERT_FILE=str(authority), AWS_CA_BUNDLE=str(authority), VAULT_CACERT=str(authority),
            VAULT_ADDR=servers[0].url, DOPPLER_API_HOST=servers[1].url, AWS_ENDPOINT_URL=servers[2].url,
            AWS_REGION="us-east-1", AWS_EC2_METADATA_DISABLED="true")
        self.write(".vault-token", tokens["vault"], base=self.home).chmod(0o600)
        self.write(".aws/credentials", "[default]\naws_access_key_id = AKIA1\n"
                   f"aws_secret_access_key = {tokens['aws']}\n", base=self.home).chmod(0o600)
        self.environment["DOPPLER_TOKEN"] = tokens["doppler"]
        self.references.update({"vault": "vault://secret/app#password",
                                "doppler": "doppler://shop/dev/PASSWORD",
                                "aws": "aws-sm://prod/db#password"})

    def sops(self):
        key = self.home / "age.txt"
        subprocess.run(["age-keygen", "-o", key], check=True, capture_output=True)
        recipient = subprocess.run(["age-keygen", "-y", key], check=True, capture_output=True, text=True).stdout
        self.canaries["age-key"] = re.search("AGE-SECRET-KEY-1(.*)", key.read_text())[1]
        made = subprocess.run(
            ["python3", STORES / "sops.py", recipient.strip(), "yaml"], capture_output=True, check=True,
            input=json.dumps({"db": {"password": self.canary("sops")}}).encode()).stdout
        (self.project / "app.yaml").write_bytes(made)
        self.environment["SOPS_AGE_KEY_FILE"] = str(key)
        self.references["sops"] = "sops://app.yaml#db.password"

    def start(self, script):
        """A session that has all values; returns when its box is at work."""
        references = self.env_file("".join(f"V_{name.upper()}={one}\n" for name, one in self.references.items()))
        process = subprocess.Popen(
            [AGENTBOX, "run", references, "--", "sh", "-c", ": > ready; read go; " + script],
            cwd=self.project, env=self.environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE)
        self.addCleanup(lambda: (process.kill(), process.communicate()))
        deadline = time.monotonic() + PATIENCE
        while not (self.project / "ready").exists():
            self.assertIsNone(process.poll(), process.stderr.read() if process.poll() is not None else "")
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.01)
        return process

    def core_of(self, pid):
        made = subprocess.run(["gcore", "-o", self.place / "core", str(pid)], capture_output=True)
        core = self.place / f"core.{pid}"
        self.assertTrue(core.exists(), made.stdout + made.stderr)
        self.addCleanup(lambda: core.unlink(missing_ok=True))
        return core

    def children_outside(self, pid):
        """The process and those below it that are of this test's own process namespace."""
        own = os.readlink("/proc/self/ns/pid")
        found = [pid]
        for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                if outside(child, own):
                    found += self.children_outside(int(child))
        return found

    def test_core_dumps_show_no_value(self):
        self.stores()
        process = self.start("true")
        pids = self.children_outside(process.pid)
        self.assertIn(process.pid, pids)
        for pid in pids:
            found = holders_of(self.canaries, self.core_of(pid))
            # DOPPLER_TOKEN is in agentbox's own environment, where the kernel put it.
            self.assertLessEqual(found, {"doppler-token"}, pathlib.Path(f"/proc/{pid}/comm").read_text())
            self.assertEqual("doppler-token" in found, pid == process.pid)  # control: the search finds it
        _, error = process.communicate(b"\n", timeout=PATIENCE)
        self.assertEqual(process.returncode, 0, error)

    def test_a_core_dump_of_who_keeps_a_value_shows_it(self):
        value = self.canary("kept")
        keeper = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.addCleanup(lambda: (keeper.kill(), keeper.communicate()))
        keeper.stdin.write(value.encode())
        keeper.stdin.flush()
        self.assertEqual(keeper.stdout.read1(), value.encode())  # it is in cat's buffer now
        self.assertEqual(holders_of(self.canaries, self.core_of(keeper.pid)), {"kept"})

    def test_command_lines_and_environments_show_no_value(self):
        self.stores()
        tokens = {name for name in self.canaries if name.endswith("-token")}
        watch = Watch(self.canaries)
        watch.start()
        process = self.start("true")
        _, error = process.communicate(b"\n", timeout=PATIENCE)
        self.assertEqual(process.returncode, 0, error)
        references = self.env_file("".join(f"V_{n.upper()}={one}\n" for n, one in self.references.items()))
        template = self.write("template", "".join("{{ %s }}\n" % one for one in self.references.values()),
                              base=self.home)
        for command in (["check", references], ["inject", "-i", str(template), "-o", str(self.home / "out")],
                        *(["read", one] for one in self.references.values())):
            result = self.agentbox(*command)
            self.assertEqual(result.returncode, 0, result.stderr)
            if command[0] == "check":
                for value in self.canaries.values():
                    self.assertNotIn(value.encode(), result.stdout + result.stderr)
        found = watch.stop()
        self.assertGreater(watch.samples, 20)
        self.assertGreater(len(watch.processes), len(self.references))
        # What the user exported stands in agentbox's own environment; no command line, and no other value.
        self.assertLessEqual({(where, name) for where, name, _ in found},
                             {("environ", name) for name in tokens}, found)
        made = (self.home / "out").read_text()
        for name in self.references:
            self.assertIn(self.canaries[name], made)  # control: it was there to be leaked
        given = {"value", "kept", "out", "bin/op", ".config/op/stub.json", ".vault-token", ".aws/credentials",
                 "age.txt"}
        for path in (one for top in (self.home, self.project) for one in top.rglob("*") if one.is_file()):
            if path.is_relative_to(self.home) and str(path.relative_to(self.home)) in given:
                continue
            text = path.read_bytes()
            self.assertEqual([n for n, v in self.canaries.items() for f in forms(v) if f in text], [], path)

    def test_the_watch_sees_a_command_line_and_an_environment(self):
        value = self.canary("shown")
        watch = Watch(self.canaries)
        watch.start()
        subprocess.run(["sleep", "0.2"], env={"PATH": os.environ["PATH"], "X": value}, check=True)
        subprocess.run(["sh", "-c", "sleep 0.2; :", value], check=True)
        self.assertEqual({(where, name) for where, name, _ in watch.stop()},
                         {("argv", "shown"), ("environ", "shown")})


if __name__ == "__main__":
    unittest.main()
