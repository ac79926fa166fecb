"""Values that change at their source while a box has them, and values that are kept."""
import json
import subprocess
import time
import unittest

from sandbox import AGENTBOX
from stores import StoreTest  # first: it makes the stand-ins importable
import vault

TOKEN = "hvs.canary-token-9f21"
OLD, NEW = "canary-first-77ab", "canary-second-Zq8vK2mTx12cd"
PATIENCE = 60


class Rotation(StoreTest):
    def setUp(self):
        super().setUp()
        self.source = self.write("token", OLD, base=self.home)
        self.program = self.write("bin/show", f"#!/bin/sh\ncat '{self.source}'\n", base=self.home)
        self.program.chmod(0o755)

    def start(self, script, **secret):
        policy = self.write("policy.json", json.dumps({
            "version": 1, "secrets": {"db": {"from": f"exec://{self.program}", **secret}}}), base=self.home)
        process = subprocess.Popen(
            [AGENTBOX, "run", "--policy", policy, "--", "sh", "-c", script], cwd=self.project,
            env=self.environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.addCleanup(lambda: (process.kill(), process.communicate()))
        self.wait_for(self.project / "ready", process)
        return process

    def wait_for(self, path, process):
        deadline = time.monotonic() + PATIENCE
        while not path.exists():
            self.assertIsNone(process.poll(), process.stderr.read() if process.poll() is not None else "")
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.01)

    def refresh(self, *names):
        result = self.agentbox("secret", "refresh", "--json", *names)
        return result.returncode, [(one["name"], one["outcome"]) for one in json.loads(result.stdout)]

    SHOW = "tr a-z A-Z < db.txt; cat db.txt; : > ready; read go; tr a-z A-Z < db.txt; cat db.txt"

    def test_a_file_gets_the_new_value_masked(self):
        process = self.start(self.SHOW, **{"as": {"file": "db.txt"}})
        self.assertEqual(self.refresh(), (0, [("db", "unchanged")]))
        self.source.write_text(NEW)
        self.assertEqual(self.refresh("db"), (0, [("db", "replaced")]))
        out, error = process.communicate(b"\n", timeout=PATIENCE)
        self.assertEqual(process.returncode, 0, error)
        self.assertIn(OLD.upper(), out.decode())
        self.assertIn(NEW.upper(), out.decode())  # control: the box has it
        self.assertEqual(out.decode().count("<concealed by agentbox:db>"), 2)
        self.assertNotIn(NEW, out.decode())
        rotated = [r for r in self.records() if r["event"] == "rotate"]
        self.assertEqual([(r["subject"], r["outcome"], r["delivery"]) for r in rotated],
                         [("db", "ok", "file:db.txt")])
        self.assertNotIn(NEW.encode(), self.everything_written())
        self.verify()

    def test_a_copy_of_the_new_value_is_not_readable_in_the_box(self):
        process = self.start(": > ready; read go; tr a-z A-Z < copy.txt", **{"as": {"file": "db.txt"}})
        self.source.write_text(NEW)
        self.refresh()
        self.write("copy.txt", f"it is {NEW}\n")
        out, _ = process.communicate(b"\n", timeout=PATIENCE)
        self.assertIn(b"IT IS ***", out)
        self.assertNotIn(NEW.upper().encode(), out)

    def test_a_variable_is_told_to_be_old(self):
        process = self.start(": > ready; read go", **{"as": {"env": "DB"}})
        self.source.write_text(NEW)
        self.assertEqual(self.refresh(), (0, [("db", "stale")]))
        said = self.agentbox("secret", "refresh").stdout
        self.assertIn(b"start it again", said)
        process.communicate(b"\n", timeout=PATIENCE)

    def test_what_fails_leaves_the_old_value(self):
        process = self.start(self.SHOW, **{"as": {"file": "db.txt"}})
        self.source.unlink()
        self.assertEqual(self.refresh(), (78, [("db", "failed")]))
        out, _ = process.communicate(b"\n", timeout=PATIENCE)
        self.assertEqual(out.decode().count(OLD.upper()), 2)

    def test_the_policy_asks_for_it(self):
        process = self.start(": > ready; while ! grep -q second db.txt; do sleep 0.1; done",
                             **{"as": {"file": "db.txt"}, "refresh": "10s"})
        self.source.write_text(NEW)
        _, error = process.communicate(timeout=PATIENCE)
        self.assertEqual(process.returncode, 0, error)

    def test_no_session_is_said(self):
        result = self.agentbox("secret", "refresh")
        self.assertEqual((result.returncode, result.stdout),
                         (0, b"No session that runs has such a secret.\n"))


class Kept(StoreTest):
    def setUp(self):
        super().setUp()
        self.server = self.serve(vault.Vault, {
            "tokens": {TOKEN: {}}, "mounts": {"secret/": {"type": "kv", "options": {"version": "2"}}},
            "secrets": {"secret/app": [{"data": {"password": OLD}}]}})
        self.environment.update(VAULT_ADDR=self.server.url, VAULT_TOKEN=TOKEN,
                                VAULT_CACERT=str(self.server.directory / "ca.pem"))

    def run_with(self, **terms):
        policy = self.write("policy.json", json.dumps({
            "version": 1, "secrets": {"db": {"from": "vault://secret/app#password",
                                             "as": {"env": "DB"}, **terms}}}), base=self.home)
        return self.agentbox("run", "--policy", policy, "--", "sh", "-c", "printf %s $DB | tr a-z A-Z")

    def resolved(self):
        return [(r["outcome"], r["cache"]) for r in self.records() if r["event"] == "resolve"]

    def test_nothing_is_kept_unless_asked_for(self):
        self.assertEqual(self.run_with().stdout, OLD.upper().encode())
        self.assertFalse((self.home / ".local/state/agentbox/cache").exists())

    def test_a_kept_value_will_do_for_its_time_and_offline_for_longer(self):
        for _ in range(2):
            self.assertEqual(self.run_with(cache="1h").stdout, OLD.upper().encode())
        self.assertEqual(self.resolved(), [("ok", False), ("ok", True)])
        self.assertNotIn(OLD.encode(), self.everything_written())
        self.agentbox("secret", "clear-cache")
        terms = {"cache": "1s", "offline": "1h"}
        self.assertEqual(self.run_with(**terms).returncode, 0)
        self.server.stop()
        time.sleep(1.1)  # the cache's second
        result = self.run_with(**terms)
        self.assertEqual(result.stdout, OLD.upper().encode(), result.stderr)
        self.assertIn(b"is what the cache holds: ", result.stderr)
        self.assertEqual(self.resolved()[-1], ("ok", True))
        refused = self.run_with(cache="1s")
        self.assertEqual((refused.returncode, refused.stdout), (78, b""))

    def test_what_is_on_this_machine_needs_none(self):
        self.secret("db", OLD)
        policy = self.write("policy.json", json.dumps({
            "version": 1, "secrets": {"db": {"from": "local://db", "as": {"env": "DB"}, "cache": "1h"}}}),
            base=self.home)
        result = self.agentbox("run", "--policy", policy, "--", "true")
        self.assertEqual(result.returncode, 78)
        self.assertIn(b"comes from no store on the network", result.stderr)


if __name__ == "__main__":
    unittest.main()
