"""OpenCode in a box."""

import json
import unittest

import place
import standin


class OpencodeTest(place.AgentTest):
    profile = "opencode"
    api = standin.Messages
    key_variable = "STANDIN_KEY"
    obeyed = (".config/opencode/plugin/x.js", ".config/opencode/AGENTS.md",
              ".local/share/opencode/bin/rg", ".local/share/opencode/snapshot/x/config",
              ".cache/opencode/x.js", ".claude/CLAUDE.md")
    kept = ".local/share/opencode/opencode.db"

    def configure(self, port):
        settings = self.home / ".config/opencode"
        settings.mkdir(parents=True, exist_ok=True)
        (settings / "opencode.json").write_text(json.dumps({
            "permission": "allow",
            "provider": {"anthropic": {"options": {
                "baseURL": f"http://127.0.0.1:{port}/v1",
                "apiKey": f"{{env:{self.key_variable}}}"}}}}), encoding="utf-8")
        # Nothing from outside: its list of models and its plug-ins' packages.
        return {"OPENCODE_DISABLE_MODELS_FETCH": "1", "OPENCODE_DISABLE_DEFAULT_PLUGINS": "1"}

    def command(self):
        program = self.visible(place.MODULES / "opencode-ai/bin/opencode.exe")
        return [str(program), "run", "--model", "anthropic/claude-sonnet-4-5", "go on"], [program]


if __name__ == "__main__":
    unittest.main()
