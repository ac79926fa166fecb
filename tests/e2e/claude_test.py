"""Claude Code in a box."""

import shutil
import unittest

import place
import standin


class ClaudeTest(place.AgentTest):
    profile = "claude"
    api = standin.Messages
    key_variable = "ANTHROPIC_API_KEY"
    obeyed = (".claude/settings.json", ".claude/settings.local.json", ".claude/CLAUDE.md",
              ".claude/agents/x.md", ".claude/commands/x.md", ".claude/hooks/x.sh",
              ".claude/plugins/x.json", ".claude/rules/x.md", ".claude/session-env/x.sh",
              ".claude/shell-snapshots/x.sh", ".claude/skills/x/SKILL.md")
    kept = ".claude/projects/*/*.jsonl"
    verbose = ("--output-format", "stream-json", "--verbose")

    def configure(self, port):
        # IS_SANDBOX: it refuses to work without questions for root otherwise.
        return {"ANTHROPIC_BASE_URL": f"http://127.0.0.1:{port}", "IS_SANDBOX": "1",
                "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1"}

    def command(self):
        program = self.visible(place.MODULES / "@anthropic-ai/claude-code/bin/claude.exe")
        return [str(program), "--permission-mode", "bypassPermissions", "-p", "go on"], [program]

    def test_the_user_s_own_installation_runs_by_its_name(self):
        # As its native installer leaves it: a link in ~/.local/bin to a version in ~/.local/share.
        program = self.home / ".local/share/claude/versions/1"
        program.parent.mkdir(parents=True)
        shutil.copy2(place.MODULES / "@anthropic-ai/claude-code/bin/claude.exe", program)
        link = self.home / ".local/bin/claude"
        link.parent.mkdir(parents=True)
        link.symlink_to(program)
        path = {"PATH": f"{link.parent}:{place.SYSTEM_PATH}"}
        line = [place.AGENTBOX, "run", "--profile", "claude", "--", "claude", "--version"]
        status, out, err = self.run_to_end(line, extra=path)
        self.assertEqual(status, 0, out + err)
        self.assertIn("(Claude Code)", out)


if __name__ == "__main__":
    unittest.main()
