"""A scope's own account, in every store that has one, and whenever a value is looked up."""
import copy
import json
import subprocess
import time
import unittest

from sandbox import AGENTBOX
from stores import StoreTest  # first: it makes the stand-ins importable
import op_connect
import vault

VALUE, NEW = "canary-value-77ab", "canary-second-Zq8vK2mTx12cd"
OWN = "hvs.users-own-token-77aa"
DEV, ITEM = "d" * 26, "a" * 26
TENANTS = ("acme", "globex")


class AccountsTest(StoreTest):
    def write_policy(self, account, source, main=None, **terms):
        """A scope db that has the secret, on that account; or main, if `main` says more of it."""
        bound = {"params": {"tenant": "[a-z]{1,12}"}, "accounts": account}
        scopes = {"main": {"spawn": ["db"]}, "db": {"secrets": ["db"], **bound}}
        if main is not None:
            scopes = {"main": {**bound, **main}}
        self.policy(secrets={"db": {"from": source, "as": {"env": "DB"}, **terms}}, scopes=scopes)
        self.trust()

    def value_for(self, tenant):
        """Exit status, and the value as a box of this tenant has it."""
        result = self.agentbox("run", "--", "agentbox", "spawn", "--scope", "db", "--param",
                               "tenant=" + tenant, "--", "sh", "-c", "printf %s \"$DB\" | rev")
        return result.returncode, result.stdout.decode()[::-1]

    def tokens_used(self, header):
        return {r["headers"].get(header) for r in self.server.requests()}


