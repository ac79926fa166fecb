"""References that a program or a file of the user's answers, from an env file to a box."""
import json
import os
import pty
import shutil
import subprocess
import unittest

from sandbox import AGENTBOX
from stores import STORES, StoreTest

VALUE = "canary-value-77ab"


class Programs(StoreTest):
    def program(self, path, text):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("#!/bin/sh\n" + text)
        path.chmod(0o755)
        return path

    def test_a_program_answers(self):
        token = self.program(self.home / "bin/token", f"echo {VALUE}\n")
        seen = self.run_box("printf %s \"$T\" | tr a-z A-Z; env",
                            self.env_file(f"T=exec://{token} --for shop\n"))
        self.assertIn(VALUE.upper(), seen)
        record = next(r for r in self.records() if r["event"] == "resolve")
        self.assertEqual((record["backend"], record["outcome"]), ("exec", "ok"))
        self.assertNotIn(VALUE, seen)
        self.assertNotIn(VALUE.encode(), self.everything_written())

    def test_a_program_that_fails_starts_nothing(self):
        token = self.program(self.home / "bin/token", "echo no session >&2; exit 4\n")
        result = self.agentbox("run", self.env_file(f"T=exec://{token}\n"), "--", "touch", "started")
        self.assertEqual(result.returncode, 78)
        self.assertFalse((self.project / "started").exists())
        self.assertIn(b"token ended with status 4: no session", result.stderr)

    def test_the_project_neither_names_nor_brings_a_program(self):
        token = self.program(self.project / "token", "touch \"$HOME/ran\"; echo x\n")
        outside = self.agentbox("run", self.env_file(f"T=exec://{token}\n"), "--", "true")
        self.assertEqual(outside.returncode, 78)
        self.assertIn(b"is not trusted", outside.stderr)
        inside = self.write("references", "T=exec://date\n")
        result = self.agentbox("run", f"--env-file={inside}", "--", "true")
        self.assertNotEqual(result.returncode, 0)
        self.assertIn(b"exec:// references are not taken from a file inside the project",
                      result.stderr)
        self.assertFalse((self.home / "ran").exists())

    def test_what_takes_long_says_for_whom_it_waits(self):
        go = self.home / "go"
        token = self.program(self.home / "bin/token",
                             f"while [ ! -e '{go}' ]; do sleep 0.02; done; echo {VALUE}\n")
        main, other = pty.openpty()
        with subprocess.Popen([AGENTBOX, "read", f"exec://{token}"], cwd=self.project,
                              env=self.environment, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=other) as process:
            os.close(other)
            said = b""
            try:
                while part := os.read(main, 4096):
                    said += part
                    if b"waiting for" in said:
                        go.touch()
            except OSError:  # EIO: the other end is closed
                os.close(main)
            self.assertEqual(process.stdout.read(), VALUE.encode() + b"\n")
        self.assertIn(b"agentbox: waiting for exec (0 s)", said)
        self.assertTrue(said.endswith(b"\r\x1b[K"), said)

    @unittest.skipUnless(shutil.which("pass") and shutil.which("gpg"),
                         "pass and gpg are not installed")
    def test_a_line_of_a_password_store(self):
        keys = self.home / ".gnupg"
        keys.mkdir(mode=0o700)
        environment = {"HOME": str(self.home), "PATH": os.environ["PATH"]}
        self.addCleanup(subprocess.run, ["sh", "-c", "gpgconf --kill all; rm -rf .gnupg"],
                        env=environment, cwd=self.home)
        subprocess.run(
            ["sh", "-ec",
             "gpg --batch --quiet --pinentry-mode loopback --passphrase '' "
             "--quick-gen-key a@b.test default default never; pass init a@b.test; "
             f"printf 'first\\nuser: {VALUE}\\n' | pass insert -m shop/db"],
            env=environment, cwd=self.home, check=True, capture_output=True)
        seen = self.run_box("printf %s \"$T\" | tr a-z A-Z",
                            self.env_file("T=pass://shop/db#user\n"))
        self.assertIn(VALUE.upper(), seen)
        self.assertNotIn(VALUE.encode(), self.everything_written())

    @unittest.skipUnless(shutil.which("age"), "age is not installed")
    def test_a_key_of_a_sops_file_in_the_project(self):
        key = self.home / "age.txt"
        subprocess.run(["age-keygen", "-o", key], check=True, capture_output=True)
        recipient = subprocess.run(["age-keygen", "-y", key], check=True, capture_output=True, text=True).stdout
        made = subprocess.run(
            ["python3", STORES / "sops.py", recipient.strip(), "yaml"], capture_output=True, check=True,
            input=json.dumps({"db": {"password": VALUE, "other": "x"}}).encode()).stdout.decode()
        self.write("deploy/app.yaml", made)
        inside = self.write("references", "T=sops://deploy/app.yaml#db.password\n")
        env = {"SOPS_AGE_KEY_FILE": str(key)}
        seen = self.run_box("printf %s \"$T\" | tr a-z A-Z; env", f"--env-file={inside}", env=env)
        self.assertIn(VALUE.upper(), seen)
        self.assertNotIn("SOPS_AGE", seen)
        self.assertNotIn(VALUE.encode(), self.everything_written())
        self.write("deploy/app.yaml", made.replace("other:", "othr:"))
        result = self.agentbox("run", f"--env-file={inside}", "--", "touch", "started", env=env)
        self.assertEqual(result.returncode, 78)
        self.assertIn(b"was changed without its key", result.stderr)
        self.assertFalse((self.project / "started").exists())
        inside.write_text(f"T=sops://{self.project}/deploy/app.yaml#db.password\n")
        result = self.agentbox("run", f"--env-file={inside}", "--", "true", env=env)
        self.assertEqual(result.returncode, 77)
        self.assertIn(b"sops:// references are not taken from a file inside the project", result.stderr)


if __name__ == "__main__":
    unittest.main()
