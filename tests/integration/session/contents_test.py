"""What a box can read of secrets in files with ordinary names."""
import base64
import json
import subprocess
import unittest

from sandbox import AGENTBOX, SessionTest

# Looks like what a service hands out, and is none.
TOKEN = "ghp_" + "aZ3kQ9xT7bLm2VnR8cWd5YpJ4hGs6FuE1oAi"
PASSWORD = "kT9#vQ2m!xW7pL4z"

READERS = [
    "cat {0}", "grep -a '' {0}", "sed -n p {0}", "head -c 4000 < {0}", "tail -n 3 {0}",
    "cp {0} copied; cat copied; rm copied", "tar cO {0}", "strings {0}", "od -c {0} | tr -d ' \\n'",
    "python3 -c 'import mmap; f=open(\"{0}\"); print(mmap.mmap(f.fileno(), 0, prot=1)[:])'",
    "dd if={0} bs=7 2>/dev/null", "dd if={0} bs=4096 iflag=direct 2>/dev/null",
    "ln -s {0} link; cat link; rm link", "git diff --no-index /dev/null {0} || true",
]


class Contents(SessionTest):
    def read_all_ways(self, name):
        return "".join(self.run_box(reader.format(name)) for reader in READERS)

    def test_a_token_under_an_ordinary_name(self):
        self.write("settings.txt", f"url = https://example.org\ntoken = {TOKEN}\nlast = line\n")
        output = self.read_all_ways("settings.txt")
        self.assertNotIn(TOKEN[4:], output)
        self.assertNotIn(TOKEN[10:30], output)
        self.assertIn("url = https://example.org", output)
        self.assertIn("last = line", output)
        self.assertIn("****", output)
        self.assertIn(TOKEN, (self.project / "settings.txt").read_text())

    def test_off_shows_it(self):
        self.policy(files={"detect": "off"})
        self.trust()
        self.write("settings.txt", f"token = {TOKEN}\n")
        self.assertIn(TOKEN, self.run_box("cat settings.txt"))

    def test_each_file_by_its_glob(self):
        self.policy(files={"detect": {"**": "redact", "closed/**": "deny", "docs/**": "report"}})
        self.trust()
        for name in ("a.txt", "closed/a.txt", "docs/a.txt"):
            self.write(name, f"token = {TOKEN}\n")
        output = self.run_box("cat a.txt; cat closed/a.txt 2>&1; cat docs/a.txt; true")
        self.assertEqual(output, "token = " + "*" * len(TOKEN) + "\n"
                         "cat: closed/a.txt: Permission denied\n" f"token = {TOKEN}\n")
        found = {(r["subject"][len(str(self.project)) + 1:], r["outcome"]) for r in self.records()
                 if r["event"] == "find"}
        self.assertEqual(found, {("a.txt", "redacted"), ("closed/a.txt", "denied"),
                                 ("docs/a.txt", "shown")})
        self.assertNotIn(TOKEN, json.dumps(self.records()))
        self.verify()

    def test_it_is_not_written_over(self):
        self.write("settings.txt", f"token = {TOKEN}\n")
        self.run_box("! sed -i s/token/key/ settings.txt; cat settings.txt >t; ! cp t settings.txt;"
                     " ! mv t settings.txt; ! rm -f settings.txt")
        self.assertEqual((self.project / "settings.txt").read_text(), f"token = {TOKEN}\n")

    def test_a_released_value_is_found_in_files(self):
        self.policy(secrets={"database": {"from": "local://db", "as": {"env": "DB_PASSWORD"}}},
                    scopes={"main": {"secrets": ["database"]}})
        self.trust()
        self.secret("db", PASSWORD)
        self.write("notes.txt", f"the word is {PASSWORD} here\n")
        self.write("log", "sent " + base64.b64encode(PASSWORD.encode()).decode() + "\n")
        output = self.run_box("cat notes.txt log", "--no-masking")
        self.assertTrue(output.startswith("the word is " + "*" * len(PASSWORD) + " here\nsent ****"))
        # The end of a value in base64 depends on what follows it.
        self.assertNotIn(base64.b64encode(PASSWORD.encode()).decode()[:-3], output)

    def test_copies_of_what_a_hidden_file_holds(self):
        # Control: without the hidden file it is a word like any other.
        self.write("notes.txt", f"the word is {PASSWORD} here\n")
        self.assertIn(PASSWORD, self.run_box("cat notes.txt"))
        self.write(".env", f"DB_PASSWORD={PASSWORD}\nPORT=3000\n")
        self.write("build.log", "Authorization: Basic " +
                   base64.b64encode(b"admin:" + PASSWORD.encode()).decode() + "\n")
        self.write("note.ipynb", json.dumps({"cells": [{"source": [f"p = '{PASSWORD}'"]}]}))
        with open(self.project / "big.txt", "w") as big:
            big.write("line of ordinary text\n" * 200_000 + PASSWORD + "\n")
        output = self.read_all_ways("notes.txt") + self.run_box("cat build.log note.ipynb; rg . || "
                                                                "grep -r . .; tail -c 99 big.txt")
        self.assertNotIn(PASSWORD, output)
        self.assertNotIn(PASSWORD[3:11], output)
        self.assertNotIn(base64.b64encode(b"admin:" + PASSWORD.encode()).decode()[10:26], output)
        self.assertIn("the word is **", output)
        reasons = {r["reason"] for r in self.records() if r["event"] == "find"}
        self.assertIn("value of .env", reasons)

    def test_a_hidden_file_that_appears_later(self):
        self.write("notes.txt", f"the word is {PASSWORD} here\n")
        # Looked up before, so that the change is told.
        box = subprocess.Popen(
            [AGENTBOX, "run", "--", "sh", "-c",
             "ls -a . >/dev/null; cat notes.txt; echo up; read go; sleep 1; cat notes.txt"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=self.project, env=self.environment,
            text=True)
        self.assertIn(PASSWORD, box.stdout.readline())
        box.stdout.readline()
        self.write(".env", f"DB_PASSWORD={PASSWORD}\n")
        output, _ = box.communicate("go\n", timeout=60)
        self.assertIn("the word is ****", output)
        self.assertNotIn(PASSWORD, output)

    def test_git_commits_no_stars(self):
        def git(script):
            return subprocess.run(["sh", "-ec", script], cwd=self.project, check=True, text=True,
                                  env=self.environment, capture_output=True).stdout
        for name in ("settings.txt", "lines.txt"):
            (self.project / name).write_bytes(
                (f"token = {TOKEN}" + ("\r\n" if name == "lines.txt" else "\n")).encode())
        self.write("plain.txt", "a\n")
        git("git init -q; git config user.email a@b; git config user.name c;"
            "git config core.autocrlf input; git add .; git commit -qm first")
        # Times in doubt: git in the box reads the files.
        git("sleep 0.1; touch settings.txt lines.txt")
        self.write("untracked.txt", f"other = {TOKEN}\n")
        for script in ("git commit -qam stars", "git add -A; git commit -qm stars",
                       "git stash -q -u", "git add untracked.txt", "git hash-object -w settings.txt"):
            self.agentbox("run", "--", "sh", "-c", script)
        self.run_box("echo b >plain.txt; git commit -qm plain plain.txt")
        objects = git("git cat-file --batch-all-objects --batch-check | grep blob | cut -c1-40 |"
                      " while read o; do git cat-file -p $o; echo; done; git log --format=%s")
        self.assertNotIn("***", objects)
        self.assertIn(TOKEN, objects)
        self.assertIn("plain\n", objects)
        self.assertEqual(git("git status --porcelain"), "?? untracked.txt\n")


if __name__ == "__main__":
    unittest.main()
