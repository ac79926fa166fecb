"""Two tenants, each with a token of its own: no box of one gets anything of the other's."""
import json
import subprocess
import time
import unittest

from sandbox import AGENTBOX
from stores import StoreTest  # first: it makes the stand-ins importable
import doppler

VALUES = {"acme": "acme-value-31f0c9a7", "globex": "globex-value-88d2e415"}
TOKENS = {tenant: f"dp.st.prd.{tenant}-token-5b21" for tenant in VALUES}
OWN = "dp.st.prd.users-own-token-77aa"


class Tenants(StoreTest):
    def setUp(self):
        super().setUp()
        self.server = self.serve(doppler.Doppler, {
            "tokens": {**{token: {"project": "shop-" + tenant, "config": "prd"}
                          for tenant, token in TOKENS.items()}, OWN: {}},
            "configs": {f"shop-{tenant}/prd": {"DB": value} for tenant, value in VALUES.items()}})
        self.environment.update(DOPPLER_API_HOST=self.server.url, DOPPLER_TOKEN=OWN,
                                SSL_CERT_FILE=str(self.server.directory / "ca.pem"))
        for tenant, token in TOKENS.items():
            self.secret("token-" + tenant, token)
        tenant = {"tenant": "[a-z]{1,12}"}
        account = {"doppler": {"DOPPLER_TOKEN": "local://token-${tenant}"}}
        self.write_policy(tenant, account)

    def write_policy(self, tenant, account, main=None):
        self.policy(
            secrets={"db": {"from": "doppler://shop-${tenant}/prd/DB", "as": {"env": "DB"}},
                     "other": {"from": "doppler://shop-globex/prd/DB", "as": {"env": "OTHER"}},
                     "vault": {"from": "vault://secret/app#key", "as": {"env": "V"}}},
            scopes={"main": {"spawn": ["db", "between", "crossed", "stray"], **(main or {})},
                    "db": {"secrets": ["db"], "params": tenant, "accounts": account},
                    "between": {"spawn": ["db", "plain"], "params": tenant},
                    "plain": {"spawn": ["db"]},
                    "crossed": {"secrets": ["other"], "params": tenant, "accounts": account},
                    "stray": {"secrets": ["vault"], "params": tenant, "accounts": account}})
        self.trust()

    def spawn(self, words, command="printf %s \"$DB\" | rev", before="agentbox spawn "):
        result = self.agentbox("run", "--", "sh", "-c", before + words + " -- sh -c '" + command +
                               "'")
        return result.returncode, result.stdout.decode(), result.stderr.decode()

    def reasons(self):
        """What the log says of what failed; the box that asked is told no more than that it did."""
        return " ".join(r.get("reason", "") + r.get("reference", "") + r.get("error", "")
                        for r in self.records() if r["outcome"] == "failed")

    def tokens_used(self):
        return {r["headers"]["authorization"].partition(" ")[2] for r in self.server.requests()}

    def test_each_tenant_has_its_own_account(self):
        for tenant in VALUES:
            status, seen, error = self.spawn("--scope db --json --param tenant=" + tenant)
            self.assertEqual((status, seen), (0, VALUES[tenant][::-1]), error)
            receipt = json.loads(error.splitlines()[0])
            self.assertEqual(receipt["parameters"], {"tenant": tenant})
            if tenant == "acme":
                self.assertEqual(self.tokens_used(), {TOKENS["acme"]})
        self.assertEqual(self.tokens_used(), set(TOKENS.values()))
        records = [r for r in self.records() if r["event"] == "resolve" and r["backend"] == "doppler"]
        self.assertEqual([(r["reference"], r["parameters"]) for r in records],
                         [(f"doppler://shop-{t}/prd/DB", "tenant=" + t) for t in VALUES])
        log = self.everything_written()
        for canary in [*VALUES.values(), *TOKENS.values(), OWN]:
            self.assertNotIn(canary.encode(), log)

    def test_the_account_decides_and_not_only_the_reference(self):
        # acme's token on a reference to globex: the store says no, and nobody else is asked.
        status, seen, error = self.spawn("--scope crossed --param tenant=acme", "printf %s $OTHER")
        self.assertEqual((status, seen), (78, ""), error)
        self.assertIn("does not have access", self.reasons())
        self.assertEqual(self.tokens_used(), {TOKENS["acme"]})
        status, seen, error = self.spawn("--scope crossed --param tenant=globex",
                                         "printf %s $OTHER | rev")
        self.assertEqual((status, seen), (0, VALUES["globex"][::-1]), error)

    def test_a_store_without_an_account_is_not_asked_on_the_users_own(self):
        self.environment.update(VAULT_TOKEN="users-own", VAULT_ADDR="http://127.0.0.1:1")
        status, seen, error = self.spawn("--scope stray --param tenant=acme", "printf %s $V")
        self.assertEqual((status, seen), (78, ""))
        self.assertIn("accounts of its own, and none for vault://", self.reasons())

    def test_a_token_that_is_not_there_starts_nothing(self):
        status, seen, error = self.spawn("--scope db --param tenant=initech", "echo started")
        self.assertEqual((status, seen), (78, ""), error)
        self.assertIn("token-initech", self.reasons())

    def test_what_is_not_allowed_is_refused(self):
        for words in ("", "--param tenant=ACME", "--param tenant=acme/../globex",
                      "--param tenant=acme%2Fx", "--param tenant=", "--param other=acme"):
            status, seen, error = self.spawn("--scope db " + words, "echo started")
            self.assertEqual((status, seen), (77, ""), words + error)
        self.assertIn("refused", [r["outcome"] for r in self.records() if r["event"] == "spawn"])

    def test_a_tenant_is_fixed_for_all_below(self):
        inner = "agentbox spawn --scope %s -- sh -c \"printf %%s \\$DB | rev\""
        for way in ("db", "db --param tenant=acme"):
            status, seen, error = self.spawn("--scope between --param tenant=acme", inner % way)
            self.assertEqual((status, seen), (0, VALUES["acme"][::-1]), error)
        status, seen, error = self.spawn("--scope between --param tenant=acme",
                                         inner % "db --param tenant=globex")
        self.assertEqual((status, seen), (77, ""), error)
        # Nor by way of a scope that does not know the parameter.
        through = ("agentbox spawn --scope plain -- agentbox spawn --scope db --param tenant=globex "
                   "-- env")
        status, seen, error = self.spawn("--scope between --param tenant=acme", through)
        self.assertEqual((status, seen), (77, ""), error)

    def test_the_first_box_can_be_bound(self):
        self.write_policy({"tenant": ["acme", "globex"]},
                          {"doppler": {"DOPPLER_TOKEN": "local://token-${tenant}"}},
                          {"secrets": ["db"], "params": {"tenant": ["acme", "globex"]},
                           "accounts": {"doppler": {"DOPPLER_TOKEN": "env://ACME_TOKEN"}}})
        self.environment["ACME_TOKEN"] = TOKENS["acme"]
        script = ("printf %s \"$DB\" | rev; env | grep -c dp.st;"
                  "agentbox spawn --scope db --param tenant=globex -- true; echo $?")
        result = self.agentbox("run", "--param", "tenant=acme", "--", "sh", "-c", script)
        self.assertEqual(result.stdout.decode(), VALUES["acme"][::-1] + "0\n77\n",
                         result.stderr.decode())
        self.assertEqual(self.agentbox("run", "--", "true").returncode, 77)

    def wait_for(self, condition, what):
        for _ in range(600):
            found = condition()
            if found:
                return found
            time.sleep(0.05)
        self.fail(what)

    def open_process(self, *arguments, **streams):
        process = subprocess.Popen([AGENTBOX, *arguments], cwd=self.project, env=self.environment,
                                   stdin=subprocess.DEVNULL, **streams)
        self.addCleanup(lambda: (process.kill(), process.communicate()))
        return process

    def waiting(self):
        return json.loads(self.agentbox("approve", "--json").stdout)

    def test_a_yes_for_the_session_is_for_one_tenant(self):
        tenant = {"tenant": "[a-z]{1,12}"}
        self.policy(secrets={},
                    scopes={"main": {"spawn": ["db", "between"]},
                            "db": {"params": tenant, "approve": "session"},
                            "between": {"params": tenant, "spawn": ["plain"]},
                            "plain": {"approve": "session"}})
        self.trust()
        ways = [f"--scope db --param tenant={tenant} -- echo {tenant}"
                for tenant in ("acme", "acme", "globex")]
        # A scope without the parameter, asked for by boxes that are bound to it.
        ways += [f"--scope between --param tenant={tenant} -- agentbox spawn --scope plain -- "
                 f"echo plain {tenant}" for tenant in ("acme", "acme", "globex")]
        session = self.open_process(
            "run", "--", "sh", "-c", "touch ready; while [ ! -e go ]; do sleep 0.05; done; " +
            "".join(f"agentbox spawn {way}; " for way in ways),
            stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.wait_for((self.project / "ready").exists, "the box does not start")
        self.open_process("approve", "--follow", stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL)
        time.sleep(1.5)  # it asks each half second
        (self.project / "go").touch()
        for scope, answer in (("db (tenant=acme)", []), ("db (tenant=globex)", ["--deny"]),
                              ("plain", []), ("plain", ["--deny"])):
            [request] = self.wait_for(self.waiting, "nobody asks for " + scope)
            self.assertEqual(request["scope"], scope)
            self.assertTrue(request["for_session"])
            done = self.agentbox("approve", str(request["id"]), *answer)
            self.assertEqual(done.returncode, 0, done.stderr)
        out, error = session.communicate(timeout=60)
        self.assertEqual(out.decode().splitlines(),
                         ["acme", "acme", "plain acme", "plain acme"], error)

    def test_a_command_gets_the_parameters_of_its_box(self):
        tools = self.home / "tools"
        self.write("tools/dbsay", "#!/bin/sh\nprintf %s \"$DB\" | rev\n",
                   base=self.home).chmod(0o755)
        self.environment["PATH"] = f"{tools}:/usr/local/bin:/usr/bin:/bin"
        tenant = {"tenant": "[a-z]{1,12}"}
        self.policy(home={"read": ["tools"]},
                    secrets={"db": {"from": "doppler://shop-${tenant}/prd/DB", "as": {"env": "DB"}}},
                    scopes={"main": {"spawn": ["between"]},
                            "between": {"params": tenant},
                            "db": {"secrets": ["db"], "params": tenant, "accounts": {
                                "doppler": {"DOPPLER_TOKEN": "local://token-${tenant}"}}}},
                    commands={"dbsay": {"scope": "db"}})
        self.trust()
        for tenant in VALUES:
            status, seen, error = self.spawn("--scope between --param tenant=" + tenant, "dbsay")
            self.assertEqual((status, seen), (0, VALUES[tenant][::-1]), error)
        status, seen, error = self.spawn("", before="dbsay; : ")
        self.assertEqual((status, seen), (0, ""), error)
        self.assertIn("needs the parameter", error)
        self.assertIn("only a box that has this parameter", error)

    def test_check(self):
        good = self.agentbox("check", "--scope", "db", "--param", "tenant=acme", "--json")
        self.assertEqual(good.returncode, 0, good.stderr)
        self.assertEqual(json.loads(good.stdout)[0]["reference"], "doppler://shop-acme/prd/DB")
        self.assertEqual(self.agentbox("check", "--scope", "db").returncode, 77)

    def test_run_scoped(self):
        def call(tenant):
            messages = [
                {"id": 1, "method": "initialize", "params": {
                    "protocolVersion": "2025-06-18", "capabilities": {},
                    "clientInfo": {"name": "test", "version": "1"}}},
                {"method": "notifications/initialized"},
                {"id": 2, "method": "tools/call", "params": {"name": "run_scoped", "arguments": {
                    "scope": "db", "parameters": {"tenant": tenant},
                    "command": ["sh", "-c", "printf %s \"$DB\" | rev"]}}}]
            text = "".join(json.dumps({"jsonrpc": "2.0", **m}) + "\n" for m in messages)
            self.write("calls", text)
            output = self.run_box("(cat calls; sleep 4) | agentbox mcp")
            return json.loads(output.splitlines()[-1])["result"]
        self.assertEqual(call("acme")["structuredContent"]["stdout"], VALUES["acme"][::-1])
        self.assertTrue(call("acme/../globex")["isError"])


if __name__ == "__main__":
    unittest.main()
