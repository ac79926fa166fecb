"""Secret files that appear, move and change outside while a box runs."""

import os
import secrets
import shutil
import subprocess
import sys
import time
import unittest

import place

# Looks every 10 ms at whatever is there, by every name that it can see or guess, and in descriptors
# opened earlier. Says what it found, and how often it looked.
READER = r"""
import os, sys, time
needle, stop = sys.argv[1].encode()[::-1], sys.argv[2]
guesses = sys.argv[3].split(":")
found, rounds, held = set(), 0, []
def look(name):
    try:
        with open(name, "rb", buffering=0) as file:
            if needle in file.read(1 << 16):
                found.add(name)
            if len(held) < 200:
                held.append((name, os.dup(file.fileno())))
    except OSError:
        pass
while not os.path.exists(stop):
    for name in set(os.listdir(".") + guesses):
        if not os.path.isdir(name):
            look(name)
    for name, descriptor in held:
        if needle in os.pread(descriptor, 1 << 16, 0):
            found.add("held open: " + name)
    rounds += 1
    if rounds == 1:
        print("up", flush=True)
    time.sleep(0.01)
print("rounds", rounds, "found", sorted(found))
"""

GUESSES = ".env:.env.new:.env.local:.env.swp:.env~:notes.txt:link.txt:4913"


class ChangesTest(place.Place):
    def setUp(self):
        super().setUp()
        self.write("notes.txt", "nothing secret\n")
        (self.project / "link.txt").symlink_to(".env")

    def secret(self):
        return f"API_KEY={self.canary}{secrets.token_hex(4)}\n"

    def replace_by_rename(self):
        """mv .env.new .env"""
        self.write(".env.new", self.secret())
        os.rename(self.project / ".env.new", self.project / ".env")

    def new_file(self):
        self.write(".env.local", self.secret())
        time.sleep(0.005)
        os.unlink(self.project / ".env.local")

    def hard_link(self):
        """The same file by a harmless name."""
        os.unlink(self.project / "notes.txt")
        os.link(self.project / ".env", self.project / "notes.txt")

    def rewrite_in_place(self):
        self.write(".env", self.secret())

    def save_by_editor(self):
        """vim's own way to save: a backup, a swap file and a rename."""
        vi = shutil.which("vim.tiny") or shutil.which("vim")
        if vi is None:
            self.fail("vim-tiny is not installed (packaging/debian-dependencies.txt)")
        subprocess.run([vi, "-u", "NONE", "-es", "-c", "set backup", "-c", "normal! ox=1",
                        "-c", "wq", ".env"], cwd=self.project, env=self.environment,
                       stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, timeout=30)

    def watch(self, boxed, change, times):
        """What a reader inside finds while `change` is done outside."""
        stop = self.project / "stop"
        # Reversed, so that the reader's own command line is no find.
        line = [sys.executable if not boxed else "/usr/bin/python3", "-c", READER,
                self.canary[::-1], "stop", GUESSES]
        process = self.start(self.box(*line) if boxed else line)
        ready = process.stdout.readline()
        if ready != b"up\n":
            self.fail(f"the reader does not start: {process.communicate()}")
        for _ in range(times):
            change()
            time.sleep(0.002)
        stop.touch()
        out, err = process.communicate(timeout=60)
        stop.unlink()
        self.assertEqual(process.returncode, 0, err.decode())
        return out.decode()

    def check(self, change, times=300):
        # The control: without a box the same reader finds it.
        self.assertNotIn("found []", self.watch(False, change, times), "the reader sees nothing")
        said = self.watch(True, change, times)
        self.assertIn("found []", said)
        self.assertGreater(int(said.split()[1]), 10, "the reader hardly ran")
        self.verify_log()

    def test_replace_by_rename(self):
        self.check(self.replace_by_rename)

    def test_new_file(self):
        self.check(self.new_file)

    def test_hard_link(self):
        self.check(self.hard_link)

    def test_rewrite_in_place(self):
        self.check(self.rewrite_in_place)

    def test_save_by_editor(self):
        self.check(self.save_by_editor, times=20)


if __name__ == "__main__":
    unittest.main()
