"""What compilers make in a box is what they make outside: nothing in it is taken for a secret."""
import hashlib
import shutil
import subprocess
import unittest

from sandbox import SessionTest

TOKEN = "ghp_" + "aZ3kQ9xT7bLm2VnR8cWd5YpJ4hGs6FuE1oAi"

# Names and strings of programs that handle credentials: compilers make "…cldtfp_34key_of…" of the
# first, which has the beginning and the length of a token; the strings announce keys and passwords.
LIBRARY = """
#include <cstdio>
#include <map>
#include <string>
struct Item { int key_of_this_item_in_the_long_table() const { return 3; } };
template <class T>
auto key_of(T t) -> decltype(t.key_of_this_item_in_the_long_table()) {
  return t.key_of_this_item_in_the_long_table();
}
template auto key_of<Item>(Item) -> decltype(Item().key_of_this_item_in_the_long_table());
void mark_live_reports_of_every_kind_there_is(std::map<std::string, int>& reports) {
  reports["sk_live"] = 1;
}
const char* const kMarks[] = {
    "-----BEGIN PRIVATE KEY-----", "-----BEGIN RSA PRIVATE KEY-----", "PuTTY-User-Key-File-",
    "BEGIN OpenVPN Static key V1", "\\"kty\\"", "jdbc:oracle:thin:", "@tcp(", "postgres://%s:%s@%s/",
    "Authorization: AWS4-HMAC-SHA256 Credential=", "password=%s", "token: \\"$a1HkQ9\\"",
    "machine %s login %s password Qx71kz", "*9*9*:*:*:*:*:*:*:*;*;*;*<*<", "default password b4dw0rd",
    "RC4-HMAC-MD5", "passwd:x9shell",
};
int marks() {
  std::map<std::string, int> reports;
  mark_live_reports_of_every_kind_there_is(reports);
  int length = 0;
  for (const char* mark : kMarks) length += std::snprintf(nullptr, 0, "%s", mark);
  return length + key_of(Item()) + static_cast<int>(reports.size());
}
"""
PROGRAM = "int marks();\nint main() { return marks() > 300 ? 0 : 1; }\n"
BUILD = ("mkdir -p out && for n in library program; do g++ -O1 -g -c $n.cpp -o out/$n.o || exit 1; done"
         " && rm -f out/liball.a && ar rcsD out/liball.a out/library.o out/program.o"
         " && g++ out/program.o out/liball.a -o out/program && ./out/program")
MADE = ["out/library.o", "out/program.o", "out/liball.a", "out/program"]


@unittest.skipUnless(shutil.which("g++") and shutil.which("ar"), "there is no g++ here")
class Builds(SessionTest):
    def hashes(self):
        return {name: hashlib.sha256((self.project / name).read_bytes()).hexdigest()
                for name in MADE}

    def setUp(self):
        super().setUp()
        self.write("library.cpp", LIBRARY)
        self.write("program.cpp", PROGRAM)

    def test_a_build_is_the_same_within_and_without(self):
        subprocess.run(["sh", "-c", BUILD], cwd=self.project, check=True, timeout=120)
        outside = self.hashes()
        # As the box reads what was made outside, and as it builds itself.
        listing = "sha256sum " + " ".join(MADE)
        expected = "".join(f"{digest}  {name}\n" for name, digest in outside.items())
        self.assertEqual(self.run_box(listing), expected)
        shutil.rmtree(self.project / "out")
        self.assertEqual(self.run_box(f"{BUILD} && {listing}", timeout=180), expected)
        self.assertEqual(self.hashes(), outside)
        self.assertEqual([r["subject"] for r in self.records() if r["event"] == "find"], [])

    def test_a_token_in_a_binary_is_no_less_found(self):
        (self.project / "notes.db").write_bytes(
            b"SQLite format 3\0\x10\0\1\1" + bytes(600) + b"me@example.org" + TOKEN.encode() +
            b"\0\7rest" + bytes(600))
        output = self.run_box("cat notes.db | tr -d '\\000'")
        self.assertIn("me@example.org", output)
        self.assertNotIn(TOKEN[8:30], output)
