"""Whatever asks for a value: each resolution is one record, and stands before what is released of it."""
import collections
import json
import os
import random
import subprocess
import time
import unittest

from sandbox import AGENTBOX
from stores import StoreTest  # first: it makes the stand-ins importable
import vault

TOKEN = "hvs.canary-token-9f21"
PATIENCE = 60
STEPS = 12

# What an agent's tool does in a box: asks until there is an answer.
ASK = r"""
import json, os, socket, time
while True:
    s = socket.socket(socket.AF_UNIX); s.connect(os.environ["AGENTBOX_SOCKET"])
    text = json.dumps({"v": 1, "id": 1, "method": "request_secret",
                       "params": {"name": "late", "reason": "to try it"}}).encode()
    s.sendall(len(text).to_bytes(4, "big") + text)
    size = int.from_bytes(s.recv(4, socket.MSG_WAITALL), "big")
    answer = json.loads(s.recv(size, socket.MSG_WAITALL))
    if answer.get("result", {}).get("state") != "pending":
        break
    time.sleep(0.05)
assert "file" in answer["result"]["secret"], answer
"""


class Records(StoreTest):
    def setUp(self):
        super().setUp()
        seed = int(os.environ.get("AGENTBOX_SEED", random.randrange(1 << 30)))
        print(f"records_test: AGENTBOX_SEED={seed}", flush=True)
        self.random = random.Random(seed)
        self.asked = self.home / "asked"
        self.asked.write_text("")
        show = self.write("bin/show", f"""#!/bin/sh
echo "$1" >> '{self.asked}'
[ "$1" != fails ] && printf %s "canary-of-$1-$(cat '{self.home}/generation')"
""", base=self.home)
        show.chmod(0o755)
        self.write("generation", "first", base=self.home)
        self.secret("kept", "canary-of-the-local-store")
        self.server = self.serve(vault.Vault, {
            "tokens": {TOKEN: {}}, "mounts": {"secret/": {"type": "kv", "options": {"version": "2"}}},
            "secrets": {"secret/app": [{"data": {"password": "canary-of-vault"}}]},
            "faults": [{"path": "secret/data/app", "kind": "status", "status": 503, "times": 2}]})
        self.environment.update(VAULT_ADDR=self.server.url, VAULT_TOKEN=TOKEN,
                                VAULT_CACERT=str(self.server.directory / "ca.pem"))
        self.vault = "vault://secret/app#password"
        self.good = [f"exec://{show} {one}" for one in ("one", "two")] + ["local://kept", self.vault]
        self.bad = [f"exec://{show} fails", "local://none", "vault://secret/app#absent"]
        self.policy(secrets={"db": {"from": "local://kept", "as": {"env": "DB"}},
                             "late": {"from": self.vault, "as": {"env": "LATE"}},
                             "other": {"from": "local://kept", "as": {"env": "OTHER"}}},
                    scopes={"main": {"secrets": ["db"], "request": ["late"], "spawn": ["tests"]},
                            "tests": {"secrets": ["other"]}, "shell": {"secrets": ["other"]}})
        self.write("ask.py", ASK)
        self.trust()
        self.seen = len(self.records())

    def pick(self, bad):
        """References, some of them twice, of which `bad` fail."""
        some = self.random.choices(self.good, k=self.random.randint(1, 5)) + self.random.sample(self.bad, bad)
        self.random.shuffle(some)
        return some

    def expect(self, resolved, released):
        """What came to the log since the last call: these (reference, outcome, cache), no more, no less."""
        records = self.records()
        new, self.seen = records[self.seen:], len(records)
        found = collections.Counter((r["reference"], r["outcome"], r["cache"]) for r in new if r["event"] == "resolve")
        self.assertEqual(found, collections.Counter(resolved))
        out = [r for r in new if r["event"] == "release"]
        self.assertEqual(len(out), released, out)
        for release in out:
            own = [r for r in new if r["event"] == "resolve" and r["session"] == release["session"]]
            # That of a template names none: all of it stands before.
            parts = [r for r in own if r["reference"] == release.get("reference", r["reference"])]
            self.assertTrue([r for r in parts if r["seq"] < release["seq"] and r["outcome"] == "ok"], release)
            self.assertTrue("reference" in release or parts[-1]["seq"] < release["seq"], release)

    @staticmethod
    def of(references, bad=(), cache=False):
        return [(one, "failed" if one in bad else "ok", cache) for one in references]

    def names(self, references):
        return self.env_file("".join(f"V{i}={one}\n" for i, one in enumerate(references)))

    # Each is one way to values, and says how many records it must have left.

    def step_run(self, bad=0):
        some = self.pick(bad)
        asked = len(self.asked.read_text().splitlines())
        result = self.agentbox("run", "--scope", "tests", self.names(some), "--", "true")
        self.assertEqual(result.returncode, 78 if bad else 0, result.stderr)
        self.expect(self.of(some + ["local://kept"], self.bad), 0 if bad else len(some) + 1)
        # A program is asked once, however often its reference stands there.
        self.assertEqual(len(self.asked.read_text().splitlines()) - asked,
                         len({one for one in some if one.startswith("exec")}))

    def step_run_that_fails(self):
        self.step_run(bad=self.random.randint(1, 3))

    def step_check(self):
        some = self.pick(self.random.randint(0, 2))
        self.agentbox("check", "--scope", "tests", self.names(some))
        self.expect(self.of(some + ["local://kept"], self.bad), 0)

    def step_read(self):
        one = self.random.choice(self.good + self.bad)
        result = self.agentbox("read", one)
        self.assertEqual(result.returncode == 0, one in self.good, result.stderr)
        self.expect(self.of([one], self.bad), int(one in self.good))

    def step_inject(self):
        some = self.pick(self.random.randint(0, 1))
        template = self.write("template", "".join("{{ %s }}\n" % one for one in some), base=self.home)
        result = self.agentbox("inject", "-i", str(template))
        failed = any(one in self.bad for one in some)
        self.assertEqual(result.returncode != 0, failed, result.stderr)
        records = self.records()[self.seen:]
        self.expect(self.of(some, self.bad), sum(r["event"] == "release" for r in records))
        self.assertTrue(not failed or not [r for r in records if r["event"] == "release"])

    def step_hook(self):
        result = self.agentbox("hook", "load", "bash", "")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn(b"canary-of-the-local-store", result.stdout)
        self.expect(self.of(["local://kept"]), 1)

    def step_request_and_spawn(self):
        self.run_box("python3 ask.py && agentbox spawn --scope tests -- true")
        self.expect(self.of(["local://kept", self.vault, "local://kept"]), 3)

    def step_refresh(self):
        reference = self.good[0]
        policy = self.write("policy.json", json.dumps({"version": 1, "secrets": {
            "db": {"from": reference, "as": {"file": "db.txt"}}}}), base=self.home)
        (self.project / "ready").unlink(missing_ok=True)
        process = subprocess.Popen(
            [AGENTBOX, "run", "--policy", policy, "--", "sh", "-c", ": > ready; read go"], cwd=self.project,
            env=self.environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.addCleanup(lambda: (process.kill(), process.communicate()))
        deadline = time.monotonic() + PATIENCE
        while not (self.project / "ready").exists():
            self.assertIsNone(process.poll())
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.01)
        times = self.random.randint(1, 3)
        for number in range(times):
            self.write("generation", str(self.random.random()), base=self.home)
            self.assertEqual(self.agentbox("secret", "refresh").returncode, 0)
        _, error = process.communicate(b"\n", timeout=PATIENCE)
        self.assertEqual(process.returncode, 0, error)
        self.assertEqual(sum(r["event"] == "rotate" for r in self.records()[self.seen:]), times)
        self.expect(self.of([reference] * (1 + times)), 1)

    def step_cache(self):
        policy = self.write("policy.json", json.dumps({"version": 1, "secrets": {
            "db": {"from": self.vault, "as": {"env": "DB"}, "cache": "1h"}}}), base=self.home)
        self.agentbox("secret", "clear-cache")
        for cached in (False, True, True):
            asked = len(self.server.requests())
            result = self.agentbox("run", "--policy", policy, "--", "true")
            self.assertEqual(result.returncode, 0, result.stderr)
            self.assertEqual(len(self.server.requests()) == asked, cached)
            self.expect(self.of([self.vault], cache=cached), 1)

    def test_each_resolution_is_one_record_before_its_release(self):
        steps = [getattr(self, name) for name in sorted(dir(self)) if name.startswith("step_")]
        # Each at least once, in any order.
        for step in self.random.sample(steps, len(steps)) + self.random.choices(steps, k=STEPS - len(steps)):
            with self.subTest(step=step.__name__):
                step()
        self.verify()

    def test_offline_is_one_record_too(self):
        policy = self.write("policy.json", json.dumps({"version": 1, "secrets": {
            "db": {"from": self.vault, "as": {"env": "DB"}, "cache": "1s", "offline": "1h"}}}), base=self.home)
        for stopped in (False, True):
            if stopped:
                self.server.stop()
                time.sleep(1.1)  # the cache's second
            result = self.agentbox("run", "--policy", policy, "--", "true")
            self.assertEqual(result.returncode, 0, result.stderr)
            self.expect(self.of([self.vault], cache=stopped), 1)


if __name__ == "__main__":
    unittest.main()
