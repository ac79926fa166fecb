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
            {"name": "database", "delivery": "value", "env": "DATABASE_URL"}]})
        self.assertNotIn("v4lue", json.dumps(result))

    def test_scopes_and_decisions_are_told(self):
        self.standard_policy()
        self.assertEqual(self.call("list_scopes")["structuredContent"], {"scopes": ["tests"]})
        self.assertIn("hidden", self.call("explain", path=".env")["structuredContent"]["decision"])

    def test_each_question_is_on_the_log(self):
        self.standard_policy()
        self.call("list_secrets")
        asked = [r["subject"] for r in self.records() if r["event"] == "request"]
        self.assertEqual(asked, ["broker:list_secrets"])
        self.verify()

    def test_outside_a_box_every_tool_says_so(self):
        answers, error = self.talk(("tools/list", {}), ("tools/call", {"name": "list_secrets"}),
                                   boxed=False)
        self.assertIn("this is no box", error)
        self.assertTrue(answers[1]["result"]["tools"])
        self.assertTrue(answers[2]["result"]["isError"])
        self.assertIn("agentbox run", answers[2]["result"]["content"][0]["text"])


if __name__ == "__main__":
    unittest.main()
