"""`agentbox import`: values of an env file to the local store, references in their place."""
import json
import os
import stat
import subprocess
import unittest

from sandbox import AGENTBOX, SessionTest

TOKEN = "ghp_" + "Zk3vQ9xT" * 4 + "a1B2"
PASSWORD = "canary pass#'word"

BEFORE = f"""# The shop.

export GITHUB_TOKEN={TOKEN}   # of the bot
PORT=3000
DB_PASSWORD="{PASSWORD}"  # quoted
DATABASE_URL=postgres://shop:${{DB_PASSWORD}}@db/shop
MODE='test'
VAULTED=op://Dev/shop/key
EMPTY=
"""

AFTER = """# The shop.

export GITHUB_TOKEN=local://project/github_token   # of the bot
PORT=3000
DB_PASSWORD=local://project/db_password  # quoted
DATABASE_URL=local://project/database_url
MODE='test'
VAULTED=op://Dev/shop/key
EMPTY=
"""


class Import(SessionTest):
    def setUp(self):
        super().setUp()
        self.file = self.write(".env", BEFORE)

    def run_import(self, *arguments, status=0):
        result = self.agentbox("import", *arguments)
        text = result.stdout.decode() + result.stderr.decode()
        self.assertEqual(result.returncode, status, text)
        for secret in (TOKEN, PASSWORD):
            self.assertNotIn(secret, text)
        return text

    def stored(self, name):
        return self.agentbox("read", "-n", "local://project/" + name).stdout.decode()

    def names(self):
        listed = self.agentbox("secret", "list", "--json").stdout
        return [one["name"] for one in json.loads(listed)] if listed.strip() else []

    def unchanged(self, text=BEFORE):
        self.assertEqual(self.file.read_text(), text)
        self.assertEqual([p.name for p in self.project.iterdir() if "agentbox-" in p.name], [])

    def test_leaves_references_and_all_else_as_it_was(self):
        self.file.chmod(0o640)
        text = self.run_import()
        self.unchanged(AFTER)
        self.assertEqual(stat.S_IMODE(self.file.stat().st_mode), 0o640)
        self.assertEqual(self.stored("github_token"), TOKEN)
        self.assertEqual(self.stored("db_password"), PASSWORD)
        self.assertEqual(self.stored("database_url"), f"postgres://shop:{PASSWORD}@db/shop")
        self.assertIn("holds the value of DB_PASSWORD", text)
        self.assertIn("boxes see it", text)
        resolved = [r for r in self.records() if r["event"] == "resolve" and r["reference"].startswith("local")]
        self.assertGreaterEqual(len(resolved), 3)
        self.verify()

    def test_a_box_sees_the_file_and_gets_the_values(self):
        self.file.write_text(BEFORE.replace("VAULTED=op://Dev/shop/key\n", ""))
        hidden = self.run_box("cat .env 2>&1 || true")
        self.assertNotIn(TOKEN, hidden)
        self.run_import()
        seen = self.run_box("cat .env; printf %s \"$DB_PASSWORD\" | tr a-z A-Z", "--env-file=.env")
        self.assertIn("GITHUB_TOKEN=local://project/github_token", seen)
        self.assertIn(PASSWORD.upper(), seen)

    def test_a_second_run_moves_nothing(self):
        self.run_import()
        before = self.file.stat()
        self.assertIn("nothing to move", self.run_import())
        self.assertEqual(self.file.stat().st_ino, before.st_ino)

    def test_dry_run_changes_nothing(self):
        text = self.run_import("--dry-run")
        self.assertIn("local://project/github_token", text)
        self.unchanged()
        self.assertEqual(self.names(), [])

    def test_only_and_all(self):
        document = json.loads(self.run_import("--only", "MODE", "--dry-run", "--json"))
        self.assertEqual([v["name"] for v in document["values"] if v["moved"]], ["MODE"])
        self.assertFalse(document["written"])
        document = json.loads(self.run_import("--all", "--json"))
        self.assertEqual([v["name"] for v in document["values"] if not v["moved"]], ["VAULTED", "EMPTY"])
        self.assertTrue(document["written"])
        self.assertEqual(self.stored("port"), "3000")
        self.assertIn("did you mean PORT?", self.run_import("--only", "PROT", status=78))

    def test_never_replaces_another_value_of_the_store(self):
        self.secret("project/db_password", "another")
        self.secret("project/github_token", TOKEN)
        self.run_import()
        self.assertEqual(self.stored("db_password"), "another")
        self.assertEqual(self.stored("db_password.2"), PASSWORD)
        self.assertIn("DB_PASSWORD=local://project/db_password.2", self.file.read_text())
        self.assertIn("GITHUB_TOKEN=local://project/github_token ", self.file.read_text())

    def test_refuses_what_it_cannot_keep_true(self):
        for text, message in (
                (f"A_TOKEN={TOKEN}\nA_TOKEN=x\n", "set more than once"),
                ("A_TOKEN=x${HOME}x\n", "takes in HOME from the environment"),
                (f"A_TOKEN={TOKEN}\nB=\"open\n", "not closed")):
            self.file.write_text(text)
            self.assertIn(message, self.run_import(status=78))
            self.unchanged(text)
        self.assertEqual(self.names(), [])
        self.file.write_text(BEFORE)
        os.link(self.file, self.project / "other")
        self.assertIn("hard link", self.run_import(status=78))
        self.unchanged()
        (self.project / "other").unlink()
        self.assertIn("cannot write to doppler", self.run_import("--to", "doppler", status=125))
        self.assertIn("add --to op", self.run_import("--vault", "Dev", status=125))
        self.unchanged()

    def test_follows_a_symbolic_link(self):
        target = self.write("secrets/shop.env", BEFORE, self.place)
        self.file.unlink()
        self.file.symlink_to(target)
        self.run_import()
        self.assertTrue(self.file.is_symlink())
        self.assertIn("local://secrets/github_token", target.read_text())

    def test_tells_of_secrets_in_comments(self):
        self.file.write_text(f"A=1\n# OLD_TOKEN={TOKEN}\nDB_PASSWORD=x9 8y\n")
        text = self.run_import()
        self.assertIn("line 2: outside the values", text)
        self.assertIn("stays hidden", text)

    def test_shreds_old_copies_when_told(self):
        copies = [self.write(".env" + end, BEFORE) for end in (".bak", "~")]
        other = [self.write(".env.production", BEFORE), self.write(".env.old", "PORT=1\n")]
        held = os.open(copies[0], os.O_RDONLY)
        self.addCleanup(os.close, held)
        self.assertIn(".env.bak holds a value of it", self.run_import("--dry-run"))
        self.run_import()
        self.assertTrue(all(p.exists() for p in copies))
        self.file.write_text(BEFORE)
        self.run_import("--shred-backups")
        self.assertFalse(any(p.exists() for p in copies))
        self.assertEqual(set(os.pread(held, 4096, 0)), {0})
        self.assertTrue(all(p.exists() for p in other))

    def test_the_old_file_is_overwritten(self):
        held = os.open(self.file, os.O_RDONLY)
        self.addCleanup(os.close, held)
        self.run_import()
        self.assertEqual(os.pread(held, 4096, 0), bytes(len(BEFORE)))

    def test_leaves_a_file_that_was_changed_meanwhile(self):
        """It is read, then the store's lock holds it up, and then somebody writes to the file."""
        self.secret("project/x", "y")
        lock = self.home / ".local/state/agentbox/local/lock"
        holder = subprocess.Popen(["flock", str(lock), "sh", "-c", "echo held; read x"],
                                  stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.addCleanup(holder.stdout.close)
        holder.stdout.readline()
        process = subprocess.Popen([AGENTBOX, "import"], cwd=self.project, env=self.environment,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        # Who waits for the lock has read the file.
        while not any(f"-> FLOCK" in line and str(process.pid) in line.split()
                      for line in open("/proc/locks")):
            self.assertIsNone(process.poll())
        changed = BEFORE + "NEW=1\n"
        self.file.write_text(changed)
        holder.communicate(b"\n")
        output, errors = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 125, output + errors)
        self.assertIn(b"was changed meanwhile", errors)
        self.unchanged(changed)

    def test_not_from_inside_a_box(self):
        result = self.agentbox("run", "--", AGENTBOX, "import")
        self.assertNotEqual(result.returncode, 0)
        self.unchanged()


if __name__ == "__main__":
    unittest.main()
