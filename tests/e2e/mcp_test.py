"""`agentbox mcp`, asked by the official MCP client library and by the real Claude Code in a box."""

import hashlib
import json
import pathlib
import secrets
import shutil
import time
import unittest

import place
import standin

CLIENT = pathlib.Path(__file__).parent / "mcp_client.mjs"
SERVER = CLIENT.with_name("mcp_server.mjs")


def running(token):
    """Whether a process of this machine has `token` in its command line."""
    for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if token.encode() in path.read_bytes() and b"mcp_client" not in path.read_bytes():
                return True
        except OSError:
            pass
    return False


class LibraryTest(place.Place):
    def setUp(self):
        super().setUp()
        self.value = "value" + "0123456789abcdef" + self.canary
        self.store("database", self.value)
        self.other = "other" + secrets.token_hex(12)
        self.store("tests", self.other)

    def client(self, *steps, boxed=True, server=("agentbox", "mcp"), shown=()):
        """The command line of the library's client, which calls the tools of a box's server."""
        # The library runs outside; the server in a box, whose pipes it talks over.
        line = [place.AGENTBOX, "mcp"]
        if boxed:
            line = self.box(*server, policy={
                "system": [str(path) for path in shown],
                "secrets": {"database": {"from": "local://database",
                                         "as": {"env": "DATABASE_URL"}},
                            "tests": {"from": "local://tests", "as": {"env": "TESTS_TOKEN"}}},
                "scopes": {"main": {"secrets": ["database"], "spawn": ["tests", "careful"]},
                           "tests": {"secrets": ["tests"]},
                           "careful": {"secrets": ["tests"], "approve": "each"},
                           "private": {"secrets": ["tests"]}}})
        return [str(self.node()), str(CLIENT), str(place.MODULES), json.dumps(steps), *line]

    def ask(self, *steps, **where):
        status, out, err = self.run_to_end(self.client(*steps, **where))
        self.assertEqual(status, 0, out + err)
        for value in (self.value, self.other):
            self.assertFalse(place.gives_away(out + err, value), out + err)
        return json.loads(out)

    def wait_until(self, condition, what):
        for _ in range(600):
            if condition():
                return
            time.sleep(0.05)
        self.fail(what)

    def run_scoped(self, script, scope="tests", **options):
        return ["run_scoped", {"scope": scope, "command": ["sh", "-c", script]}, options]

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

    def test_a_command_in_another_scope_has_its_secret_and_the_caller_a_mask(self):
        said = self.ask(self.run_scoped(
            'echo "value: $TESTS_TOKEN, mine: [$DATABASE_URL]"; echo "err $TESTS_TOKEN" >&2; '
            'printf %s "$TESTS_TOKEN" | sha256sum; exit 3'))["results"][0]["result"]
        self.assertFalse(said.get("isError"), said)
        told = said["structuredContent"]
        self.assertEqual(told["exit_status"], 3)
        self.assertIn("value: <concealed by agentbox:tests>, mine: []", told["stdout"])
        # The whole value is in the child, as its hash says.
        self.assertIn(hashlib.sha256(self.other.encode()).hexdigest(), told["stdout"])
        self.assertEqual(told["stderr"], "err <concealed by agentbox:tests>\n")
        self.assertEqual(told["receipt"]["chain"], "main/tests")
        self.assertEqual(told["receipt"]["secrets"], ["tests"])
        self.assertEqual([r["outcome"] for r in self.log() if r["event"] == "spawn"],
                         ["started", "ended"])
        self.verify_log()

    def test_progress_comes_while_the_command_runs(self):
        # The command goes on only when the client has heard its first word.
        said = self.ask(
            self.run_scoped("echo first $TESTS_TOKEN; while ! [ -e go ]; do sleep 0.1; done; "
                            "echo last", heard="first", make=str(self.project / "go")))
        one = said["results"][0]
        self.assertEqual(one["result"]["structuredContent"]["stdout"],
                         "first <concealed by agentbox:tests>\nlast\n")
        self.assertEqual(one["progress"][0], "started")
        self.assertIn("first <concealed", "".join(one["progress"]))

    def test_a_cancelled_call_ends_its_box(self):
        # The second command holds the session open, and is the control: it is found while it runs.
        ends, stays = "ends" + secrets.token_hex(12), "stays" + secrets.token_hex(12)
        client = self.start(self.client(
            self.run_scoped(f"echo up; while :; do sleep 0.1; done # {ends}", heard="up",
                            cancel=True, make=str(self.project / "up")),
            self.run_scoped(f"while ! [ -e go ]; do sleep 0.1; done; echo end # {stays}")))
        self.wait_until(lambda: (self.project / "up").exists() and running(stays), "no start")
        self.wait_until(lambda: not running(ends), "a cancelled call's command goes on")
        self.assertTrue(running(stays))
        self.write("go", "")
        out, err = client.communicate(timeout=60)
        said = json.loads(out)["results"]
        self.assertIn("enough", said[0]["error"], err)
        self.assertEqual(said[1]["result"]["structuredContent"]["stdout"], "end\n")

    def test_a_server_of_the_library_runs_beside_the_box_and_is_masked(self):
        # In JSON it is written with escapes.
        self.other = 'other"\\\n' + secrets.token_hex(12) + "\u00e9"
        self.store("tests", self.other)
        shutil.copy2(SERVER, self.project)
        node, modules = self.node(), self.visible(place.MODULES)
        said = self.ask(["tell", {}], ["fail", {}], shown=(node, modules), server=(
            "agentbox", "mcp-wrap", "--scope", "tests", "--", str(node), SERVER.name, str(modules)))
        mark = "<concealed by agentbox:tests>"
        self.assertEqual(said["server"]["name"], "teller")
        self.assertEqual(said["tools"][0]["description"], "Tells " + mark)
        texts = [part["text"] for part in said["results"][0]["result"]["content"]]
        self.assertEqual(texts[0], mark)
        self.assertEqual(json.loads(texts[1]), {"in": {"json": mark}})
        self.assertEqual(texts[3], f"length {len(self.other)}")
        self.assertIn("no such user: " + mark, json.dumps(said["results"][1]))
        self.assertNotIn(json.dumps(self.other)[1:-1], json.dumps(said))

    def test_what_the_policy_does_not_allow_is_refused(self):
        said = self.ask(self.run_scoped("true", scope="private"),
                        self.run_scoped("true", scope="no-such"),
                        self.run_scoped("true", scope="careful"),  # nobody is there to ask
                        ["run_scoped", {"scope": "tests", "command": ["no-such-program"]}],
                        ["run_scoped", {"scope": "tests", "command": ["pwd"], "directory": "/"}],
                        ["run_scoped", {"scope": "tests", "command": []}])["results"]
        for one in said:
            self.assertTrue(one["result"]["isError"], one)
        # One that is not allowed cannot be told from one that does not exist.
        texts = [one["result"]["content"][0]["text"] for one in said]
        self.assertEqual(texts[0].replace("private", "X"), texts[1].replace("no-such", "X"))
        started = [r["chain"] for r in self.log()
                   if r["event"] == "spawn" and r["outcome"] == "started"]
        self.assertEqual(started, ["main/tests"] * 2)  # the two whose command is at fault


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
