"""References to Vault and to 1Password Connect, from a policy to a box."""
import json
import os
import subprocess
import unittest

from stores import StoreTest  # first: it makes the stand-ins importable
import op_connect
import vault

TOKEN = "hvs.canary-token-9f21"
VALUE = "canary-value-77ab"
DEV = "d" * 26
ITEM = "a" * 26

VAULT = {
    "tokens": {TOKEN: {}},
    "mounts": {"secret/": {"type": "kv", "options": {"version": "2"}},
               "old/": {"type": "kv", "options": None},
               "database/": {"type": "database", "options": None}},
    "secrets": {"secret/app": [{"data": {"password": VALUE, "port": 5432}}],
                "old/app": [{"data": {"password": "of version 1"}}],
                "database/creds/ro": [{"data": {"username": "user-$N", "password": VALUE + "-$N"}}]},
    "approles": {"role-1": "canary-secret-id"},
    "wrapped": {"hvs.wrap": {"auth": {"client_token": TOKEN}}},
    "lease": 3600,
}

CONNECT = {
    "token": "canary-connect-token",
    "vaults": [{"id": DEV, "name": "Dev", "items": [
        {"id": ITEM, "title": "Database", "version": 4, "sections": [{"id": "s", "label": "Admin"}],
         "fields": [{"id": "password", "label": "password", "type": "CONCEALED", "value": VALUE},
                    {"id": "t", "label": "token", "type": "CONCEALED", "value": "admin's",
                     "section": {"id": "s"}}]}]}],
}


