"""`agentbox mcp`: what an agent in a box may ask of its supervisor."""
import json
import shutil
import subprocess
import unittest

from sandbox import AGENTBOX, SessionTest


class McpTest(SessionTest):
    def setUp(self):
        super().setUp()
        self.secret("db", "v4lue-of-the-database")
        self.program = self.project / "agentbox"  # where a box sees it
        shutil.copy2(AGENTBOX, self.program)

    def standard_policy(self, **members):
        self.policy(**{
            "secrets": {"database": {"from": "local://db", "as": {"env": "DATABASE_URL"}}},
            "scopes": {"main": {"secrets": ["database"], "spawn": ["tests"]}, "tests": {}},
            **members})
        self.trust()

    def talk(self, *requests, boxed=True, revision="2025-06-18"):
        """The answers to the requests ((method, parameters), …) by id, and standard error."""
        opening = {"protocolVersion": revision, "capabilities": {}, "clientInfo": {"name": "t"}}
        messages = [{"id": 0, "method": "initialize", "params": opening},
                    {"method": "notifications/initialized"}]
        messages += [{"id": i + 1, "method": method, "params": params}
                     for i, (method, params) in enumerate(requests)]
        lines = "".join(json.dumps({"jsonrpc": "2.0", **one}) + "\n" for one in messages)
        # Kept open until all answers are there: the end of the input cancels what is under way.
        command = ["run", "--", "./agentbox", "mcp"] if boxed else ["mcp"]
        with subprocess.Popen(
                [AGENTBOX, *command], cwd=self.project, env=self.environment, stdin=subprocess.PIPE,
                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as server:
            self.addCleanup(server.kill)
            server.stdin.write(lines)
            server.stdin.flush()
            answers = {}
            while len(answers) < len(requests) + 1:
                line = server.stdout.readline()
                if not line:
                    break
                answer = json.loads(line)
                if "id" in answer:
                    answers[answer["id"]] = answer
            server.stdin.close()
            self.assertEqual(server.wait(timeout=30), 0)
            self.assertEqual(server.stdout.read(), "")
            return answers, server.stderr.read()

    def call(self, tool, **arguments):
        answers, _ = self.talk(("tools/call", {"name": tool, "arguments": arguments}))
        return answers[1]["result"]

    def test_secrets_are_told_by_name_and_place(self):
        self.standard_policy()
        result = self.call("list_secrets")
        self.assertEqual(result["structuredContent"], {"secrets": [
            {"name": "database", "delivery": "value", "env": "DATABASE_URL"}], "on_request": []})
        self.assertNotIn("v4lue", json.dumps(result))

    def test_scopes_and_decisions_are_told(self):
        self.standard_policy()
        self.assertEqual(self.call("list_scopes")["structuredContent"], {"scopes": ["tests"], "commands": []})
        self.assertIn("hidden", self.call("explain", path=".env")["structuredContent"]["decision"])

    def test_each_question_is_on_the_log(self):
        self.standard_policy()
        self.call("list_secrets")
        asked = [r.get("subject") for r in self.records() if r["event"] == "request"]
        self.assertEqual(asked, ["broker:list_secrets"])
        self.verify()

    def test_a_secret_that_is_there_is_only_told(self):
        self.standard_policy()
        result = self.call("request_secret", name="database", reason="tests")
        self.assertEqual(result["structuredContent"]["env"], "DATABASE_URL")
        for name in ("nothing", "token"):
            self.assertTrue(self.call("request_secret", name=name, reason="tests")["isError"])
        self.assertEqual(len([r for r in self.records() if r["event"] == "release"]), 3)

    def late_policy(self):
        self.secret("late", "l4te-value-of-the-token")
        self.standard_policy(
            secrets={"database": {"from": "local://db", "as": {"env": "DATABASE_URL"}},
                     "token": {"from": "local://late", "as": {"env": "TOKEN"}},
                     "missing": {"from": "local://nowhere", "as": {"env": "MISSING"}}},
            scopes={"main": {"secrets": ["database"], "request": ["token", "missing"]}})

    def test_a_secret_on_request_comes_as_a_file_and_masked(self):
        self.late_policy()
        # A client of the broker's own, so that the same box can look before and after.
        self.write("ask.py", """
import json, os, socket, time
def call(method, **params):
    s = socket.socket(socket.AF_UNIX); s.connect(os.environ["AGENTBOX_SOCKET"])
    text = json.dumps({"v": 1, "id": 1, "method": method, "params": params}).encode()
    s.sendall(len(text).to_bytes(4, "big") + text)
    size = int.from_bytes(s.recv(4, socket.MSG_WAITALL), "big")
    return json.loads(s.recv(size, socket.MSG_WAITALL))
def get(name):
    while True:
        answer = call("request_secret", name=name, reason="the tests\\x1b[2J need it")
        if answer.get("result", {}).get("state") != "pending":
            return answer
        time.sleep(0.05)
assert call("list_secrets")["result"]["on_request"] == ["token", "missing"]
path = "/run/agentbox/secrets/token"
assert not os.path.exists(path) and "TOKEN" not in os.environ
answer = get("token")
assert answer["result"]["secret"] == {"name": "token", "delivery": "value", "file": path}, answer
value = open(path).read()
print("length", len(value))
print("itself", value, value[::-1])
print("again", get("token")["result"]["secret"]["file"])
print("refused", get("missing")["error"]["message"])
open("copy.txt", "w").write(value)
""")
        out = self.run_box("python3 ask.py; cat copy.txt")
        self.assertIn(f"length {len('l4te-value-of-the-token')}", out)
        self.assertIn("itself <concealed by agentbox:token> nekot", out)
        self.assertNotIn("l4te-value", out)
        self.assertIn("refused the secret could not be had", out)
        told = [r for r in self.records() if r.get("subject") == "token"]
        self.assertEqual([(r["event"], r["outcome"]) for r in told],
                         [("request", "asked"), ("release", "ok"), ("request", "ok")])
        self.assertEqual(told[1]["delivery"], "file:/run/agentbox/secrets/token")
        self.assertIn("need it", told[0]["reason"])
        self.assertNotIn("l4te-value", json.dumps(self.records()))
        self.verify()

    def test_the_tool_waits_for_a_secret_on_request(self):
        self.late_policy()
        result = self.call("request_secret", name="token", reason="tests")
        self.assertEqual(result["structuredContent"]["file"], "/run/agentbox/secrets/token")
        self.assertNotIn("l4te", json.dumps(result))
        self.assertTrue(self.call("request_secret", name="missing", reason="tests")["isError"])

    def test_outside_a_box_every_tool_says_so(self):
        answers, error = self.talk(("tools/list", {}), ("tools/call", {"name": "list_secrets"}),
                                   boxed=False)
        self.assertIn("this is no box", error)
        self.assertTrue(answers[1]["result"]["tools"])
        self.assertTrue(answers[2]["result"]["isError"])
        self.assertIn("agentbox run", answers[2]["result"]["content"][0]["text"])


if __name__ == "__main__":
    unittest.main()
