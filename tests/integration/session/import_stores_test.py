"""`agentbox import --to op` and `--to vault`, against stand-ins."""
import json
import os
import shutil
import unittest

from stores import STORES, StoreTest  # first: it makes the stand-ins importable
import op_connect
import vault

PASSWORD = "canary pass#'word"
TOKEN = "ghp_" + "Zk3vQ9xT" * 4 + "a1B2"
VAULT_TOKEN = "hvs.canary-token-9f21"

BEFORE = f"""# The shop.
export GITHUB_TOKEN={TOKEN}   # of the bot
PORT=3000
DB_PASSWORD="{PASSWORD}"  # quoted
"""


def after(first, second):
    return f"""# The shop.
export GITHUB_TOKEN={first}   # of the bot
PORT=3000
DB_PASSWORD={second}  # quoted
"""


class Import(StoreTest):
    """What holds for each store; not a test by itself."""

    def setUp(self):
        super().setUp()
        self.file = self.write(".env", BEFORE)

    def run_import(self, *arguments, status=0):
        result = self.agentbox("import", *arguments)
        text = result.stdout.decode() + result.stderr.decode()
        self.assertEqual(result.returncode, status, text)
        for secret in (TOKEN, PASSWORD, VAULT_TOKEN, "canary-connect-token"):
            self.assertNotIn(secret, text)
            self.assertNotIn(secret.encode(), self.everything_written())
        return text

    def unchanged(self):
        self.assertEqual(self.file.read_text(), BEFORE)
        self.assertEqual([p.name for p in self.project.iterdir() if "agentbox-" in p.name], [])

    def works(self):
        result = self.agentbox("run", "--no-masking", "--env-file=.env", "--", "sh", "-c",
                               "printf '%s\\n%s' \"$GITHUB_TOKEN\" \"$DB_PASSWORD\"")
        self.assertEqual(result.stdout.decode(), TOKEN + "\n" + PASSWORD, result.stderr.decode())


