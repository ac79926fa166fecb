"""What a box without a live view does to see what is masked, or to leave something behind. Each attack has a
control: the same where nothing is masked."""
import fcntl
import os
import pathlib
import pty
import signal
import subprocess
import time
import unittest

from sandbox import AGENTBOX
from fallback_test import MaskedTest, PATIENCE

PLANTED = ".agentbox-aside"


class DirectoryTest(MaskedTest):
    """A mask lies on a path in one mount: no process may be in a directory below another mount."""

    def setUp(self):
        super().setUp()
        self.policy()  # what makes the project's root

    def inside(self, directory, script):
        result = self.agentbox("run", "--view", "masks", "--", "sh", "-c", script,
                               cwd=self.project / directory)
        return result.returncode, (result.stdout + result.stderr).decode()

    def test_a_command_that_starts_in_a_protected_directory(self):
        self.write(".claude/.env", "A=outer\n")
        self.write(".claude/settings.json", "{}")
        _, output = self.inside(".claude", "cat .env; echo x > new; echo x > settings.json; pwd")
        self.assertNotIn("outer", output)
        self.assertEqual(output.count("Read-only file system"), 2, output)
        self.assertIn("/.claude\n", output)
        self.write("plain/.env.example", "outer\n")
        self.assertIn("outer", self.inside("plain", "cat .env.example")[1])

    def test_a_command_cannot_start_in_a_hidden_directory(self):
        self.write(".aws/credentials", "outer\n")
        status, output = self.inside(".aws", "cat credentials")
        self.assertEqual(status, 125, output)
        self.assertIn("is hidden from the box", output)
        self.assertNotIn("outer", output.replace(str(self.place), ""))

    def test_no_other_process_has_an_uncovered_directory(self):
        self.write(".claude/.env", "A=outer\n")
        _, output = self.inside(
            ".claude", "for p in /proc/[0-9]*; do cat $p/cwd/.env $p/cwd/.claude/.env "
            f"$p/root{self.project}/.claude/.env $p/cwd{self.project}/.claude/.env; done")
        self.assertNotIn("outer", output)

    def test_a_directory_whose_name_decides_keeps_it(self):
        self.write("sub/config", "A=outer\n")
        self.write(".git/config", "[core]\n")
        self.write("other/config", "other\n")
        self.policy(files={"hide": ["/sub/config"]})
        self.trust()
        output = self.run_box("mv sub x; mv .git y; mv other z; ls -d sub .git z; cat x/config; true")
        self.assertEqual(output, ".git\nsub\nz\n")
        self.assertEqual((self.project / "z/config").read_text(), "other\n")


class PlantTest(MaskedTest):
    """A protected name that the box makes is not there any more when the session has ended."""

    def plant(self, script, name, text=None, aside=None):
        result = self.agentbox("run", "--view", "masks", "--", "sh", "-c", script)
        self.assertEqual(result.returncode, 77, result.stdout + result.stderr)
        self.assertIn("was renamed to", result.stderr.decode())
        self.assertFalse(os.path.lexists(self.project / name), name)
        aside = self.project / (aside or name + PLANTED)
        self.assertTrue(os.path.lexists(aside), sorted(self.project.rglob("*")))
        if text is not None:
            self.assertEqual(aside.read_text(), text)

    def test_with_its_last_breath(self):
        for _ in range(10):
            self.plant("echo evil > .mcp.json", ".mcp.json")
            (self.project / (".mcp.json" + PLANTED)).unlink()

    def test_in_a_directory_that_it_prepared(self):
        self.plant("mkdir d; echo evil > d/config; mkdir d/hooks; mv d .git", ".git/config", "evil\n")
        self.assertTrue((self.project / (".git/hooks" + PLANTED)).is_dir())

    def test_where_a_protected_directory_was_moved_away(self):
        self.write("sub/.claude/settings.json", "{}")
        self.plant("mv sub s; mkdir -p sub/.claude; echo evil > sub/.claude/settings.json",
                   "sub/.claude")
        self.assertEqual((self.project / "s/.claude/settings.json").read_text(), "{}")

    def test_over_a_link(self):
        for script in ("rm .envrc; ln -s evil .envrc", "ln -s evil l; mv -T l .envrc",
                       "echo evil > f; mv f .envrc"):
            with self.subTest(script):
                (self.project / ".envrc").symlink_to("own")
                # ".envrc.*" is protected as well.
                self.plant(script, ".envrc", aside=PLANTED[1:])
                (self.project / PLANTED[1:]).unlink()

    def test_where_the_user_removed_one(self):
        self.write(".mcp.json", "{}")
        process = self.start("sh", "-c", ": > ready; while [ -e .mcp.json ]; do sleep 0.01; done;"
                             f"echo evil > .mcp.json; sleep {PATIENCE}")
        self.await_file("ready")
        (self.project / ".mcp.json").unlink()
        self.assertIn("was renamed", self.finish(process, 77))
        self.assertFalse((self.project / ".mcp.json").exists())

    def test_while_events_are_lost(self):
        self.write("a/.env", "A=outer\n")
        with open("/proc/sys/fs/inotify/max_queued_events", encoding="ascii") as file:
            most = int(file.read())
        if most > 50000:
            self.skipTest(f"fs.inotify.max_queued_events is {most}: it takes too long to fill")
        process = self.start("sh", "-c", ": > ready; while [ ! -e go ]; do sleep 0.01; done;"
                             f"mkdir m; i=0; while [ $i -lt {most} ]; do : > f$i; i=$((i+1)); done;"
                             f": > full; ln -s evil .envrc; sleep {PATIENCE}")
        self.await_file("ready")
        process.send_signal(signal.SIGSTOP)
        self.write("go", "")
        self.await_file("full")
        while not os.path.lexists(self.project / ".envrc"):
            time.sleep(0.01)
        process.send_signal(signal.SIGCONT)
        self.assertIn("was renamed", self.finish(process, 77))
        self.assertTrue((self.project / PLANTED[1:]).is_symlink())

    def test_control_other_names_stay(self):
        self.run_box("echo fine > mcp.json; mkdir d; echo fine > d/config; ln -s x envrc")
        self.assertEqual((self.project / "mcp.json").read_text(), "fine\n")
        self.assertEqual((self.project / "d/config").read_text(), "fine\n")


