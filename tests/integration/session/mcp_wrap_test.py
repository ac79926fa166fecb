"""`agentbox mcp-wrap`: any MCP server in a box of its own."""
import json
import subprocess
import unittest

from sandbox import AGENTBOX, SessionTest

VALUE = 'p"w/é\\ of the database'

# A server that gives its secret away in each answer, in the form that it is asked for.
SERVER = r"""
import json, os, sys
value = os.environ["DATABASE_URL"]
forms = {
    "plain": json.dumps(value, ensure_ascii=False),
    "ascii": json.dumps(value),
    "escaped": '"' + "".join("\\u%04x" % ord(c) for c in value) + '"',
    "key": '{' + "".join(["\"", "".join("\\u%04x" % ord(c) for c in value), "\""]) + ':1}',
    "length": str(len(value)),
}
print("ready", value, file=sys.stderr, flush=True)
for line in sys.stdin:
    request = json.loads(line)
    print('{"jsonrpc":"2.0","id":%d,"result":{"echo":%s,"said":%s,"n":1.50}}'
          % (request["id"], json.dumps(request["params"]), forms[request["method"]]), flush=True)
"""


class McpWrapTest(SessionTest):
    def setUp(self):
        super().setUp()
        self.secret("db", VALUE)
        self.policy(secrets={"database": {"from": "local://db", "as": {"env": "DATABASE_URL"}}},
                    scopes={"main": {"secrets": [], "spawn": ["db"]},
                            "db": {"secrets": ["database"]}})
        self.trust()
        self.write("server.py", SERVER)

    def ask(self, *methods, wrap=(AGENTBOX, "mcp-wrap")):
        """The lines that a server answers while its input stays open, and its standard error."""
        with subprocess.Popen(
                [*wrap, "--scope", "db", "--", "python3", "server.py"],
                cwd=self.project, env=self.environment, stdin=subprocess.PIPE,
                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as server:
            self.addCleanup(server.kill)
            lines = []
            for number, method in enumerate(methods):
                server.stdin.write(json.dumps({"jsonrpc": "2.0", "id": number, "method": method,
                                               "params": {"a": "<placeholder>"}}) + "\n")
                server.stdin.flush()
                lines.append(server.stdout.readline())
            server.stdin.close()
            self.assertEqual(server.wait(timeout=30), 0)
            return lines, server.stderr.read()

    def check_no_form_comes_out(self, wrap):
        mark = "<concealed by agentbox:database>"
        lines, error = self.ask("plain", "ascii", "escaped", "key", "length", wrap=wrap)
        for number, line in enumerate(lines[:3]):
            self.assertEqual(json.loads(line)["result"]["said"], mark)
            self.assertEqual(json.loads(line)["result"]["echo"], {"a": "<placeholder>"})
            self.assertEqual(json.loads(line)["id"], number)
            self.assertIn("1.50", line)  # what holds no value keeps its bytes
        self.assertEqual(json.loads(lines[3])["result"]["said"], {mark: 1})
        self.assertEqual(json.loads(lines[4])["result"]["said"], len(VALUE))
        self.assertNotIn(VALUE, error)
        self.verify()

    def test_no_form_of_a_value_comes_out(self):
        self.check_no_form_comes_out((AGENTBOX, "mcp-wrap"))

    def test_in_a_box_the_server_runs_beside_it(self):
        self.check_no_form_comes_out((AGENTBOX, "run", "--", "agentbox", "mcp-wrap"))
        started = [r for r in self.records() if r["event"] == "spawn"]
        self.assertEqual([(r["chain"], r["outcome"]) for r in started],
                         [("main/db", "started"), ("main/db", "ended")])

    def test_spawn_alone_lets_escapes_into_the_box(self):
        # The control for a box: what the box sees, written where nothing masks it.
        self.write("look.sh", "agentbox $1 --scope db -- python3 server.py <ask >/tmp/said; "
                              "grep -c 'u0070.u0022' /tmp/said\n")
        self.write("ask", '{"id":1,"method":"escaped","params":0}\n')
        self.assertEqual(self.run_box("sh look.sh spawn || true"), "1\n")
        self.assertEqual(self.run_box("sh look.sh mcp-wrap || true"), "0\n")

    def test_run_alone_lets_escapes_through(self):
        # The control: what the strings mean is looked at by mcp-wrap only.
        lines, _ = self.ask("escaped", wrap=(AGENTBOX, "run"))
        self.assertEqual(json.loads(lines[0])["result"]["said"], VALUE)

    def test_in_a_box_the_policy_decides(self):
        result = self.agentbox("run", "--", "agentbox", "mcp-wrap", "--scope", "main", "--", "true")
        self.assertEqual(result.returncode, 77, result.stderr)
        result = self.agentbox("run", "--", "agentbox", "mcp-wrap", "--scope", "db", "--profile",
                               "claude", "--", "true")
        self.assertEqual(result.returncode, 125, result.stderr)
        self.assertIn("only --scope and --param count", result.stderr.decode())


if __name__ == "__main__":
    unittest.main()