class Vault(Import):
    TO = ("--to", "vault")

    def start(self, **config):
        self.server = self.serve(vault.Vault, {
            "tokens": {VAULT_TOKEN: {}},
            "mounts": {"secret/": {"type": "kv", "options": {"version": "2"}},
                       "old/": {"type": "kv", "options": None},
                       "database/": {"type": "database", "options": None}},
            "secrets": {}, **config})
        self.environment.update(VAULT_ADDR=self.server.url, VAULT_TOKEN=VAULT_TOKEN,
                                VAULT_CACERT=str(self.server.directory / "ca.pem"))

    def writes(self):
        return [r for r in self.server.requests() if r["method"] == "POST"]

    def test_writes_reads_back_and_leaves_references(self):
        self.start()
        text = self.run_import(*self.TO)
        self.assertIn("read back", text)
        self.assertEqual(self.file.read_text(), after("vault://secret/project#GITHUB_TOKEN",
                                                      "vault://secret/project#DB_PASSWORD"))
        self.assertEqual(self.server.written["secret/project"],
                         [{"data": {"DB_PASSWORD": PASSWORD, "GITHUB_TOKEN": TOKEN}}])
        self.assertEqual(json.loads(self.writes()[0]["body"])["options"], {"cas": 0})
        self.works()
        self.verify()

    def test_adds_to_a_secret_and_keeps_what_it_holds(self):
        held = {"port": 5432, "list": [1, "\u00e9"], "none": None, "DB_PASSWORD": PASSWORD}
        self.start(secrets={"secret/a/b": [{"data": {}}, {"data": held}]})
        self.run_import(*self.TO, "--path", "secret/a/b")
        self.assertEqual(self.server.written["secret/a/b"][-1]["data"],
                         {**held, "GITHUB_TOKEN": TOKEN})
        self.assertEqual(json.loads(self.writes()[0]["body"])["options"], {"cas": 2})

    def test_never_replaces_another_value(self):
        self.start(secrets={"secret/project": [{"data": {"DB_PASSWORD": "another"}}]})
        text = self.run_import(*self.TO, status=78)
        self.assertIn("holds another value called DB_PASSWORD", text)
        self.assertEqual(self.writes(), [])
        self.unchanged()

    def test_writes_nothing_where_the_same_values_are(self):
        self.start(secrets={"secret/project": [
            {"data": {"DB_PASSWORD": PASSWORD, "GITHUB_TOKEN": TOKEN}}]})
        self.run_import(*self.TO)
        self.assertEqual(self.writes(), [])
        self.assertIn("vault://secret/project#DB_PASSWORD", self.file.read_text())

    def test_a_write_in_between_is_not_lost(self):
        self.start(cas_races=1)
        text = self.run_import(*self.TO, status=78)
        self.assertIn("check-and-set", text)
        self.assertEqual(self.server.written["secret/project"], [{"data": {"raced": "in"}}])
        self.unchanged()
        self.run_import(*self.TO)
        self.assertEqual(self.server.written["secret/project"][-1]["data"]["raced"], "in")

    def test_follows_a_version_that_was_deleted(self):
        self.start(secrets={"secret/project": [{"data": {"a": "b"}, "deleted": True}]})
        self.run_import(*self.TO)
        self.assertEqual(json.loads(self.writes()[0]["body"])["options"], {"cas": 1})

    def test_version_1_makes_and_leaves_alone(self):
        self.start(secrets={"old/there": [{"data": {"a": "b"}}]})
        self.assertIn("cannot add to it", self.run_import(*self.TO, "--path", "old/there", status=78))
        self.unchanged()
        self.run_import(*self.TO, "--path", "old/shop")
        self.assertEqual(self.server.written["old/shop"],
                         [{"data": {"DB_PASSWORD": PASSWORD, "GITHUB_TOKEN": TOKEN}}])
        self.works()

    def test_failures_leave_the_file(self):
        self.start(read_only=True)
        text = self.run_import(*self.TO, status=78)
        self.assertIn("permission_denied", text)
        self.assertIn("create and update", text)
        self.unchanged()
        self.assertIn("no key/value engine",
                      self.run_import(*self.TO, "--path", "database/creds", status=78))
        self.assertIn("not a mount", self.run_import(*self.TO, "--path", "nothing", status=78))
        self.assertIn("does not go with", self.run_import(*self.TO, "--item", "x", status=125))
        self.unchanged()

    def test_dry_run_asks_nobody(self):
        self.start()
        self.assertIn("vault://secret/project#DB_PASSWORD", self.run_import(*self.TO, "--dry-run"))
        self.assertEqual(self.server.requests(), [])
        self.unchanged()


class Connect(Import):
    TO = ("--to", "op", "--vault", "dev")

    def start(self, items=(), **config):
        self.server = self.serve(op_connect.Connect, {
            "token": "canary-connect-token",
            "vaults": [{"id": "d" * 26, "name": "Dev", "items": list(items)}], **config})
        self.environment.update(OP_CONNECT_HOST=self.server.url,
                                OP_CONNECT_TOKEN="canary-connect-token",
                                SSL_CERT_FILE=str(self.server.directory / "ca.pem"))

    def test_makes_an_item_reads_back_and_leaves_references(self):
        self.start()
        self.run_import(*self.TO)
        self.assertEqual(self.file.read_text(), after("op://dev/project/GITHUB_TOKEN",
                                                      "op://dev/project/DB_PASSWORD"))
        (item,) = self.server.made["d" * 26]
        self.assertEqual({f["label"]: (f["type"], f["value"]) for f in item["fields"]},
                         {"GITHUB_TOKEN": ("CONCEALED", TOKEN),
                          "DB_PASSWORD": ("CONCEALED", PASSWORD)})
        self.works()
        self.verify()

    def test_leaves_an_item_of_that_name_alone(self):
        def item(password):
            return {"id": "a" * 26, "title": "Project", "fields": [
                {"id": "1", "label": "GITHUB_TOKEN", "type": "CONCEALED", "value": TOKEN},
                {"id": "2", "label": "DB_PASSWORD", "type": "CONCEALED", "value": password}]}
        self.start([item("another")])
        text = self.run_import(*self.TO, status=78)
        self.assertIn("DB_PASSWORD has another value", text)
        self.assertEqual(self.server.made, {})
        self.unchanged()
        self.run_import(*self.TO, "--item", "My shop")
        self.assertIn('"op://dev/My shop/DB_PASSWORD"', self.file.read_text())
        self.works()

    def test_takes_the_same_values_for_written(self):
        self.start()
        self.run_import(*self.TO)
        self.file.write_text(BEFORE)
        self.run_import(*self.TO)
        self.assertEqual(len(self.server.made["d" * 26]), 1)
        self.works()

    def test_says_where_the_values_are_if_they_come_back_otherwise(self):
        self.start(mangle=True)
        text = self.run_import(*self.TO, status=125)
        self.assertIn("does not come back", text)
        self.assertIn("the values stay in 1Password item project in vault dev", text)
        self.unchanged()

    def test_failures_leave_the_file(self):
        self.start(read_only=True)
        self.assertIn("permission_denied", self.run_import(*self.TO, status=78))
        self.assertIn("Dev", self.run_import("--to", "op", "--vault", "Div", status=78))
        self.assertIn("cannot stand", self.run_import("--to", "op", "--vault", "a/b", status=78))
        self.file.write_text(BEFORE + f"db_password={PASSWORD}2\n")
        self.assertIn("for one name", self.run_import(*self.TO, status=78))
        self.assertEqual(self.server.made, {})


