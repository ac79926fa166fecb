"""Claude Code in a box."""

import unittest

import place
import standin


class ClaudeTest(place.AgentTest):
    profile = "claude"
    api = standin.Messages
    key_variable = "ANTHROPIC_API_KEY"
    verbose = ("--output-format", "stream-json", "--verbose")

    def configure(self, port):
        # IS_SANDBOX: it refuses to work without questions for root otherwise.
        return {"ANTHROPIC_BASE_URL": f"http://127.0.0.1:{port}", "IS_SANDBOX": "1",
                "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1"}

    def command(self):
        program = self.visible(place.MODULES / "@anthropic-ai/claude-code/bin/claude.exe")
        return [str(program), "--permission-mode", "bypassPermissions", "-p", "go on"], [program]


if __name__ == "__main__":
    unittest.main()
