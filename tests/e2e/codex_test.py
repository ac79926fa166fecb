"""Codex in a box."""

import unittest

import place
import standin


class CodexTest(place.AgentTest):
    profile = "codex"
    api = standin.Responses
    key_variable = "STANDIN_KEY"
    obeyed = (".codex/.env", ".codex/AGENTS.md", ".codex/agents/x.toml", ".codex/hooks.json",
              ".codex/rules/x.rules", ".codex/shell_snapshots/x.sh", ".codex/skills/x/SKILL.md",
              ".agents/skills/x/SKILL.md")
    kept = ".codex/sessions/*/*/*/*.jsonl"

    def configure(self, port):
        # A model that the program does not know gets plain tools, not its JavaScript one.
        (self.home / ".codex").mkdir(exist_ok=True)
        (self.home / ".codex/config.toml").write_text(
            'model = "stand-in"\n'
            'model_provider = "standin"\n'
            "[model_providers.standin]\n"
            'name = "stand-in"\n'
            f'base_url = "http://127.0.0.1:{port}/v1"\n'
            'wire_api = "responses"\n'
            f'env_key = "{self.key_variable}"\n', encoding="utf-8")
        return {}

    def command(self):
        node, package = self.node(), self.visible(place.MODULES / "@openai")
        return [str(node), str(package / "codex/bin/codex.js"), "exec",
                "--dangerously-bypass-approvals-and-sandbox", "go on"], [node, package]


if __name__ == "__main__":
    unittest.main()
