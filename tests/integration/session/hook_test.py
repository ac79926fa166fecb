"""`agentbox hook`: secrets in the user's own shell, in real shells on a terminal."""
import shutil
import subprocess
import unittest

from sandbox import AGENTBOX, SessionTest

VALUE = "canary'\\ \"$(exit 3)`\n Zq8vK2mT"  # whatever a shell might trip over


class Hook:
    """The same for each shell."""
    shell = ""
    options = ()
    script = ""  # what a start-up file would hold

    def setUp(self):
        super().setUp()
        if shutil.which(self.shell) is None:
            self.skipTest(f"{self.shell} is not installed")
        self.secret("shop/token", VALUE)
        self.policy(secrets={"token": {"from": "local://shop/token", "as": {"env": "SHOP_TOKEN"}},
                             "other": {"from": "local://none", "as": {"env": "OTHER"}}},
                    scopes={"shell": {"secrets": ["token"]}})
        (self.project / "sub").mkdir()
        self.trust()
        self.bin = self.place / "bin"
        self.bin.mkdir()
        (self.bin / "agentbox").symlink_to(AGENTBOX)
        self.seen = self.place / "seen"
        self.show = self.write("show", f"""#!/bin/sh
{{ printf '%s\\0' "$1"; env -0; }} >> '{self.seen}.part'
mv '{self.seen}.part' '{self.seen}.'"$1"
""", self.place)
        self.show.chmod(0o755)

    def drive(self, lines, env=None):
        """Types the lines at an interactive shell on a terminal; gives what `show N` saw."""
        environment = {**self.environment, "PATH": f"{self.bin}:{self.environment['PATH']}", **(env or {})}
        script = self.script + "\n" + "\n".join(lines) + "\nexit\n"
        # script(1) makes the terminal; the shell reads its lines from there.
        result = subprocess.run(
            ["script", "-qec", " ".join([self.shell, *self.options]), "/dev/null"],
            input=script.encode(), capture_output=True, timeout=60, cwd=self.home, env=environment)
        seen = {}
        for path in self.place.glob("seen.*"):
            entries = path.read_bytes().split(b"\0")
            seen[path.suffix[1:]] = dict(
                one.decode().split("=", 1) for one in entries[1:] if b"=" in one)
        return seen, result.stdout.decode(errors="replace")

    def test_sets_on_entering_and_unsets_on_leaving(self):
        seen, output = self.drive([f"cd {self.project}", f"{self.show} in", "cd sub", f"{self.show} sub",
                                   f"cd {self.home}", f"{self.show} out"])
        self.assertEqual(seen["in"].get("SHOP_TOKEN"), VALUE, output)
        self.assertEqual(seen["sub"].get("SHOP_TOKEN"), VALUE)
        self.assertNotIn("SHOP_TOKEN", seen["out"])
        self.assertNotIn("AGENTBOX_SHELL_VARIABLES", seen["out"])
        self.assertIn("SHOP_TOKEN", output)  # told by name
        self.assertNotIn("Zq8vK2mT", output)
        released = [one for one in self.records() if one["event"] == "release"]
        self.assertEqual([(one["delivery"], one["scope"]) for one in released], [("env:SHOP_TOKEN", "shell")])

    def test_gives_back_what_was_there_before(self):
        seen, output = self.drive([f"cd {self.project}", f"{self.show} in", f"cd {self.home}", f"{self.show} out"],
                                  env={"SHOP_TOKEN": "my own"})
        self.assertEqual(seen["in"].get("SHOP_TOKEN"), VALUE, output)
        self.assertEqual(seen["out"].get("SHOP_TOKEN"), "my own")

    def test_a_policy_that_is_not_trusted_gives_nothing(self):
        self.assertEqual(self.agentbox("trust", "--forget").returncode, 0)
        seen, output = self.drive([f"cd {self.project}", f"{self.show} in"])
        self.assertNotIn("SHOP_TOKEN", seen["in"])
        self.assertIn("agentbox trust", output)

    def test_a_reference_that_fails_gives_nothing(self):
        self.agentbox("secret", "rm", "shop/token")
        seen, output = self.drive([f"cd {self.project}", f"{self.show} in"])
        self.assertNotIn("SHOP_TOKEN", seen["in"])
        self.assertIn("local://shop/token", output)

    def test_a_box_started_from_the_shell_does_not_get_them(self):
        self.policy(secrets={"token": {"from": "local://shop/token", "as": {"env": "SHOP_SETTING"}}},
                    scopes={"shell": {"secrets": ["token"]}}, environment={"pass": ["SHOP_*"]})
        self.trust()
        seen, output = self.drive([f"cd {self.project}", f"{self.show} in",
                                   "agentbox run -- sh -c 'env > box.txt'"])
        self.assertEqual(seen["in"].get("SHOP_SETTING"), VALUE, output)
        self.assertNotIn("SHOP_SETTING", (self.project / "box.txt").read_text())
        # The control: without the hook the policy lets such a variable pass.
        self.agentbox("run", "--", "sh", "-c", "env > box.txt", env={"SHOP_SETTING": "ordinary"})
        self.assertIn("SHOP_SETTING=ordinary", (self.project / "box.txt").read_text())


class Bash(Hook, SessionTest):
    shell = "bash"
    options = ("--norc", "--noprofile", "-i")
    script = 'eval "$(agentbox hook bash)"'


class Zsh(Hook, SessionTest):
    shell = "zsh"
    options = ("-f", "-i")
    script = 'eval "$(agentbox hook zsh)"'


class Fish(Hook, SessionTest):
    shell = "fish"
    options = ("--no-config", "-i")
    script = "agentbox hook fish | source"


if __name__ == "__main__":
    unittest.main()
