"""Subagents of the real agent programs, each with a scope of its own, as `agentbox init` sets them
up: their boxes hold secrets of which no request to the model has a trace."""

import hashlib
import json
import secrets
import unittest

import place
import standin

SCOPES = ("alpha", "beta")
# Two of each, at the same time.
CHILDREN = {"mark-1": "alpha", "mark-2": "beta", "mark-3": "alpha", "mark-4": "beta"}


class SubagentsTest(place.Place):
    """A program that is played by a scenario. Subclasses say how it is set up and started."""

    agent = None
    api = None
    key_variable = None
    general = None  # a kind of subagent that has a shell

    def setUp(self):
        super().setUp()
        self.values = {scope: f"value-{scope}-" + secrets.token_hex(12) for scope in SCOPES}
        self.store("e2e-key", "sk-test-" + secrets.token_hex(12))
        for scope, value in self.values.items():
            self.store(scope, value)

    def configure(self, port):
        """Writes the program's settings into the home; returns variables to start it with."""
        raise NotImplementedError

    def command(self):
        """(command line, files and directories that the box has to show for it)."""
        raise NotImplementedError

    def call(self, kind, mark):
        """The step with which the model starts a subagent of that kind, told `mark`."""
        raise NotImplementedError

    def waits(self):
        """Steps that wait for the subagents, where starting them does not."""
        return []

    def run_scoped(self, scope, command):
        """The step with which a subagent runs a command in its scope."""
        raise NotImplementedError

    def write_policy(self, port, shown, scopes, files):
        self.write("agentbox.json", json.dumps({
            "version": 1,
            "extends": [self.agent],
            "system": [str(path) for path in shown],
            "network": [f"localhost:{port}"],
            "files": files,
            "environment": {"set": {"SHELL": "/bin/bash", "ENABLE_TOOL_SEARCH": "false"}},
            "secrets": {"key": {"from": "local://e2e-key", "as": {"env": self.key_variable}},
                        # Codex takes variables called *TOKEN* out of its shell's environment.
                        **{name: {"from": f"local://{name}",
                                  "as": {"env": f"{name.upper()}_URL"}} for name in SCOPES}},
            "scopes": scopes}))

    def agentbox(self, *arguments):
        status, out, err = self.run_to_end([place.AGENTBOX, *arguments])
        self.assertEqual(status, 0, out + err)
        return out

    def play(self, scenario, scopes, files=None, init=True):
        """Plays it. self.sent is then all that the model was sent."""
        requests = self.scratch / "requests"
        server = standin.Server(scenario, str(requests))
        self.addCleanup(server.server_close)
        port = server.start()
        self.addCleanup(server.shutdown)
        extra = self.configure(port)
        line, shown = self.command()
        self.write_policy(port, shown, scopes, files or {})
        if init:
            self.agentbox("init", "--yes", "--agent", self.agent)
        self.agentbox("trust", "--yes")
        status, out, err = self.run_to_end([place.AGENTBOX, "run", "--", *line], extra=extra,
                                           timeout=200)
        bodies = [path.read_bytes() for path in sorted(requests.glob("*.body"))]
        self.sent = b"\n".join(bodies).decode(errors="replace")
        self.assertEqual(status, 0, out + err)
        self.assertIn("the scenario is through", out + err)

    def scenario(self, step, kind=None):
        """Four subagents at once, the scopes' own or all of a kind; `step(mark, scope)` is what
        each does."""
        return {
            "steps": [{"together": [self.call(kind or scope, mark)
                                    for mark, scope in CHILDREN.items()]}, *self.waits()],
            "final": "the scenario is through",
            "agents": {mark: {"steps": [step(mark, scope)], "final": "my part is done"}
                       for mark, scope in CHILDREN.items()}}

    def step_in_scope(self, mark, scope):
        value = f"${scope.upper()}_URL"
        others = " ".join(f"[${{{name.upper()}_URL-}}]" for name in SCOPES if name != scope)
        # No one goes on before all four run.
        return self.run_scoped(scope, [
            "sh", "-c", f"echo >up-{mark}; until [ $(ls up-* | wc -l) = 4 ]; do sleep 0.1; done; "
            f"echo said: {value} others: {others}; printf %s {value} | base64 -w0; "
            f"printf %s {value} | od -An -tx1 -v | tr -d ' \\n'; "
            f"printf %s {value} | sha256sum >hash-{mark}"])

    def test_four_at_once_have_their_secrets_and_the_model_none(self):
        self.play(self.scenario(self.step_in_scope),
                  {"main": {"secrets": ["key"], "spawn": list(SCOPES)},
                   **{name: {"secrets": [name], "network": []} for name in SCOPES}})
        for mark, scope in CHILDREN.items():
            expected = hashlib.sha256(self.values[scope].encode()).hexdigest()
            self.assertIn(expected, (self.project / f"hash-{mark}").read_text(), mark)
        for scope, value in self.values.items():
            self.assertFalse(place.gives_away(self.sent, value), scope)
            self.assertIn(f"said: <concealed by agentbox:{scope}> others: []", self.sent)
        given = [(r["chain"], r["subject"]) for r in self.log()
                 if r["event"] == "release" and "parent" in r]
        self.assertEqual(sorted(given), sorted((f"main/{scope}", scope)
                                               for scope in CHILDREN.values()))
        tree = self.agentbox("log", "tree")
        for scope in SCOPES:
            self.assertEqual(tree.count(f"scope {scope}  "), 2, tree)
            self.assertEqual(tree.count(f"secret {scope} ("), 2, tree)
        self.assertEqual(tree.count("started by "), len(CHILDREN), tree)
        self.verify_log()

    def test_without_scopes_the_model_sees_them(self):
        # The control: what is not found above would be found.
        def step(mark, scope):
            return {"shell": f"echo {mark} ${scope.upper()}_URL"}

        # Codex keeps its shell's environment in a file, which the guard of writes fills with stars.
        self.play(self.scenario(step, self.general), {"main": {"secrets": ["key", *SCOPES]}},
                  files={"write_secrets": "allow"}, init=False)
        for value in self.values.values():
            self.assertTrue(place.gives_away(self.sent, value))


