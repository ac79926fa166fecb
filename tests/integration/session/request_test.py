"""A secret on request, in a scope whose user has to allow it."""
import json
import subprocess
import time
import unittest

from sandbox import AGENTBOX, SessionTest

VALUE = "l4te-value-of-the-token"

# What an MCP server of the box does: asks until there is an answer.
ASK = r"""
import json, os, socket, time
def get(name):
    while True:
        s = socket.socket(socket.AF_UNIX); s.connect(os.environ["AGENTBOX_SOCKET"])
        text = json.dumps({"v": 1, "id": 1, "method": "request_secret",
                           "params": {"name": name, "reason": "the \x1b[2Jrelease"}}).encode()
        s.sendall(len(text).to_bytes(4, "big") + text)
        size = int.from_bytes(s.recv(4, socket.MSG_WAITALL), "big")
        answer = json.loads(s.recv(size, socket.MSG_WAITALL))
        if answer.get("result", {}).get("state") != "pending":
            return answer
        time.sleep(0.05)
answer = get("token")
print(len(open(answer["result"]["secret"]["file"]).read()) if "result" in answer
      else "no: " + answer["error"]["message"])
"""


class RequestTest(SessionTest):
    def setUp(self):
        super().setUp()
        self.secret("late", VALUE)
        self.write("ask.py", ASK)

    def write_policy(self, approve="each", spawn=()):
        self.policy(secrets={"token": {"from": "local://late", "as": {"env": "TOKEN"}}},
                    scopes={"main": {"request": ["token"], "approve": approve, "secrets": [],
                                     "spawn": list(spawn)},
                            "deploy": {"request": ["token"], "approve": "each"}})
        self.trust()

    def follow(self):
        """Somebody who could answer; there when this returns."""
        follower = subprocess.Popen(
            [AGENTBOX, "approve", "--follow"], cwd=self.project, env=self.environment,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.addCleanup(follower.wait)
        self.addCleanup(follower.kill)

    def start(self, script):
        """A box that runs `script` when somebody is there to answer."""
        session = subprocess.Popen(
            [AGENTBOX, "run", "--", "sh", "-c",
             "touch ready; while [ ! -e go ]; do sleep 0.05; done; " + script],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            cwd=self.project, env=self.environment)
        for cleanup in (session.stdout.close, session.stderr.close, session.wait, session.kill):
            self.addCleanup(cleanup)
        self.wait_until((self.project / "ready").exists, "the box does not start")
        self.follow()
        time.sleep(1.5)  # it asks each half second
        (self.project / "go").touch()
        return session

    def wait_until(self, condition, what):
        for _ in range(600):
            if condition():
                return
            time.sleep(0.05)
        self.fail(what)

    def waiting(self):
        return json.loads(self.agentbox("approve", "--json").stdout)

    def answer(self, *options):
        self.wait_until(self.waiting, "nothing waits for an approval")
        [request] = self.waiting()
        # Nothing is resolved before the answer.
        self.assertEqual(self.outcomes("resolve"), [])
        done = self.agentbox("approve", str(request["id"]), *options)
        self.assertEqual(done.returncode, 0, done.stderr)
        return request

    def outcomes(self, event):
        return [r["outcome"] for r in self.records() if r["event"] == event]

    def test_a_yes_resolves_it(self):
        self.write_policy()
        session = self.start("python3 ask.py")
        request = self.answer()
        self.assertEqual((request["scope"], request["secrets"], request["command"]),
                         ("main", ["token"], []))
        self.assertIn("release", request["reason"])
        self.assertNotIn("\x1b", request["reason"])
        out, error = session.communicate(timeout=60)
        self.assertEqual(out.decode(), f"{len(VALUE)}\n", error)
        told = [(r["event"], r["outcome"]) for r in self.records()
                if r["event"] in ("approve", "resolve", "release")]
        self.assertEqual([one for one in told if one[0] != "resolve"],
                         [("approve", "asked"), ("approve", "granted"), ("release", "ok")])
        self.assertLess(told.index(("approve", "granted")), told.index(("resolve", "ok")))
        self.assertEqual({r["subject"] for r in self.records() if r["event"] == "approve"},
                         {"secret token"})
        self.verify()

    def test_a_no_resolves_nothing(self):
        self.write_policy()
        session = self.start("python3 ask.py; ls /run/agentbox/secrets")
        self.answer("--deny")
        out, error = session.communicate(timeout=60)
        self.assertIn("no: ", out.decode(), error)
        self.assertNotIn("token", out.decode().splitlines()[1:])
        self.assertEqual(self.outcomes("approve"), ["asked", "denied"])
        self.assertEqual(self.outcomes("resolve") + self.outcomes("release"), [])

    def test_with_nobody_there_it_is_refused_at_once(self):
        self.write_policy()
        self.assertIn("needs the user's approval", self.run_box("python3 ask.py"))
        self.assertEqual(self.outcomes("approve"), ["refused"])
        self.assertEqual(self.outcomes("resolve"), [])
        # The control: it is the policy's word that refuses.
        self.write_policy(approve="never")
        self.assertEqual(self.run_box("python3 ask.py"), f"{len(VALUE)}\n")

    def test_the_end_of_the_session_withdraws_it(self):
        self.write_policy()
        session = self.start("python3 ask.py & while [ ! -e end ]; do sleep 0.05; done")
        self.wait_until(self.waiting, "nothing waits for an approval")
        (self.project / "end").touch()
        session.communicate(timeout=60)
        self.assertEqual(self.outcomes("approve"), ["asked", "withdrawn"])
        self.assertEqual(self.outcomes("resolve"), [])

    def test_a_sibling_in_such_a_scope_is_refused(self):
        self.write_policy(spawn=["deploy"])
        session = self.start("agentbox spawn --scope deploy -- python3 ask.py")
        self.answer()  # that it starts
        out, error = session.communicate(timeout=60)
        self.assertIn("only the first box", out.decode(), error)
        self.assertEqual(self.outcomes("resolve"), [])


if __name__ == "__main__":
    unittest.main()