class Vault(StoreTest):
    def setUp(self):
        super().setUp()
        self.server = self.serve(vault.Vault, VAULT)
        self.environment["VAULT_ADDR"] = self.server.url
        self.environment["VAULT_CACERT"] = str(self.server.directory / "ca.pem")

    def test_a_value_reaches_the_command_and_nothing_else(self):
        file = self.env_file("PASSWORD=vault://secret/app#password\nOLD=vault://old/app#password\n")
        seen = self.run_box("printf '%s %s' \"$PASSWORD\" \"$OLD\" | tr a-z A-Z; env", file,
                            env={"VAULT_TOKEN": TOKEN})
        self.assertIn(VALUE.upper() + " OF VERSION 1", seen)
        self.assertNotIn(TOKEN, seen)
        self.assertNotIn(VALUE, seen)  # masked
        written = self.everything_written()
        self.assertIn(b"vault://secret/app#password", written)
        for canary in (TOKEN, VALUE):
            self.assertNotIn(canary.encode(), written)
        record = next(r for r in self.records() if r["event"] == "resolve"
                      and r["reference"] == "vault://secret/app#password")
        self.assertEqual((record["backend"], record["version"], record["outcome"]),
                         ("vault", "1", "ok"))
        self.verify()

    def test_what_is_missing_starts_nothing(self):
        file = self.env_file("A=vault://secret/ap#password\nB=vault://secret/app#pasword\n")
        result = self.agentbox("run", file, "--", "touch", "started", env={"VAULT_TOKEN": TOKEN})
        self.assertEqual(result.returncode, 78)
        self.assertFalse((self.project / "started").exists())
        self.assertIn(b"vault://secret/ap#password (vault): there is no secret ap in secret/",
                      result.stderr)
        self.assertIn(b"next: did you mean app?", result.stderr)
        self.assertIn(b"vault://secret/app#pasword", result.stderr)

    def test_a_dynamic_secret_lives_as_long_as_its_session(self):
        file = self.env_file("DB_USER=vault://database/creds/ro#username\n"
                             "DB_PASSWORD=vault://database/creds/ro#password\n")
        login = {"VAULT_ROLE_ID": "role-1", "VAULT_SECRET_ID": "canary-secret-id"}
        result = self.agentbox("run", file, "--", "sh", "-c", "test -n \"$DB_USER\"", env=login)
        self.assertEqual(result.returncode, 0, result.stderr.decode())
        self.assertEqual(self.server.count, 1)
        self.assertEqual(self.server.leases, {})
        self.assertEqual(len(self.server.revoked), 1)
        leases = [r for r in self.records() if r["event"] == "lease"]
        self.assertEqual([r["outcome"] for r in leases], ["revoke", "revoke"])
        self.assertTrue(leases[0]["subject"].startswith("vault lease database/creds/ro/"))
        self.assertEqual(leases[0]["reference"], "vault://database/creds/ro#username")
        self.assertEqual(leases[1]["subject"], "vault login")
        self.assertNotIn(b"canary", self.everything_written())

    def test_a_dynamic_secret_is_renewed(self):
        (self.server.directory / "config.json").write_text(json.dumps({**VAULT, "lease": 1}))
        file = self.env_file("DB_USER=vault://database/creds/ro#username\n")
        result = self.agentbox("run", file, "--", "sleep", "2", env={"VAULT_TOKEN": TOKEN})
        self.assertEqual(result.returncode, 0, result.stderr.decode())
        outcomes = [r["outcome"] for r in self.records() if r["event"] == "lease"]
        self.assertIn("renew", outcomes)
        self.assertEqual(outcomes[-1], "revoke")
        self.assertEqual(self.server.leases, {})

    def test_a_launch_that_fails_closes_what_it_opened(self):
        file = self.env_file("DB_USER=vault://database/creds/ro#username\n"
                             "A=vault://secret/absent#x\n")
        result = self.agentbox("run", file, "--", "true", env={"VAULT_TOKEN": TOKEN})
        self.assertEqual(result.returncode, 78)
        self.assertEqual((self.server.count, self.server.leases), (1, {}))

    def test_check_resolves_and_closes_and_starts_nothing(self):
        file = self.env_file("P=vault://secret/app#password\nU=vault://database/creds/ro#username\n"
                             "N=vault://secret/none#x\n")
        result = self.agentbox("check", file, "--json", env={"VAULT_TOKEN": TOKEN})
        self.assertEqual(result.returncode, 78, result.stderr.decode())
        rows = {row["name"]: row for row in json.loads(result.stdout)}
        self.assertEqual((rows["P"]["ok"], rows["P"]["backend"], rows["P"]["version"]),
                         (True, "vault", "1"))
        self.assertGreater(rows["P"]["latency_ms"], 0)
        self.assertFalse(rows["N"]["ok"])
        self.assertIn("no secret none", rows["N"]["error"])
        self.assertNotIn(VALUE.encode(), result.stdout + result.stderr)
        self.assertEqual((self.server.count, self.server.leases), (1, {}))

    def test_read_leaves_a_dynamic_secret_to_the_user(self):
        result = self.agentbox("read", "vault://database/creds/ro#username",
                               env={"VAULT_TOKEN": TOKEN})
        self.assertEqual(result.returncode, 0, result.stderr.decode())
        self.assertIn(b"user-1", result.stdout)
        self.assertEqual(len(self.server.leases), 1)

    def test_no_credential_is_in_the_arguments_of_a_process(self):
        file = self.env_file("PASSWORD=vault://secret/app#password\n")
        seen = self.run_box("for p in /proc/[0-9]*; do tr '\\0' ' ' <$p/cmdline; done 2>/dev/null; true",
                            file, env={"VAULT_TOKEN": TOKEN})
        self.assertNotIn(TOKEN, seen)
        self.assertNotIn("[PASSWORD", seen)


class Connect(StoreTest):
    def setUp(self):
        super().setUp()
        self.server = self.serve(op_connect.Connect, CONNECT)
        self.environment["OP_CONNECT_HOST"] = self.server.url
        self.environment["OP_CONNECT_TOKEN"] = CONNECT["token"]
        self.environment["SSL_CERT_FILE"] = str(self.server.directory / "ca.pem")

    def test_a_value_reaches_the_command(self):
        file = self.env_file("PASSWORD=op://Dev/Database/password\n"
                             "ADMIN=op://Dev/Database/Admin/token\n")
        seen = self.run_box("printf '%s' \"$PASSWORD\" | tr a-z A-Z", file)
        self.assertIn(VALUE.upper(), seen)
        record = next(r for r in self.records() if r["event"] == "resolve")
        self.assertEqual((record["backend"], record["version"]), ("op-connect", "4"))
        for canary in (VALUE, CONNECT["token"]):
            self.assertNotIn(canary.encode(), self.everything_written())

    def test_a_bad_token_starts_nothing(self):
        file = self.env_file("PASSWORD=op://Dev/Database/password\n")
        result = self.agentbox("run", file, "--", "touch", "started",
                               env={"OP_CONNECT_TOKEN": "canary-other"})
        self.assertEqual(result.returncode, 78)
        self.assertFalse((self.project / "started").exists())
        self.assertIn(b"Connect answered 401", result.stderr)
        self.assertNotIn(b"canary", result.stderr)