class ClaudeTest(SubagentsTest):
    agent = "claude"
    api = standin.Messages
    key_variable = "ANTHROPIC_API_KEY"
    general = "general-purpose"

    def configure(self, port):
        # Subagents' own servers are started only in a project that its user trusts.
        (self.home / ".claude.json").write_text(json.dumps({
            "projects": {str(self.project): {"hasTrustDialogAccepted": True}}}), encoding="utf-8")
        return {"ANTHROPIC_BASE_URL": f"http://127.0.0.1:{port}", "IS_SANDBOX": "1",
                "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1"}

    def command(self):
        program = self.visible(place.MODULES / "@anthropic-ai/claude-code/bin/claude.exe")
        return [str(program), "--permission-mode", "bypassPermissions", "-p", "go on"], [program]

    def call(self, kind, mark):
        return {"tool": ["Agent", "Task"], "arguments": {
            "subagent_type": kind, "prompt": f"your mark is {mark}", "run_in_background": False}}

    def run_scoped(self, scope, command):
        return {"tool": f"mcp__agentbox-{scope}__run_scoped", "arguments": {"command": command}}


class CodexTest(SubagentsTest):
    agent = "codex"
    api = standin.Responses
    key_variable = "STANDIN_KEY"
    general = "default"

    def configure(self, port):
        (self.home / ".codex").mkdir(exist_ok=True)
        (self.home / ".codex/config.toml").write_text(
            'model = "stand-in"\n'
            'model_provider = "standin"\n'
            "[model_providers.standin]\n"
            'name = "stand-in"\n'
            f'base_url = "http://127.0.0.1:{port}/v1"\n'
            'wire_api = "responses"\n'
            f'env_key = "{self.key_variable}"\n'
            # The project's own configuration is read only where its user trusts it.
            # As `agentbox init` says.
            "[mcp_servers.agentbox]\n"
            'command = "agentbox"\n'
            'args = ["mcp"]\n'
            f"[projects.{json.dumps(str(self.project))}]\n"
            'trust_level = "trusted"\n', encoding="utf-8")
        return {}

    def command(self):
        node, package = self.node(), self.visible(place.MODULES / "@openai")
        return [str(node), str(package / "codex/bin/codex.js"), "exec",
                "--dangerously-bypass-approvals-and-sandbox", "go on"], [node, package]

    def call(self, kind, mark):
        return {"tool": "multi_agent_v1.spawn_agent", "arguments": {
            "agent_type": kind, "message": f"your mark is {mark}"}}

    def waits(self):
        return [{"tool": "multi_agent_v1.wait_agent", "arguments": {
            "targets": [{"result": number, "key": "agent_id"}], "timeout_ms": 60000}}
                for number in range(len(CHILDREN))]

    def run_scoped(self, scope, command):
        return {"tool": "mcp__agentbox.run_scoped",
                "arguments": {"scope": scope, "command": command}}


class OpencodeTest(SubagentsTest):
    agent = "opencode"
    api = standin.Messages
    key_variable = "STANDIN_KEY"
    general = "general"

    def configure(self, port):
        settings = self.home / ".config/opencode"
        settings.mkdir(parents=True, exist_ok=True)
        (settings / "opencode.json").write_text(json.dumps({
            "permission": "allow",
            "provider": {"anthropic": {"options": {
                "baseURL": f"http://127.0.0.1:{port}/v1",
                "apiKey": f"{{env:{self.key_variable}}}"}}}}), encoding="utf-8")
        return {"OPENCODE_DISABLE_MODELS_FETCH": "1", "OPENCODE_DISABLE_DEFAULT_PLUGINS": "1"}

    def command(self):
        program = self.visible(place.MODULES / "opencode-ai/bin/opencode.exe")
        return [str(program), "run", "--model", "anthropic/claude-sonnet-4-5", "go on"], [program]

    def call(self, kind, mark):
        return {"tool": "task", "arguments": {
            "subagent_type": kind, "prompt": f"your mark is {mark}"}}

    def run_scoped(self, scope, command):
        return {"tool": "agentbox_run_scoped", "arguments": {"scope": scope, "command": command}}


del SubagentsTest  # only its subclasses are to run

if __name__ == "__main__":
    unittest.main()
