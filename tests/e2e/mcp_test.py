"""`agentbox mcp`, asked by the official MCP client library and by the real Claude Code in a box."""

import json
import pathlib
import secrets
import shutil
import unittest

import place
import standin

CLIENT = pathlib.Path(__file__).parent / "mcp_client.mjs"


class LibraryTest(place.Place):
    def setUp(self):
        super().setUp()
        self.value = "value" + "0123456789abcdef" + self.canary
        self.store("database", self.value)
        shutil.copy2(place.AGENTBOX, self.project / "agentbox")

    def ask(self, *steps, boxed=True):
        # The library runs outside; the server in a box, whose pipes it talks over.
        server = [place.AGENTBOX, "mcp"]
        if boxed:
            server = self.box("./agentbox", "mcp", policy={
                "secrets": {"database": {"from": "local://database",
                                         "as": {"env": "DATABASE_URL"}}},
                "scopes": {"main": {"secrets": ["database"]}}})
        line = [str(self.node()), str(CLIENT), str(place.MODULES), json.dumps(steps), *server]
        status, out, err = self.run_to_end(line)
        self.assertEqual(status, 0, out + err)
        self.assertNotIn(self.value, out)
        return json.loads(out)

    def test_the_library_and_the_server_agree(self):
        said = self.ask(["list_secrets", {}], ["explain", {"path": ".env"}],
                        ["explain", {"nonsense": 1}], ["nothing", {}])
        self.assertEqual(said["server"]["name"], "agentbox")
        names = {tool["name"] for tool in said["tools"]}
        self.assertLessEqual({"list_secrets", "list_scopes", "explain", "request_secret",
                              "run_scoped"}, names)
        secrets, decision, wrong, unknown = said["results"]
        self.assertEqual(secrets["result"]["structuredContent"]["secrets"][0]["env"],
                         "DATABASE_URL")
        self.assertIn("hidden", decision["result"]["structuredContent"]["decision"])
        self.assertTrue(wrong["result"]["isError"])
        self.assertIn("there is no tool", json.dumps(unknown))

    def test_outside_a_box_the_library_hears_why(self):
        said = self.ask(["list_secrets", {}], boxed=False)
        self.assertTrue(said["results"][0]["result"]["isError"])
        self.assertIn("agentbox run", said["results"][0]["result"]["content"][0]["text"])


class ClaudeTest(place.Place):
    """The real Claude Code, whose model calls the tools of its box."""

    def setUp(self):
        super().setUp()
        self.key = "sk-test-" + secrets.token_hex(12)
        self.values = {name: f"value-{name}-" + secrets.token_hex(12)
                       for name in ("database", "tests", "deploy", "late")}
        for name, value in {"e2e-key": self.key, **self.values}.items():
            self.store(name, value)
        shutil.copy2(place.AGENTBOX, self.project / "agentbox")
        self.write("mcp.json", json.dumps({"mcpServers": {"agentbox": {
            "command": str(self.project / "agentbox"), "args": ["mcp"]}}}))

    def play(self, scenario):
        """Plays it; gives what Claude Code printed. self.sent is all that the model was sent."""
        requests = self.scratch / "requests"
        server = standin.Server(scenario, str(requests))
        self.addCleanup(server.server_close)
        port = server.start()
        self.addCleanup(server.shutdown)
        program = self.visible(place.MODULES / "@anthropic-ai/claude-code/bin/claude.exe")

        def secret(name, variable):
            return {"from": f"local://{name}", "as": {"env": variable}}

        line = self.box(
            str(program), "--permission-mode", "bypassPermissions", "--mcp-config", "mcp.json",
            "-p", "go on", profile="claude", policy={
                "extends": ["claude"],
                "system": [str(program)],
                "network": [f"localhost:{port}"],
                "environment": {"set": {"SHELL": "/bin/bash", "ENABLE_TOOL_SEARCH": "false"}},
                "secrets": {
                    "key": secret("e2e-key", "ANTHROPIC_API_KEY"),
                    **{name: secret(name, name.upper() + "_TOKEN") for name in self.values}},
                "scopes": {
                    "main": {"secrets": ["key", "database"], "request": ["late"],
                             "spawn": ["tests", "deploy"]},
                    "tests": {"secrets": ["tests"], "network": []},
                    "deploy": {"secrets": ["deploy"], "network": []}}})
        extra = {"ANTHROPIC_BASE_URL": f"http://127.0.0.1:{port}", "IS_SANDBOX": "1",
                 "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1"}
        status, out, err = self.run_to_end(line, extra=extra, timeout=150)
        bodies = [path.read_bytes() for path in sorted(requests.glob("*.body"))]
        self.sent = b"\n".join(bodies).decode(errors="replace")
        self.assertEqual(status, 0, out + err)
        for value in self.values.values():
            self.assertFalse(place.gives_away(self.sent, value), value)
        return out + err

    def test_it_hears_of_secrets_and_never_a_value(self):
        self.play({"steps": [
            {"tool": "mcp__agentbox__list_secrets", "arguments": {}},
            {"tool": "mcp__agentbox__explain", "arguments": {"path": ".env"}},
            {"tool": "mcp__agentbox__request_secret",
             "arguments": {"name": "late", "reason": "a migration"}},
            {"shell": "wc -c </run/agentbox/secrets/late; printenv DATABASE_TOKEN | wc -c"},
        ], "final": "the scenario is through"})
        for words in ("DATABASE_TOKEN", "hidden", "/run/agentbox/secrets/late"):
            self.assertIn(words, self.sent)
        self.assertIn(str(len(self.values["late"])), self.sent)
        told = [r["event"] for r in self.log() if r.get("subject") == "late"]
        self.assertEqual(told, ["request", "release", "request"])
        self.verify_log()


if __name__ == "__main__":
    unittest.main()
