"""The exit statuses that docs/errors.md promises."""

import json
import os
import unittest

import place
from place import AGENTBOX


class StatusesTest(place.Place):
    def status(self, *command, **options):
        status, _, err = self.run_to_end(self.box(*command, **options))
        return status, err

    def assert_agentbox(self, expected, command, word):
        """`command` ends with `expected`, and the message names the culprit."""
        status, out, err = self.run_to_end(command)
        self.assertEqual(status, expected, out + err)
        self.assertTrue(err.startswith("agentbox: "), err)
        self.assertIn(word, err)

    def test_the_command_s_own(self):
        for number in (0, 1, 7, 77, 125, 255):
            self.assertEqual(self.status("sh", "-c", f"exit {number}"), (number, ""))

    def test_128_and_the_signal(self):
        for name, number in (("TERM", 15), ("KILL", 9), ("SEGV", 11)):
            self.assertEqual(self.status("sh", "-c", f"kill -{name} $$")[0], 128 + number)

    def test_125_where_agentbox_itself_fails(self):
        self.assert_agentbox(125, [AGENTBOX, "run", "--no-such-option", "--", "true"],
                             "no-such-option")
        self.assert_agentbox(125, [AGENTBOX, "run"], "command")
        # No record, no session: the log's directory is a file.
        state = self.home / ".local/state"
        state.mkdir(parents=True)
        (state / "agentbox").write_text("in the way", encoding="utf-8")
        ran = self.project / "ran"
        self.assert_agentbox(125, self.box("touch", str(ran)), "agentbox")
        self.assertFalse(ran.exists())

    def test_126_where_it_cannot_be_executed(self):
        self.write("plain.txt", "no program")
        self.assert_agentbox(126, self.box("./plain.txt"), "plain.txt")

    def test_127_where_it_is_not_found(self):
        self.assert_agentbox(127, self.box("no-such-command-here"), "no-such-command-here")
        self.assert_agentbox(127, self.box("./absent"), "absent")

    def test_77_where_the_policy_refuses(self):
        self.write("agentbox.json", json.dumps({"version": 1, "network": ["example.com:443"]}))
        self.assert_agentbox(77, self.box("true"), "example.com")
        # The control: with the user's consent it runs.
        status, out, err = self.run_to_end([AGENTBOX, "trust", "--yes"])
        self.assertEqual(status, 0, out + err)
        self.assertEqual(self.status("true")[0], 0)

    def test_78_where_the_policy_is_wrong(self):
        self.write("agentbox.json", '{"version": 1, "fils": {}}')
        self.assert_agentbox(78, self.box("true"), "fils")

    def test_78_where_a_reference_cannot_be_resolved(self):
        ran = self.project / "ran"
        self.assert_agentbox(78, self.box("touch", str(ran), policy={
            "secrets": {"absent": {"from": "local://e2e-absent", "as": {"env": "ABSENT"}}},
            "scopes": {"main": {"secrets": ["absent"]}}}), "local://e2e-absent")
        self.assertFalse(ran.exists(), "the command ran without its secret")
        self.assertTrue(os.path.isdir(self.project))


if __name__ == "__main__":
    unittest.main()