class ContentTest(MaskedTest):
    def test_a_credential_is_masked_while_its_writer_has_it_open(self):
        (self.project / ".npmrc").write_text("fund=false\n")
        with open(self.project / ".npmrc", "a", encoding="utf-8") as file:
            def act():
                file.write("//registry.example/:_authToken=outer\n")
                file.flush()

            self.unreadable(".npmrc", act)

    def test_a_file_with_references_only_is_shown_read_only(self):
        self.write(".env", "A=op://Dev/db/url\n")
        output = self.run_box("cat .env; echo B=inner >> .env; true")
        self.assertEqual(output, "A=op://Dev/db/url\n")
        self.assertEqual((self.project / ".env").read_text(), "A=op://Dev/db/url\n")

    def test_one_that_gets_a_value_is_masked(self):
        self.write(".env", "A=op://Dev/db/url\n")
        self.unreadable(".env", lambda: self.write(".env", "A=op://Dev/db/url\nB=outer\n"))


class PlaceTest(MaskedTest):
    """Where masks do not hold, nothing starts."""

    def in_namespace(self, before):
        return subprocess.run(
            ["unshare", "-rm", "sh", "-c", f'{before} && exec "$@"', "sh", AGENTBOX, "run", "--view",
             "masks", "--", "true"],
            cwd=self.project, env=self.environment, capture_output=True, timeout=60)

    def test_a_file_system_that_changes_unseen(self):
        (self.project / "m").mkdir()
        self.write("f", "")
        for before in ("mount --bind /proc/sys m", "mount --bind /proc/version f"):
            result = self.in_namespace(before)
            self.assertEqual(result.returncode, 125, result.stderr)
            self.assertIn("is on a file system", result.stderr.decode())
        self.assertEqual(self.in_namespace("mount -t tmpfs none m").returncode, 0)

    def test_a_directory_that_is_there_twice(self):
        (self.project / "a").mkdir()
        (self.project / "b").mkdir()
        result = self.in_namespace("mount --bind a b")
        self.assertEqual(result.returncode, 125, result.stderr)
        self.assertIn("mounted twice", result.stderr.decode())

    def test_a_second_name_in_the_home(self):
        self.project = self.home / "work/project"
        self.project.mkdir(parents=True)
        self.write(".env", "A=outer\n")
        (self.home / "short").symlink_to("work")
        for listed, status in (["short"], 78), (["work"], 0):
            self.policy(home={"read": listed})
            self.trust()
            result = self.agentbox("run", "--view", "masks", "--", "sh", "-c",
                                   "cat ~/*/project/.env; true")
            self.assertEqual(result.returncode, status, result.stderr)
            self.assertNotIn(b"outer", result.stdout)
            (self.project / "agentbox.json").unlink()

    def test_what_is_listed_in_a_writable_directory(self):
        self.write("tool/state/data", "1\n", base=self.home)
        self.write(".ssh/id", "outer\n", base=self.home)
        (self.home / "tool/link").symlink_to("../.ssh")
        self.policy(home={"read": ["tool/settings"], "write": ["tool"]})
        self.trust()
        output = self.run_box("cd ~/tool; echo evil > settings; echo 2 > state/data; ls; cat link/id;"
                              "rm -rf state; ln -s ../.ssh l; true")
        self.assertIn("state", output)
        self.assertNotIn("outer", output)
        self.assertEqual(sorted(p.name for p in (self.home / "tool").iterdir()), ["link", "state"])
        self.write("tool/settings", "own\n", base=self.home)
        output = self.run_box("cd ~/tool; cat settings; echo evil > settings; mv settings x; cat settings")
        self.assertEqual(output, "own\n" * 2)

    def test_the_shipped_profiles_start(self):
        for profile in ("claude", "codex", "gemini", "opencode", "shell", "strict"):
            with self.subTest(profile):
                self.run_box("true", "--profile", profile)


