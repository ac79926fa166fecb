"""`agentbox explain PATH`: what names and contents decide, and never a value."""
import json
import unittest

from sandbox import SessionTest

TOKEN = "ghp_" + "aZ3kQ9xT7bLm2VnR8cWd5YpJ4hGs6FuE1oAi"
PASSWORD = "kT9#vQ2m!xW7pL4z"


class Explain(SessionTest):
    def explain(self, *arguments):
        """As JSON; neither form may hold a value."""
        forms = []
        for form in ([], ["--json"]):
            result = self.agentbox("explain", *form, *arguments)
            self.assertEqual(result.returncode, 0, result.stderr.decode())
            self.assertNotIn(TOKEN[4:], result.stdout.decode())
            self.assertNotIn(PASSWORD, result.stdout.decode())
            forms.append(result.stdout.decode())
        self.text = forms[0]
        return json.loads(forms[1])

    def test_what_is_found_in_a_file(self):
        self.write(".env", f"DB_PASSWORD={PASSWORD}\n")
        self.write("settings.txt", f"a = 1\ntoken = {TOKEN}\n\nword {PASSWORD}\n")
        answer = self.explain("settings.txt")
        self.assertEqual(answer["decision"], "redacted")
        self.assertEqual(answer["detect"]["choice"], "redact")
        self.assertEqual([(f["line"], f["copy_of"]) for f in answer["findings"]],
                         [(2, ""), (4, ".env")])
        self.assertIn("line 2: ", self.text)
        self.assertIn("line 4: Value of a hidden file, a value that also stands in .env", self.text)
        # The box sees what is said.
        self.assertIn("token = ****", self.run_box("cat settings.txt"))

    def test_a_file_without_a_secret(self):
        self.write("plain.txt", "hello\n")
        answer = self.explain("plain.txt")
        self.assertEqual((answer["decision"], answer["findings"]), ("shown", []))
        self.assertTrue(answer["searched"])
        self.assertEqual(answer["write_secrets"]["choice"], "mask")

    def test_the_line_that_chose(self):
        self.policy(files={"detect": {"closed/": "deny", "docs/": "report", "off/": "off"},
                           "write_secrets": {"closed/": "deny"}})
        self.trust()
        for name in ("closed", "docs", "off"):
            self.write(f"{name}/a.txt", f"token = {TOKEN}\n")
        answer = self.explain("closed/a.txt")
        self.assertEqual((answer["decision"], answer["detect"]["choice"],
                          answer["detect"]["rule"]), ("denied", "deny", "closed/"))
        self.assertTrue(answer["detect"]["place"].startswith("agentbox.json:1:"), answer)
        self.assertEqual(answer["write_secrets"]["choice"], "deny")
        self.assertEqual(len(answer["findings"]), 1)
        self.assertEqual(self.explain("docs/a.txt")["decision"], "shown")
        answer = self.explain("off/a.txt")
        self.assertEqual((answer["decision"], answer["findings"], answer["searched"]),
                         ("shown", [], False))

    def test_names_whose_contents_decide(self):
        self.write(".npmrc", "//registry.example.org/:_authToken=" + PASSWORD + "\n")
        self.assertEqual(self.explain(".npmrc")["decision"], "hidden")
        self.write(".npmrc", "registry=https://registry.example.org/\n")
        self.assertEqual(self.explain(".npmrc")["decision"], "shown")
        self.write(".env", "KEY=op://vault/item/key\n")
        self.assertEqual(self.explain(".env")["decision"], "read-only")
        self.write(".env", f"KEY={PASSWORD}\n")
        self.assertEqual(self.explain(".env")["decision"], "hidden")

    def test_another_name_of_a_hidden_file(self):
        self.write(".env", f"KEY={PASSWORD}\n")
        (self.project / "other.txt").hardlink_to(self.project / ".env")
        answer = self.explain("other.txt")
        self.assertEqual((answer["decision"], answer["findings"]), ("hidden", []))
        self.assertIn(".env", answer["detail"])

    def test_with_masks(self):
        self.write("settings.txt", f"token = {TOKEN}\n")
        live = self.explain("settings.txt", "--view", "live")
        masks = self.explain("settings.txt", "--view", "masks")
        self.assertEqual((live["files"], live["decision"]), ("live view", "redacted"))
        self.assertEqual((masks["files"], masks["decision"]), ("masks", "hidden"))
        self.assertNotIn("write_secrets", masks)
        self.assertIn("masks", self.text)
        result = self.agentbox("run", "--view", "masks", "--", "cat", "settings.txt")
        self.assertNotEqual(result.returncode, 0)
        self.assertNotIn(b"****", result.stdout)
        self.assertNotIn(TOKEN.encode(), result.stdout)


if __name__ == "__main__":
    unittest.main()
