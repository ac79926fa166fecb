"""`agentbox init`: a first policy, and agents' configuration."""
import json
import os
import unittest

from sandbox import SessionTest

VALUE = "v4lue-that-nobody-may-print"


class InitTest(SessionTest):
    def init(self, *options, status=0, **keywords):
        result = self.agentbox("init", *options, **keywords)
        text = result.stdout.decode() + result.stderr.decode()
        self.assertEqual(result.returncode, status, text)
        self.assertNotIn(VALUE, text)
        return text

    def read(self, name):
        return (self.project / name).read_text()

    def test_names_of_env_files_become_secrets_and_values_stay(self):
        self.write(".env", f"PORT=3000\nAPI_KEY={VALUE}\nDATABASE_URL=postgres://u:{VALUE}@h/d\n")
        self.write("sub/.env.local", f"export SUB_TOKEN='{VALUE}'\nGH_TOKEN=op://Dev/gh/token\n")
        self.write("node_modules/x/.env", f"OTHER_TOKEN={VALUE}\n")
        self.write("Gemfile", "source 'https://rubygems.org'\n")
        self.write(".env.broken.env", "API_KEY='" + VALUE)
        text = self.init("--yes")
        policy = self.read("agentbox.json")
        self.assertNotIn(VALUE, policy)
        for name in ("api_key", "database_url", "sub_token", "gh_token"):
            self.assertIn(f'"{name}"', policy)
        self.assertNotIn("other_token", policy)
        self.assertNotIn("port", policy.lower().replace("import", ""))
        self.assertIn("op://Dev/gh/token", policy)
        self.assertIn("rubygems.org:443", policy)
        self.assertIn(".env.broken.env", text)
        self.assertIn("agentbox secret set project/api_key", text)
        # It is a policy that works as it is.
        for name in ("api_key", "database_url", "sub_token"):
            self.secret(f"project/{name}", VALUE)
        self.write("agentbox.json", policy.replace("op://Dev/gh/token", "local://project/api_key"))
        self.trust()
        self.assertEqual(self.run_box("echo ${#API_KEY} ${#SUB_TOKEN}").split(),
                         [str(len(VALUE))] * 2)

    def test_a_policy_that_is_there_is_replaced_only_by_force(self):
        self.policy()
        before = self.read("agentbox.json")
        self.assertIn("--force", self.init("--yes", status=125))
        self.assertEqual(self.read("agentbox.json"), before)
        self.init("--yes", "--force", "--profile", "strict")
        self.assertIn('"extends": ["strict"]', self.read("agentbox.json"))

    def test_nothing_is_written_without_consent(self):
        self.assertIn("--yes", self.init(status=77))
        self.assertEqual(os.listdir(self.project), [])

    def test_an_agent_s_configuration_keeps_what_is_there(self):
        self.write(".mcp.json", json.dumps({"mcpServers": {"other": {"command": "x"}}, "more": 1}))
        self.init("--yes", "--agent", "claude")
        servers = json.loads(self.read(".mcp.json"))
        self.assertEqual(servers["more"], 1)
        self.assertEqual(set(servers["mcpServers"]), {"other", "agentbox"})
        self.assertIn('"extends": ["claude"]', self.read("agentbox.json"))
        # A second time, with the policy kept.
        self.assertIn("nothing to write", self.init("--yes", "--agent", "claude"))

    def test_each_agent_has_its_own_place(self):
        for agent, file in (("gemini", ".gemini/settings.json"), ("opencode", "opencode.json")):
            self.init("--yes", "--agent", agent)
            self.assertIn("agentbox", self.read(file))
        text = self.init("--yes", "--agent", "codex")
        self.assertIn("[mcp_servers.agentbox]", text)

    def test_each_scope_gets_a_subagent_that_is_never_overwritten(self):
        self.policy(scopes={"main": {"spawn": ["tests", "db"]}, "tests": {}, "db": {},
                            "other": {}})
        self.write(".claude/agents/db.md", "mine\n")
        self.init("--yes", "--agent", "claude")
        self.assertEqual(self.read(".claude/agents/db.md"), "mine\n")
        self.assertIn('"--scope", "tests"', self.read(".claude/agents/tests.md"))
        self.assertEqual(sorted(os.listdir(self.project / ".claude/agents")),
                         ["db.md", "tests.md"])
        self.assertIn("nothing to write", self.init("--yes", "--agent", "claude"))

    def test_comments_in_a_configuration_are_not_lost(self):
        self.write("opencode.json", '{\n  // mine\n  "theme": "x"\n}\n')
        text = self.init("--yes", "--agent", "opencode", status=78)
        self.assertIn("by hand", text)
        self.assertIn("// mine", self.read("opencode.json"))
        self.assertFalse((self.project / "agentbox.json").exists())

    def test_a_link_leads_nowhere_else(self):
        elsewhere = self.write("outside.json", "{}", base=self.home)
        (self.project / ".mcp.json").symlink_to(elsewhere)
        self.init("--yes", "--agent", "claude", status=125)
        self.assertEqual(elsewhere.read_text(), "{}")


if __name__ == "__main__":
    unittest.main()
