"""Where values must not be: command lines, environments, files, core dumps.

Each secret is random and looked for as it is, in base64 and in hexadecimal. Each search has a control: a
process that keeps a value where agentbox must not is found by it.
"""
import json
import os
import pathlib
import re
import secrets
import shutil
import subprocess
import time
import unittest

from sandbox import AGENTBOX
from stores import STORES, StoreTest  # first: it makes the stand-ins importable
import aws
import doppler
import infisical
import op_connect
import vault
from watching import Samples, Trace, holders_of

OP_STUB = STORES.parent / "op_stub/op"
PATIENCE = 60
UUID = "abcdefghijklmnopqrstuvwxy"  # of 1Password: and one more letter


def outside(pid, own):
    try:
        return os.readlink(f"/proc/{pid}/ns/pid") == own and bool(os.readlink(f"/proc/{pid}/exe"))
    except OSError:
        return False  # it has ended


class Custody(StoreTest):
    TOKENS = ("vault", "doppler", "infisical", "aws")
    EXPORTED = {"doppler-token", "infisical-token"}

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
        if shutil.which("pass") and shutil.which("gpg"):
            self.password_store()
        if all(shutil.which(one) for one in ("dbus-daemon", "gnome-keyring-daemon", "secret-tool")):
            self.keyring()

    def one_password(self):
        self.write(".config/op/stub.json", json.dumps(
            {"secrets": {"op://Dev/db/password": self.canary("op")}, "integration": True}), base=self.home)
        stub = self.home / "bin/op"
        stub.write_text(OP_STUB.read_text())
        stub.chmod(0o755)
        self.environment["PATH"] = f"{self.home}/bin:" + self.environment["PATH"]
        self.references["op"] = "op://Dev/db/password"

    def over_https(self):
        tokens = {name: self.canary(name + "-token") for name in self.TOKENS}
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
        servers.append(self.serve(infisical.Infisical, {
            "identities": {"id-1": tokens["infisical"]},
            "folders": {"p1/dev/": {"secrets": {"URL": self.canary("infisical")}}}}))
        authority = self.home / "ca.pem"
        authority.write_text("".join((one.directory / "ca.pem").read_text() for one in servers))
        self.environment.update(
            SSL_CERT_FILE=str(authority), AWS_CA_BUNDLE=str(authority), VAULT_CACERT=str(authority),
            VAULT_ADDR=servers[0].url, DOPPLER_API_HOST=servers[1].url, AWS_ENDPOINT_URL=servers[2].url,
            AWS_REGION="us-east-1", AWS_EC2_METADATA_DISABLED="true", INFISICAL_DOMAIN=servers[3].url,
            INFISICAL_UNIVERSAL_AUTH_CLIENT_ID="id-1",
            INFISICAL_UNIVERSAL_AUTH_CLIENT_SECRET=tokens["infisical"])
        self.write(".vault-token", tokens["vault"], base=self.home).chmod(0o600)
        self.write(".aws/credentials", "[default]\naws_access_key_id = AKIA1\n"
                   f"aws_secret_access_key = {tokens['aws']}\n", base=self.home).chmod(0o600)
        self.environment["DOPPLER_TOKEN"] = tokens["doppler"]
        self.references.update({"vault": "vault://secret/app#password",
                                "doppler": "doppler://shop/dev/PASSWORD",
                                "infisical": "infisical://p1/dev/URL",
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

    def password_store(self):
        (self.home / ".gnupg").mkdir(mode=0o700)
        environment = {"HOME": str(self.home), "PATH": os.environ["PATH"]}
        self.addCleanup(subprocess.run, ["sh", "-c", "gpgconf --kill all; rm -rf .gnupg"],
                        env=environment, cwd=self.home)
        subprocess.run(
            ["sh", "-ec",
             "gpg --batch --quiet --pinentry-mode loopback --passphrase '' "
             "--quick-gen-key a@b.test default default never; pass init a@b.test; pass insert -e shop/db"],
            input=self.canary("pass").encode(), env=environment, cwd=self.home, check=True, capture_output=True)
        self.references["pass"] = "pass://shop/db"

    def keyring(self):
        bus = self.place / "bus"
        # A configuration without service files: nothing is started but what the test starts.
        self.write("bus.conf", f"""<busconfig><type>session</type><auth>EXTERNAL</auth>
<listen>unix:path={bus}</listen><policy context="default"><allow send_destination="*" eavesdrop="true"/>
<allow eavesdrop="true"/><allow own="*"/></policy></busconfig>""", base=self.place)
        data = self.place / "keyrings"
        data.mkdir()
        self.environment["DBUS_SESSION_BUS_ADDRESS"] = f"unix:path={bus}"
        environment = {**self.environment, "HOME": str(data), "XDG_RUNTIME_DIR": str(data)}
        for command, given in ((["dbus-daemon", f"--config-file={self.place}/bus.conf", "--nofork"], b""),
                               (["gnome-keyring-daemon", "--foreground", "--unlock", "--components=secrets"], b"pw")):
            daemon = subprocess.Popen(command, env=environment, stdin=subprocess.PIPE,
                                      stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            self.addCleanup(lambda one=daemon: (one.kill(), one.wait()))
            deadline = time.monotonic() + PATIENCE
            while not bus.exists():
                self.assertLess(time.monotonic(), deadline)
                time.sleep(0.01)
            daemon.stdin.write(given)
            daemon.stdin.close()
        value = self.canary("keyring").encode()
        while subprocess.run(["secret-tool", "store", "-c", "login", "--label=db", "service", "shop"], input=value,
                             env=environment, capture_output=True).returncode != 0:
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.1)
        self.references["keyring"] = "keyring://login/db"

    def start(self, script, before=()):
        """A session that has all values; returns when its box is at work."""
        references = self.env_file("".join(f"V_{name.upper()}={one}\n" for name, one in self.references.items()))
        process = subprocess.Popen(
            [*before, AGENTBOX, "run", references, "--", "sh", "-c", ": > ready; read go; " + script],
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
        """The process's memory; None where the kernel refuses it to this user."""
        made = subprocess.run(["gcore", "-o", self.place / "core", str(pid)], capture_output=True)
        core = self.place / f"core.{pid}"
        if not core.exists():
            self.assertIn(b"Operation not permitted", made.stdout + made.stderr)
            return None
        self.addCleanup(lambda: core.unlink(missing_ok=True))
        return core.read_bytes()

    def children_outside(self, pid):
        """The process and those below it that are of this test's own process namespace."""
        own = os.readlink("/proc/self/ns/pid")
        found = [pid]
        for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                if outside(child, own):
                    found += self.children_outside(int(child))
        return found

    def keeper(self):
        """A process that has a value in its memory."""
        if shutil.which("gcore") is None:
            self.skipTest("gdb is not installed")
        process = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.addCleanup(lambda: (process.kill(), process.communicate()))
        value = self.canary("kept").encode()
        process.stdin.write(value)
        process.stdin.flush()
        self.assertEqual(process.stdout.read1(), value)  # it is in cat's buffer now
        core = self.core_of(process.pid)
        if core is None:
            self.skipTest("gcore has no rights here: ptrace(2) is not allowed, even on a child")
        return core

    def test_core_dumps_show_no_value(self):
        self.assertEqual(holders_of(self.canaries, self.keeper()), {"kept"})  # control: the search finds it
        self.stores()
        process = self.start("true")
        pids = self.children_outside(process.pid)
        self.assertIn(process.pid, pids)
        seen = 0
        for pid in pids:
            core = self.core_of(pid)
            if core is None:
                # The user's other processes may not look into it, in no way.
                self.assertNotEqual(os.geteuid(), 0)
                for name in ("mem", "environ"):
                    with self.assertRaises(PermissionError):
                        pathlib.Path(f"/proc/{pid}/{name}").open("rb")
                continue
            seen += 1
            found = holders_of(self.canaries, core)
            # What the user exported is in agentbox's own environment, where the kernel put it.
            self.assertLessEqual(found, self.EXPORTED, pathlib.Path(f"/proc/{pid}/comm").read_text())
            self.assertEqual(bool(found), pid == process.pid)
        self.assertTrue(seen > 0 or os.geteuid() != 0)
        _, error = process.communicate(b"\n", timeout=PATIENCE)
        self.assertEqual(process.returncode, 0, error)

    def commands(self):
        """Every way to a value, but the session's own."""
        references = self.env_file("".join(f"V_{n.upper()}={one}\n" for n, one in self.references.items()))
        template = self.write("template", "".join("{{ %s }}\n" % one for one in self.references.values()),
                              base=self.home)
        return (["check", references], ["inject", "-i", str(template), "-o", str(self.home / "out")],
                *(["read", one] for one in self.references.values()))

    def traced(self, trace, *arguments, env=None):
        result = subprocess.run(trace.command(AGENTBOX, *arguments), cwd=self.project, capture_output=True,
                                env={**self.environment, **(env or {})}, stdin=subprocess.DEVNULL, timeout=PATIENCE)
        self.assertEqual(result.returncode, 0, result.stderr)
        return result

    def shows_nothing(self, trace, exported):
        """No program of the trace was given a value, but agentbox itself what the user exported."""
        for where, name, program in trace.found(self.canaries):
            shown = f"{where} of {program} shows {name}"
            self.assertEqual(where, "environ", shown)
            if ": > ready; read go" in program:
                continue  # the box's command: it is to have the values
            self.assertIn(name, exported, shown)
            self.assertIn(f'"{AGENTBOX}", [', program, shown)
        self.assertTrue(os.geteuid() != 0 or not trace.unread())

    def test_command_lines_and_environments_show_no_value(self):
        problem = Trace.problem()
        self.stores()
        samples = Samples(self.canaries)
        samples.start()
        trace = None if problem else Trace(self.place / "trace")
        process = self.start("true", [] if problem else trace.command())
        _, error = process.communicate(b"\n", timeout=PATIENCE)
        self.assertEqual(process.returncode, 0, error)
        for command in self.commands():
            if problem:
                result = self.agentbox(*command)
                self.assertEqual(result.returncode, 0, result.stderr)
            else:
                result = self.traced(trace, *command)
            if command[0] == "check":
                self.assertEqual(holders_of(self.canaries, result.stdout + result.stderr), set())
        made = (self.home / "out").read_text()
        for name in self.references:
            self.assertIn(self.canaries[name], made)  # control: it was there to be leaked
        # No command line, and no environment but of those that the user gave it to.
        self.assertLessEqual({(where, name) for where, name, _ in samples.stop()},
                             {("environ", name) for name in self.EXPORTED})
        self.no_file_shows_it()
        if problem:
            self.skipTest("only a sampler looked for short processes: " + problem)
        self.shows_nothing(trace, self.EXPORTED)
        names = " ".join(arguments for arguments, _ in trace.starts())
        for program in ("bin/op", "bin/show"):
            self.assertIn(program, names)  # control: what the stores ran is in the trace

    def no_file_shows_it(self):
        given = {"value", "kept", "out", "bin/op", ".config/op/stub.json", ".vault-token", ".aws/credentials",
                 "age.txt"}
        for path in (one for top in (self.home, self.project) for one in top.rglob("*") if one.is_file()):
            if not (path.is_relative_to(self.home) and str(path.relative_to(self.home)) in given):
                self.assertEqual(holders_of(self.canaries, path.read_bytes()), set(), path)

    def test_import_and_refresh_show_no_value(self):
        if problem := Trace.problem():
            self.skipTest(problem)
        trace = Trace(self.place / "trace")
        self.write(".env", f"# moved\nTOKEN={self.canary('imported')}\n")
        samples = Samples(self.canaries)
        samples.start()
        self.traced(trace, "import")
        self.no_file_shows_it()
        source = self.write("kept", self.canary("old"), base=self.home)
        shown = self.program("show", f"exec cat {source}\n")
        policy = self.write("policy.json", json.dumps({"version": 1, "secrets": {
            "db": {"from": f"exec://{shown}", "as": {"file": "db.txt"}}}}), base=self.home)
        process = subprocess.Popen(
            trace.command(AGENTBOX, "run", "--policy", policy, "--", "sh", "-c", ": > ready; read go"),
            cwd=self.project, env=self.environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE)
        self.addCleanup(lambda: (process.kill(), process.communicate()))
        deadline = time.monotonic() + PATIENCE
        while not (self.project / "ready").exists():
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.01)
        source.write_text(self.canary("new"))
        self.assertIn(b"replaced", self.traced(trace, "secret", "refresh", "--json").stdout)
        _, error = process.communicate(b"\n", timeout=PATIENCE)
        self.assertEqual(process.returncode, 0, error)
        self.assertEqual(samples.stop(), set())
        self.shows_nothing(trace, set())
        self.no_file_shows_it()

    def test_connect_shows_no_value(self):
        if problem := Trace.problem():
            self.skipTest(problem)
        field = {"id": "password", "label": "password", "type": "CONCEALED", "value": self.canary("connect")}
        token = self.canary("connect-token")
        server = self.serve(op_connect.Connect, {"token": token, "vaults": [
            {"id": UUID + "1", "name": "Dev", "items": [{"id": UUID + "2", "title": "db", "fields": [field]}]}]})
        env = {"OP_CONNECT_HOST": server.url, "OP_CONNECT_TOKEN": token,
               "SSL_CERT_FILE": str(server.directory / "ca.pem")}
        trace = Trace(self.place / "trace")
        result = self.traced(trace, "read", "op://Dev/db/password", env=env)
        self.assertIn(self.canaries["connect"].encode(), result.stdout)
        self.shows_nothing(trace, {"connect-token"})
        self.no_file_shows_it()

    def test_who_watches_sees_a_command_line_and_an_environment(self):
        value = self.canary("shown")
        samples = Samples(self.canaries)
        samples.start()
        subprocess.run(["sleep", "0.5"], env={"PATH": os.environ["PATH"], "X": value}, check=True)
        subprocess.run(["sh", "-c", "sleep 0.5; :", value], check=True)
        self.assertEqual({(where, name) for where, name, _ in samples.stop()},
                         {("argv", "shown"), ("environ", "shown")})
        if problem := Trace.problem():
            self.skipTest(problem)
        trace = Trace(self.place / "trace")
        subprocess.run(trace.command("sh", "-c", "sh -c 'env X=\"$V\" true'"), check=True,
                       env={"PATH": os.environ["PATH"], "V": value})
        self.assertIn(("environ", "shown", '"/usr/bin/true", ["true"'),
                      trace.found(self.canaries))


if __name__ == "__main__":
    unittest.main()
