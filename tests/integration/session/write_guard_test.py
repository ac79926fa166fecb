"""What a box writes down of the values that it was given."""
import base64
import json
import subprocess
import unittest

from sandbox import AGENTBOX, SessionTest

VALUE = "kT9#vQ2m!xW7pL4zR8c"
STARS = "*" * len(VALUE)
WRITERS = [
    'printf "%s\\n" "$DB_PASSWORD" >f',
    'printf "%s" "$DB_PASSWORD" >>f; echo >>f',
    "python3 -c \"import os; open('f','w').write(os.environ['DB_PASSWORD']+'\\n')\"",
    'echo X >f; sed -i "s/X/$DB_PASSWORD/" f',
    'python3 -c "\nimport os\nv = os.environ[\'DB_PASSWORD\']\n'
    'for part in v[:7], v[7:], \'\\n\':\n    open(\'f\', \'a\').write(part)"',
    'python3 -c "\nimport mmap, os\nv = (os.environ[\'DB_PASSWORD\'] + \'\\n\').encode()\n'
    'f = os.open(\'f\', os.O_RDWR | os.O_CREAT)\nos.ftruncate(f, len(v))\n'
    'm = mmap.mmap(f, 0)\nm[:] = v\nm.flush()"',
]


class WriteGuard(SessionTest):
    def setUp(self):
        super().setUp()
        self.secret("db", VALUE)
        self.give()

    def give(self, **files):
        self.policy(secrets={"database": {"from": "local://db", "as": {"env": "DB_PASSWORD"}}},
                    scopes={"main": {"secrets": ["database"]}},
                    home={"write": ["~/.tool/"]}, **({"files": files} if files else {}))
        self.trust()
        (self.home / ".tool").mkdir(exist_ok=True)

    def writes(self):
        return [(r["subject"], r["reason"], r["outcome"]) for r in self.records()
                if r["event"] == "write"]

    def test_project_and_home_in_every_way(self):
        for place in (self.project, self.home / ".tool"):
            for writer in WRITERS:
                self.run_box(f"cd {place}; {writer}")
                self.assertEqual((place / "f").read_text(), STARS + "\n", writer)
                (place / "f").unlink()
            self.assertIn((f"{place}/f", "secret database", "masked"), self.writes())
        self.assertNotIn(VALUE, json.dumps(self.records()))
        self.verify()

    def test_allow_is_the_control(self):
        self.give(write_secrets="allow")
        for place in (self.project, self.home / ".tool"):
            for writer in WRITERS:
                self.run_box(f"cd {place}; {writer}")
                self.assertEqual((place / "f").read_text(), VALUE + "\n", writer)
                (place / "f").unlink()
        self.assertEqual(self.writes(), [])

    def test_base64(self):
        self.run_box('printf %s "user:$DB_PASSWORD" | base64 >f')
        encoded = base64.b64encode(f"user:{VALUE}".encode()).decode()
        text = (self.project / "f").read_text()
        self.assertEqual(len(text), len(encoded) + 1)
        self.assertNotIn(encoded[8:-4], text)
        self.assertIn("****", text)

    def test_each_path_by_its_glob(self):
        self.give(write_secrets={"closed/": "deny", "open/": "allow", "~/.tool/open/**": "allow",
                                 "~/.tool/closed/**": "deny"})
        for base in (self.project, self.home / ".tool"):
            for name in ("closed", "open", "other"):
                (base / name).mkdir()
            script = f'cd {base}; for d in closed open other; do echo "$DB_PASSWORD" >$d/f; done'
            result = self.agentbox("run", "--", "bash", "-c", script)
            self.assertIn(b"Permission denied", result.stderr + result.stdout)
            self.assertEqual((base / "closed/f").read_text(), "")
            self.assertEqual((base / "open/f").read_text(), VALUE + "\n")
            self.assertEqual((base / "other/f").read_text(), STARS + "\n")
        self.assertEqual(
            sorted(self.writes()),
            sorted((f"{base}/{name}/f", "secret database", outcome)
                   for base in (self.project, self.home / ".tool")
                   for name, outcome in (("closed", "denied"), ("other", "masked"))))

    def test_a_repository_does_not_weaken_what_the_user_chose(self):
        self.write(".config/agentbox/policy.json",
                   json.dumps({"version": 1, "files": {"write_secrets": "deny"}}), self.home)
        self.give(write_secrets={"**": "allow"})
        result = self.agentbox("run", "--", "bash", "-c", 'echo "$DB_PASSWORD" >f')
        self.assertNotEqual(result.returncode, 0)
        self.assertEqual((self.project / "f").read_text(), "")

    def test_what_git_gets(self):
        subprocess.run(["git", "init", "-q"], cwd=self.project, env=self.environment, check=True)
        self.run_box('echo "$DB_PASSWORD" >f; git add f; '
                     'git -c user.name=a -c user.email=b commit -qm one; git status --porcelain')
        text = subprocess.run(["git", "show", "HEAD:f"], cwd=self.project, env=self.environment,
                              check=True, capture_output=True, text=True).stdout
        self.assertEqual(text, STARS + "\n")
        subprocess.run(["git", "fsck", "--strict"], cwd=self.project, env=self.environment,
                       check=True, capture_output=True)

    def test_what_is_no_secret_is_written(self):
        self.write(".env.dev", "GREETING=hello-there-world\nAPI_KEY=changeme-please\n")
        self.run_box('echo "$GREETING $API_KEY" >f', "--env-file", ".env.dev")
        self.assertEqual((self.project / "f").read_text(), "hello-there-world changeme-please\n")
        self.assertEqual(self.writes(), [])

    def test_masks_leave_what_is_written(self):
        self.run_box('echo "$DB_PASSWORD" >.tool-output', "--view", "masks")
        self.assertEqual((self.project / ".tool-output").read_text(), VALUE + "\n")
        self.assertEqual(self.writes(), [])


if __name__ == "__main__":
    unittest.main()
