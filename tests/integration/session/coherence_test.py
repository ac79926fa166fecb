"""Both sides of a real box at once: what is changed outside, what is changed in it, and a box that dies."""
import os
import signal
import subprocess
import time
import unittest

from sandbox import AGENTBOX, SessionTest

# Long enough for any machine, far shorter than what a box keeps where changes are not told to it.
PATIENCE = 30


class Box(SessionTest):
    """A box with a shell that runs one line after the other."""

    def start(self):
        self.box = subprocess.Popen(
            [AGENTBOX, "run", "--fresh", "--", "sh"], cwd=self.project, env=self.environment,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.addCleanup(self.end)

    def end(self):
        self.box.kill()
        self.box.wait()
        self.box.stdin.close()
        self.box.stdout.close()

    def send(self, line):
        self.box.stdin.write(line + "\n")
        self.box.stdin.flush()

    def ask(self, line):
        self.send(f"{line} 2>&1; echo; echo end-of-answer")
        seen = ""
        while not seen.endswith("end-of-answer\n"):
            part = self.box.stdout.readline()
            self.assertTrue(part, "the box is gone")
            seen += part
        return seen.removesuffix("end-of-answer\n").strip()

    def wait_for(self, condition, what):
        end = time.monotonic() + PATIENCE
        while not condition():
            self.assertLess(time.monotonic(), end, what)
            time.sleep(0.02)

    def becomes(self, line, answer):
        self.wait_for(lambda: self.ask(line) == answer, f"{line}: {self.ask(line)!r}, not {answer!r}")


class Coherence(Box):
    def test_edits_names_and_removals_outside_are_seen(self):
        self.write("src/a.txt", "one")
        self.start()
        self.assertEqual(self.ask("cat src/a.txt; ls src"), "onea.txt")
        self.write("src/a.txt", "two")
        self.becomes("cat src/a.txt", "two")
        self.assertIn("No such file", self.ask("cat src/new.txt"))
        self.write("src/new.txt", "new")
        self.becomes("cat src/new.txt", "new")
        os.rename(self.project / "src/new.txt", self.project / "src/moved.txt")
        self.becomes("echo $(ls src)", "a.txt moved.txt")
        os.remove(self.project / "src/a.txt")
        self.becomes("echo $(ls src)", "moved.txt")
        # As editors save: a new file renamed over the old one.
        self.write("src/.moved.swp", "saved")
        os.rename(self.project / "src/.moved.swp", self.project / "src/moved.txt")
        self.becomes("cat src/moved.txt", "saved")

    def test_the_log_has_no_word_of_time_outs(self):
        """What the tests above show is what is told, not what expired."""
        self.write("src/a.txt", "one")
        self.start()
        self.ask("cat src/a.txt")
        self.end()
        self.assertEqual([r for r in self.records() if r["event"] == "watch"], [])

    def test_what_the_box_writes_is_outside_when_it_closes(self):
        self.start()
        for number in range(20):
            self.ask(f"echo {number} >f{number} && mv f{number} g")
            self.assertEqual((self.project / "g").read_text(), f"{number}\n")
            self.assertFalse((self.project / f"f{number}").exists())
        self.ask("exec 3>open; echo text >&3")
        self.assertEqual((self.project / "open").read_text(), "text\n")

    def test_a_file_made_in_the_box_and_edited_outside_is_seen(self):
        self.start()
        self.ask("mkdir made && echo 1 >made/f && ln -s f made/l")
        self.assertEqual(self.ask("cat made/f made/l; test -e made/gone"), "1\n1")
        self.write("made/f", "22")
        self.becomes("cat made/f", "22")
        os.remove(self.project / "made/l")
        os.symlink("elsewhere", self.project / "made/l")
        self.becomes("readlink made/l", "elsewhere")


class Killed(Box):
    """The supervisor is killed (kill -9) in the middle of work. Nothing that was there is touched but by
    what the box's own programs had done, and what they had been told was written is there."""

    def kill(self, when):
        self.wait_for(when, "the box never came that far")
        self.box.send_signal(signal.SIGKILL)
        self.box.wait()

    def test_many_files_are_whole_or_not_there(self):
        keep = self.write("keep.txt", "k" * 100_000)
        self.start()
        self.send("i=0; while :; do i=$((i+1)); echo content-of-this-file >t && mv t n$i; done")
        self.kill(lambda: len(list(self.project.glob("n*"))) > 100)
        for path in self.project.glob("n*"):
            self.assertEqual(path.read_text(), "content-of-this-file\n")
        self.assertEqual(keep.read_text(), "k" * 100_000)

    def test_a_big_file_holds_a_prefix_of_what_was_written(self):
        old = self.write("old.bin", "o" * 1_000_000)
        self.start()
        self.send("seq 1 100000000 >big")
        big = self.project / "big"
        self.kill(lambda: big.exists() and big.stat().st_size > 3_000_000)
        text = big.read_text()
        self.assertGreater(len(text), 3_000_000)
        lines = text.split("\n")
        self.assertEqual(lines[:-1], [str(n) for n in range(1, len(lines))])
        self.assertEqual(old.read_text(), "o" * 1_000_000)

    def test_a_file_that_is_replaced_is_the_old_or_the_new_one(self):
        config = self.write("config.json", "version 0\n")
        self.start()
        self.send("i=0; while :; do i=$((i+1)); (echo version $i; seq 500; echo end) >config.new && "
                  "mv config.new config.json; done")
        self.kill(lambda: "version 0\n" != config.read_text())
        lines = config.read_text().splitlines()
        self.assertRegex(lines[0], r"^version \d+$")
        self.assertEqual(lines[1:], [str(n) for n in range(1, 501)] + ["end"])

    def test_a_repository_is_whole_after_a_commit_that_was_cut_off(self):
        git = ["git", "-c", "user.name=t", "-c", "user.email=t@example.com"]
        self.write("a.txt", "first\n")
        for words in (["init", "-q", "."], ["add", "-A"], ["commit", "-qm", "first"]):
            subprocess.run([*git, *words], cwd=self.project, check=True)
        self.start()
        self.send("i=0; while :; do i=$((i+1)); echo $i >a.txt; echo $i >f$i; git add -A; "
                  "git -c user.name=b -c user.email=b@example.com commit -qm $i; done >/dev/null 2>&1")
        count = lambda: subprocess.run(["git", "rev-list", "--count", "HEAD"], cwd=self.project,
                                       capture_output=True, text=True).stdout.strip()
        self.kill(lambda: int(count() or 0) > 3)
        for lock in self.project.glob(".git/**/*.lock"):  # as git itself says to after a crash
            lock.unlink()
        checked = subprocess.run(["git", "fsck", "--full", "--strict"], cwd=self.project,
                                 capture_output=True, text=True)
        self.assertEqual(checked.returncode, 0, checked.stderr)
        self.assertGreater(int(count()), 3)
        subprocess.run([*git, "status"], cwd=self.project, check=True, capture_output=True)


class Synced(Box):
    @unittest.skipIf(subprocess.run(["sh", "-c", "command -v strace"], capture_output=True).returncode != 0,
                     "strace is not installed")
    def test_fsync_in_the_box_is_fsync_of_the_users_file(self):
        self.start()
        self.ask("echo x >f")
        trace = self.place / "trace"
        tracer = subprocess.Popen(
            ["strace", "-f", "-y", "-e", "trace=fsync,fdatasync", "-o", str(trace), "-p", str(self.box.pid)],
            stderr=subprocess.PIPE, text=True)
        self.addCleanup(tracer.stderr.close)
        first = tracer.stderr.readline()
        if "attached" not in first:
            tracer.wait()
            self.skipTest("strace may not attach here: " + first.strip())
        self.ask("echo text >f")
        self.ask("sync -d f; sync f; sync .")
        tracer.send_signal(signal.SIGINT)
        tracer.wait()
        calls = trace.read_text()
        self.assertRegex(calls, rf"fdatasync\(\d+<{self.project}/f>")
        self.assertRegex(calls, rf"fsync\(\d+<{self.project}/f>")
        self.assertRegex(calls, rf"fsync\(\d+<{self.project}>")


if __name__ == "__main__":
    unittest.main()
