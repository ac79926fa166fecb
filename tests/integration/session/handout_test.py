"""`agentbox read` and `agentbox inject`: values for the user, on the log."""
import os
import stat
import unittest

from sandbox import SessionTest

VALUE = "canary-Zq8vK2mT"


class Read(SessionTest):
    def setUp(self):
        super().setUp()
        self.secret("shop/db", VALUE)

    def test_prints_the_value_and_records_it_first(self):
        result = self.agentbox("read", "local://shop/db")
        self.assertEqual((result.returncode, result.stdout), (0, VALUE.encode() + b"\n"), result.stderr)
        self.assertEqual(self.agentbox("read", "-n", "local://shop/db").stdout, VALUE.encode())
        events = [(one["event"], one.get("reference")) for one in self.records()]
        self.assertEqual(events[-2:], [("resolve", "local://shop/db"), ("release", "local://shop/db")])
        self.assertEqual(self.records()[-1]["delivery"], "file:stdout")
        self.assertNotIn(VALUE, str(self.records()))

    def test_works_where_no_project_is(self):
        self.assertEqual(self.agentbox("read", "-n", "local://shop/db", cwd=self.home).stdout,
                         VALUE.encode())

    def test_what_fails_prints_nothing(self):
        for reference, status, word in (("local://none", 78, b"local://none"), ("hunter2", 78, b"no reference"),
                                        ("op:/v/i/f", 78, b"no reference")):
            result = self.agentbox("read", reference)
            self.assertEqual((result.returncode, result.stdout), (status, b""), reference)
            self.assertIn(word, result.stderr)
            self.assertNotIn(b"hunter2", result.stderr)

    def test_a_log_that_cannot_be_written_releases_nothing(self):
        self.agentbox("read", "local://shop/db")
        log = self.home / ".local/state/agentbox/audit"
        for name in os.listdir(log):
            (log / name).write_text("broken\n")
        result = self.agentbox("read", "local://shop/db")
        self.assertNotEqual(result.returncode, 0)
        self.assertNotIn(VALUE.encode(), result.stdout)

    def test_a_file_is_private_and_not_overwritten(self):
        self.assertEqual(self.agentbox("read", "-n", "-o", "key", "local://shop/db").returncode, 0)
        key = self.project / "key"
        self.assertEqual(key.read_text(), VALUE)
        self.assertEqual(stat.S_IMODE(key.stat().st_mode), 0o600)
        result = self.agentbox("read", "-o", "key", "local://shop/db")
        self.assertEqual(result.returncode, 125)
        self.assertIn(b"--force", result.stderr)
        self.assertEqual(key.read_text(), VALUE)
        self.assertEqual(self.agentbox("read", "-f", "--file-mode", "0640", "-o", "key",
                                       "local://shop/db").returncode, 0)
        self.assertEqual(key.read_text(), VALUE + "\n")
        self.assertEqual(stat.S_IMODE(key.stat().st_mode), 0o640)
        self.assertEqual(self.agentbox("read", "--file-mode", "9", "-o", "k", "local://shop/db").returncode, 125)


class Inject(SessionTest):
    def setUp(self):
        super().setUp()
        self.secret("shop/db", VALUE)

    def test_fills_in_a_template(self):
        self.write("config.tpl", "db: {{ local://shop/db }}\nhost: ${HOST:-localhost}\nuser: $NAME\n")
        result = self.agentbox("inject", "-i", "config.tpl", "-o", "config", env={"NAME": "me"})
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual((self.project / "config").read_text(),
                         f"db: {VALUE}\nhost: localhost\nuser: me\n")
        self.assertEqual(stat.S_IMODE((self.project / "config").stat().st_mode), 0o600)
        piped = self.agentbox("inject", stdin=b"x={{ local://shop/db }}{{ local://shop/db }}")
        self.assertEqual(piped.stdout, f"x={VALUE}{VALUE}".encode())

    def test_writes_nothing_if_one_reference_fails(self):
        self.write("config.tpl", "a: {{ local://shop/db }}\nb: {{ local://none }}\n")
        result = self.agentbox("inject", "-i", "config.tpl", "-o", "config")
        self.assertEqual(result.returncode, 78)
        self.assertIn(b"local://none", result.stderr)
        self.assertFalse((self.project / "config").exists())
        self.assertEqual(os.listdir(self.project), ["config.tpl"])

    def test_names_the_place_of_a_mistake(self):
        self.write("config.tpl", "\nb: $NOT_THERE\n")
        result = self.agentbox("inject", "-i", "config.tpl")
        self.assertEqual((result.returncode, result.stdout), (78, b""))
        self.assertIn(b"config.tpl:2: a variable that stands here is not set", result.stderr)


if __name__ == "__main__":
    unittest.main()
