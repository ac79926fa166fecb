"""Gemini CLI in a box."""

import json
import unittest

import place
import standin


class GeminiTest(place.AgentTest):
    profile = "gemini"
    api = standin.Gemini
    key_variable = "GEMINI_API_KEY"
    obeyed = (".gemini/.env", ".gemini/GEMINI.md", ".gemini/commands/x.toml",
              ".gemini/extensions/x.json", ".gemini/skills/x/SKILL.md", ".gemini/tmp/bin/rg",
              ".gemini/trustedFolders.json", ".gemini/trusted_hooks.json")
    kept = ".gemini/tmp/*/chats/*"
    # Its own tools leave .env alone.
    read_itself = "config.bak"
    verbose = ("--output-format", "stream-json")

    def configure(self, port):
        (self.home / ".gemini").mkdir(exist_ok=True)
        (self.home / ".gemini/settings.json").write_text(
            json.dumps({"security": {"auth": {"selectedType": "gemini-api-key"}}}),
            encoding="utf-8")
        return {"GOOGLE_GEMINI_BASE_URL": f"http://127.0.0.1:{port}"}

    def command(self):
        node, package = self.node(), self.visible(place.MODULES / "@google/gemini-cli")
        return [str(node), str(package / "bundle/gemini.js"), "--model", "gemini-2.5-pro",
                "--yolo", "--skip-trust", "--prompt", "go on"], [node, package]


if __name__ == "__main__":
    unittest.main()