class VaultAccounts(AccountsTest):
    def setUp(self):
        super().setUp()
        self.tokens = {tenant: f"hvs.{tenant}-token-5b21" for tenant in TENANTS}
        self.config = {
            # The user's own token is good, so that it would be seen if it were used.
            "tokens": {token: {} for token in [OWN, self.tokens["acme"]]},
            "mounts": {"secret/": {"type": "kv", "options": {"version": "2"}}},
            "secrets": {"secret/acme": [{"data": {"db": VALUE}}],
                        "secret/globex": [{"data": {"db": VALUE}}]},
            "approles": {"role-acme": "secret-id-acme"}}
        self.server = self.serve(vault.Vault, self.config)
        self.write(".vault-token", OWN, base=self.home)
        self.environment.update(VAULT_ADDR=self.server.url, VAULT_TOKEN=OWN,
                                VAULT_CACERT=str(self.server.directory / "ca.pem"))
        for tenant, token in self.tokens.items():
            self.secret("token-" + tenant, token)

    ACCOUNT = {"vault": {"VAULT_TOKEN": "local://token-${tenant}"}}
    SOURCE = "vault://secret/${tenant}#db"

    def test_the_token(self):
        self.write_policy(self.ACCOUNT, self.SOURCE)
        self.assertEqual(self.value_for("acme"), (0, VALUE))
        self.assertEqual(self.tokens_used("x-vault-token"), {self.tokens["acme"]})
        self.assertEqual(self.value_for("globex"), (78, ""))  # its token is not good
        self.assertEqual(self.tokens_used("x-vault-token"), set(self.tokens.values()))

    def test_control_without_an_account_the_users_own_token_is_used(self):
        self.write_policy({}, self.SOURCE)
        self.assertEqual(self.value_for("globex"), (0, VALUE))
        self.assertEqual(self.tokens_used("x-vault-token"), {OWN})

    def test_a_role_logs_in_and_out(self):
        self.secret("role-acme", "role-acme")
        self.secret("secret-id-acme", "secret-id-acme")
        self.secret("role-globex", "role-globex")
        self.secret("secret-id-globex", "secret-id-acme")
        self.write_policy({"vault": {"VAULT_ROLE_ID": "local://role-${tenant}",
                                     "VAULT_SECRET_ID": "local://secret-id-${tenant}"}},
                          self.SOURCE)
        self.assertEqual(self.value_for("acme"), (0, VALUE))
        self.assertEqual(len(self.server.revoked), 1)
        self.assertEqual(self.value_for("globex"), (78, ""))
        self.assertNotIn(OWN, self.tokens_used("x-vault-token"))

    def start(self, script):
        session = subprocess.Popen(
            [AGENTBOX, "run", "--param", "tenant=acme", "--", "sh", "-c", script],
            cwd=self.project, env=self.environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE)
        self.addCleanup(lambda: (session.kill(), session.communicate()))
        deadline = time.monotonic() + 60
        while not (self.project / "ready").exists():
            self.assertIsNone(session.poll(), "the box does not start")
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.02)
        return session

    def refresh(self):
        return [(one["name"], one["outcome"])
                for one in json.loads(self.agentbox("secret", "refresh", "--json").stdout)]

    def test_a_rotation(self):
        self.write_policy(self.ACCOUNT, self.SOURCE, main={"secrets": ["db"]},
                          **{"as": {"file": "db.txt"}})
        session = self.start(": > ready; read go; rev < db.txt")
        # The store has another value, and the tenant another token.
        changed = copy.deepcopy(self.config)
        changed["secrets"]["secret/acme"].append({"data": {"db": NEW}})
        changed["tokens"] = {OWN: {}, "hvs.acme-next-token-c0de": {}}
        (self.server.directory / "config.json").write_text(json.dumps(changed))
        self.assertEqual(self.refresh(), [("db", "failed")])
        self.secret("token-acme", "hvs.acme-next-token-c0de")
        self.assertEqual(self.refresh(), [("db", "replaced")])
        out, error = session.communicate(b"\n", timeout=60)
        self.assertEqual(out.decode()[::-1].strip(), NEW, error)
        self.assertEqual(self.tokens_used("x-vault-token"),
                         {self.tokens["acme"], "hvs.acme-next-token-c0de"})

    def test_a_secret_on_request(self):
        self.write_policy(self.ACCOUNT, self.SOURCE, main={"secrets": [], "request": ["db"]})
        self.write("ask.py", r"""
import json, os, socket, time
while True:
    s = socket.socket(socket.AF_UNIX); s.connect(os.environ["AGENTBOX_SOCKET"])
    text = json.dumps({"v": 1, "id": 1, "method": "request_secret",
                       "params": {"name": "db", "reason": ""}}).encode()
    s.sendall(len(text).to_bytes(4, "big") + text)
    answer = json.loads(s.recv(int.from_bytes(s.recv(4, socket.MSG_WAITALL), "big"),
                               socket.MSG_WAITALL))
    if answer.get("result", {}).get("state") != "pending":
        break
    time.sleep(0.05)
print(open(answer["result"]["secret"]["file"]).read()[::-1] if "result" in answer else "none")
""")
        for tenant, seen in (("acme", VALUE[::-1]), ("globex", "none")):
            result = self.agentbox("run", "--param", "tenant=" + tenant, "--", "python3", "ask.py")
            self.assertEqual(result.stdout.decode().strip(), seen, result.stderr)
        self.assertEqual(self.tokens_used("x-vault-token"), set(self.tokens.values()))


class ConnectAccounts(AccountsTest):
    def test_the_token(self):
        good = "canary-connect-token"
        self.server = self.serve(op_connect.Connect, {"token": good, "vaults": [
            {"id": DEV, "name": "Dev", "items": [{"id": ITEM, "title": "Database", "fields": [
                {"id": "password", "label": "password", "type": "CONCEALED", "value": VALUE}]}]}]})
        self.environment.update(OP_CONNECT_HOST=self.server.url, OP_CONNECT_TOKEN=good,
                                SSL_CERT_FILE=str(self.server.directory / "ca.pem"))
        self.secret("connect-acme", good)
        self.secret("connect-globex", "canary-other-token")
        self.write_policy({"op": {"OP_CONNECT_TOKEN": "local://connect-${tenant}"}},
                          "op://Dev/Database/password")
        self.assertEqual(self.value_for("acme"), (0, VALUE))
        # The user's own would be good.
        self.assertEqual(self.value_for("globex"), (78, ""))
        self.assertEqual(self.tokens_used("authorization"),
                         {"Bearer " + good, "Bearer canary-other-token"})
        for canary in (VALUE, good, "canary-other-token"):
            self.assertNotIn(canary.encode(), self.everything_written())


if __name__ == "__main__":
    unittest.main()