class RealClients(StoreTest):
    """The makers' own clients take the stand-ins for the real thing."""

    def test_hvac(self):
        probe = subprocess.run(["/usr/bin/python3", "-c", "import hvac"], capture_output=True)
        if probe.returncode != 0:
            self.skipTest("python3-hvac is not installed")
        server = self.serve(vault.Vault, VAULT)
        script = """
import hvac, sys
url, ca, token = sys.argv[1:]
client = hvac.Client(url=url, verify=ca, token=token)
assert client.is_authenticated()
assert client.secrets.kv.v2.read_secret_version("app")["data"]["data"]["port"] == 5432
assert client.secrets.kv.v2.list_secrets("")["data"]["keys"] == ["app"]
assert client.secrets.kv.v1.read_secret("app", mount_point="old")["data"]["password"]
try:
    client.secrets.kv.v2.read_secret_version("absent")
    raise SystemExit("an absent path was read")
except hvac.exceptions.InvalidPath:
    pass
lease = client.read("database/creds/ro")
assert lease["lease_id"] and lease["renewable"]
client.sys.renew_lease(lease["lease_id"])
client.sys.revoke_lease(lease["lease_id"])
assert client.sys.unwrap("hvs.wrap")["auth"]["client_token"] == token
try:
    hvac.Client(url=url, verify=ca, token="hvs.bad").secrets.kv.v2.read_secret_version("app")
    raise SystemExit("a bad token was taken")
except hvac.exceptions.Forbidden:
    pass
other = hvac.Client(url=url, verify=ca)
login = other.auth.approle.login if hasattr(other.auth, "approle") else other.auth_approle
login("role-1", "canary-secret-id")
assert other.is_authenticated()
other.logout(revoke_token=True)
"""
        result = subprocess.run(["/usr/bin/python3", "-W", "ignore", "-c", script, server.url,
                                 str(server.directory / "ca.pem"), TOKEN], capture_output=True)
        self.assertEqual(result.returncode, 0, result.stderr.decode())
        self.assertEqual(server.leases, {})

    def node(self, package, script, *arguments, ca):
        """Runs a script of the package that NODE_PATH (or npm's global directory) holds."""
        probe = subprocess.run(["node", "-e", "require(%r)" % package], capture_output=True)
        if probe.returncode != 0:
            self.skipTest("npm's %s is not on NODE_PATH" % package)
        result = subprocess.run(["node", "-e", script, *arguments], capture_output=True,
                                env={**os.environ, "NODE_EXTRA_CA_CERTS": str(ca)})
        self.assertEqual(result.returncode, 0, result.stderr.decode())

    def test_node_vault(self):
        server = self.serve(vault.Vault, VAULT)
        self.node("node-vault", """
const [url, token] = process.argv.slice(1);
const vault = require('node-vault')({endpoint: url, token});
(async () => {
  const read = await vault.read('secret/data/app');
  if (read.data.data.port !== 5432) throw Error('read');
  const login = await vault.approleLogin({role_id: 'role-1', secret_id: 'canary-secret-id'});
  if (!login.auth.client_token) throw Error('login');
})().catch(error => { console.error(error); process.exit(1); });
""", server.url, TOKEN, ca=server.directory / "ca.pem")

    def test_op_connect(self):
        server = self.serve(op_connect.Connect, CONNECT)
        self.node("@1password/connect", """
const [url, token] = process.argv.slice(1);
const {OnePasswordConnect} = require('@1password/connect');
const client = OnePasswordConnect({serverURL: url, token, keepAlive: false});
(async () => {
  const vault = await client.getVaultByTitle('Dev');
  const item = await client.getItemByTitle(vault.id, 'Database');
  if (item.fields[0].label !== 'password' || item.version !== 4) throw Error('item');
  await client.getItem(vault.id, 'Nothing').then(
      () => { throw Error('an absent item was read'); }, () => {});
})().catch(error => { console.error(error); process.exit(1); });
""", server.url, CONNECT["token"], ca=server.directory / "ca.pem")


if __name__ == "__main__":
    unittest.main()