class ManyTest(MaskedTest):
    def test_two_thousand_hidden_files(self):
        for i in range(2000):
            self.write(f"d{i % 100}/{i}.env", "A=outer\n")
        output = self.run_box("cat d*/*.env 2>/dev/null; ls d*/*.env | wc -l")
        self.assertEqual(output, "2000\n")

    def test_a_long_walk_says_so_on_a_terminal(self):
        # As slow as needed: standing still while it starts.
        for i in range(300):
            (self.project / f"d{i}").mkdir()
            for j in range(100):
                (self.project / f"d{i}/f{j}").touch()
        main, other = pty.openpty()
        self.addCleanup(os.close, main)
        started = time.monotonic()
        process = subprocess.Popen([AGENTBOX, "run", "--view", "masks", "--", "true"],
                                   cwd=self.project, env=self.environment, stdin=subprocess.DEVNULL,
                                   stdout=subprocess.DEVNULL, stderr=other)
        os.close(other)
        fcntl.fcntl(main, fcntl.F_SETFL, os.O_NONBLOCK)
        seen = b""
        while process.poll() is None:
            # Stopped nine tenths of the time, so that 300 ms pass before the walk has ended.
            process.send_signal(signal.SIGSTOP)
            time.sleep(0.018)
            process.send_signal(signal.SIGCONT)
            time.sleep(0.002)
            self.assertLess(time.monotonic(), started + PATIENCE)
        try:
            while chunk := os.read(main, 65536):
                seen += chunk
        except OSError:
            pass
        self.assertEqual(process.returncode, 0, seen)
        self.assertIn(b"(masks: weaker than the live view)", seen)
        if b"looking for files to hide" not in seen:
            self.skipTest("the walk took less than 300 ms")


class WindowTest(MaskedTest):
    """How long a file that appears can be read. Printed; only that it ends is tested."""

    def process_in_box(self, mark):
        for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
            try:
                if path.read_bytes().split(b"\0")[:2] == [b"sleep", mark.encode()]:
                    return path.parent
            except OSError:
                pass
        return None

    def test_the_window(self):
        self.write(".env", "A=outer\n")
        mark = f"{PATIENCE * 10}.{os.getpid()}"
        process = self.start("sh", "-c", f": > ready; exec sleep {mark}")
        self.await_file("ready")
        deadline = time.monotonic() + PATIENCE
        while not (inside := self.process_in_box(mark)):
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.01)
        seen = f"{inside}/root{self.project}/.env"
        try:
            os.stat(seen)
        except PermissionError:
            self.skipTest("another process's root cannot be looked at here")
        windows = []
        for i in range(200):
            new = self.place / "saved"
            new.write_text(f"A=outer{i}\n")
            begin = time.perf_counter()
            os.rename(new, self.project / ".env")
            while True:
                try:
                    os.close(os.open(seen, os.O_RDONLY))
                except OSError:
                    break
                self.assertLess(time.perf_counter(), begin + PATIENCE)
            windows.append(time.perf_counter() - begin)
        process.kill()
        windows.sort()
        print(f"\nmasked again after a save: median {windows[100] * 1e3:.2f} ms, "
              f"90 % {windows[180] * 1e3:.2f} ms, longest {windows[-1] * 1e3:.2f} ms")

    def test_masked_in_the_end_while_a_box_reads_in_a_loop(self):
        self.write(".env", "A=outer\n")
        process = self.start("sh", "-c", ": > ready; while [ ! -e go ]; do cat .env; done 2>/dev/null;"
                             "i=0; while cat .env 2>/dev/null; do i=$((i+1));"
                             "[ $i -lt 10000 ] || exit 1; done; echo masked")
        self.await_file("ready")
        for i in range(300):
            self.replace(".env", f"A=outer{i}\n")
        self.write("go", "")
        self.assertTrue(self.finish(process).endswith("masked\n"))


if __name__ == "__main__":
    unittest.main()