class Program(Import):
    TO = ("--to", "op", "--vault", "Dev")

    def setUp(self):
        super().setUp()
        bin_ = self.place / "bin"
        bin_.mkdir(mode=0o755)
        shutil.copy(STORES.parent / "op_stub/op", bin_ / "op")
        (bin_ / "op").chmod(0o755)
        self.environment["PATH"] = str(bin_) + ":" + self.environment["PATH"]
        self.state = self.home / ".config/op"
        self.state.mkdir(parents=True)

    def start(self, **data):
        (self.state / "stub.json").write_text(json.dumps({"vaults": ["Dev"], **data}))

    def calls(self):
        return [json.loads(line) for line in (self.state / "calls.jsonl").read_text().splitlines()]

    def test_makes_an_item_with_no_value_in_an_argument(self):
        self.start()
        self.environment["CANARY"] = "not op's"
        self.run_import(*self.TO)
        self.assertEqual(self.file.read_text(), after("op://Dev/project/GITHUB_TOKEN",
                                                      "op://Dev/project/DB_PASSWORD"))
        for call in self.calls():
            self.assertNotIn(TOKEN, json.dumps(call))
            self.assertNotIn("CANARY", call["environment"])
            self.assertEqual(call["cwd"], "/")
            self.assertFalse(call["terminal"])
        self.works()
        self.verify()

    def test_leaves_an_item_of_that_name_alone(self):
        self.start(secrets={"op://Dev/project/GITHUB_TOKEN": "another"})
        self.run_import(*self.TO, status=78)
        self.assertNotIn("create", [word for call in self.calls() for word in call["argv"]])
        self.unchanged()

    def test_failures_leave_the_file(self):
        self.start(create_fails="(403) Forbidden: you are not permitted to make " + PASSWORD)
        self.assertIn("quotes a secret", self.run_import(*self.TO, status=78))
        self.start()
        self.assertIn("isn't a vault", self.run_import("--to", "op", status=78))
        (self.place / "bin/op").unlink()
        self.assertIn("install 1Password CLI", self.run_import(*self.TO, status=78))
        self.unchanged()

    @unittest.skipUnless(hasattr(os, "setxattr"), "this Python has no extended attributes")
    def test_keeps_extended_attributes(self):
        self.start()
        try:
            os.setxattr(self.file, "user.origin", b"the team")
        except OSError as error:
            self.skipTest("the file system takes no user attributes: %s" % error)
        self.run_import(*self.TO)
        self.assertEqual(os.getxattr(self.file, "user.origin"), b"the team")


del Import  # it is what the others have in common

if __name__ == "__main__":
    unittest.main()
