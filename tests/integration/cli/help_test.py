"""What the program says of itself: help pages, manual page, mistakes."""
import os
import pathlib
import re
import subprocess
import tempfile
import unittest

AGENTBOX = os.environ["AGENTBOX"]
MANUAL = pathlib.Path(__file__).parents[3] / "docs/man/agentbox.1"


def run(*arguments, **keywords):
    return subprocess.run([AGENTBOX, *arguments], capture_output=True, text=True, timeout=30,
                          stdin=subprocess.DEVNULL, **keywords)


def verbs():
    return re.findall(r"^  ([a-z-]+) +\S", run("help").stdout.split("\n\n")[2], re.MULTILINE)


class Help(unittest.TestCase):
    def test_every_verb_has_a_page(self):
        self.assertIn("run", verbs())
        for verb in verbs():
            for arguments in ([verb, "--help"], [verb, "-h"], ["help", verb]):
                result = run(*arguments)
                self.assertEqual(result.returncode, 0, arguments)
                self.assertIn(f"usage: agentbox {verb}", result.stdout)

    def test_the_manual_has_every_verb_and_every_option(self):
        manual = MANUAL.read_text().replace("\\-", "-").replace("\\&", "")
        for verb in verbs():
            self.assertRegex(manual, rf"\.SS {verb}\b", verb)
            section = re.split(rf"\.SS {verb}\b", manual)[1].split(".SS ")[0].split(".SH ")[0]
            page = run(verb, "--help").stdout
            for option in re.findall(r"^  (?:-\w \[ )?(--[a-z][a-z-]*)", page, re.MULTILINE):
                if option != "--help":  # said once for all verbs
                    self.assertIn(option, section, verb)

    def test_the_manual_is_well_formed(self):
        result = subprocess.run(["groff", "-man", "-ww", "-z", str(MANUAL)], capture_output=True, text=True) \
            if subprocess.run(["which", "groff"], capture_output=True).returncode == 0 else None
        if result is None:
            self.skipTest("groff is not installed")
        self.assertEqual(result.stderr, "")


class Mistakes(unittest.TestCase):
    def test_each_says_what_to_type_instead(self):
        for arguments, words in ((["rn"], "agentbox run"), (["run", "--frseh", "--", "true"], "--fresh"),
                                 (["run"], "--"), (["log", "nonsense"], "usage"), (["explain"], "usage"),
                                 (["secret", "set"], "usage")):
            result = run(*arguments)
            self.assertEqual(result.returncode, 125, arguments)
            self.assertIn(words, result.stderr, arguments)
            self.assertEqual(result.stdout, "", arguments)

    def test_output_that_cannot_be_written_is_no_success(self):
        with open("/dev/full", "w") as full:
            result = subprocess.run([AGENTBOX, "--version"], stdout=full, stderr=subprocess.PIPE)
        self.assertEqual(result.returncode, 125)

    def test_a_name_that_would_drive_the_terminal_is_escaped(self):
        result = run("explain\x1b[31m")
        self.assertNotIn("\x1b[31m", result.stderr.replace("\x1b[1;31m", ""))
        self.assertIn("\\x1b", result.stderr)


class Json(unittest.TestCase):
    def test_scripts_get_json_and_no_colours(self):
        import json
        with tempfile.TemporaryDirectory() as place:
            home = pathlib.Path(place, "home")
            project = pathlib.Path(place, "project")
            home.mkdir()
            project.mkdir()
            environment = {"HOME": str(home), "PATH": "/usr/bin:/bin"}
            for arguments in (["doctor", "--json"], ["explain", ".env", "--json"], ["check", "--json"],
                              ["secret", "list", "--json"], ["log", "verify", "--json"]):
                result = run(*arguments, cwd=project, env=environment)
                json.loads(result.stdout)
                self.assertNotIn("\x1b", result.stdout)
            self.assertEqual(json.loads(run("explain", ".env", "--json", cwd=project,
                                            env=environment).stdout)["decision"], "hidden")


if __name__ == "__main__":
    unittest.main()
