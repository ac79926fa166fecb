"""Boxes that are killed, and computers whose power is cut, at any moment of their programs' writing: each file of the
user's is what the program made of it, or was about to, and never what it did not write. What the program had been told
was written (for a power cut: was synced) is there; of a value that was released only the mask is.

AGENTBOX_KILL_ROUNDS and AGENTBOX_KILL_SEED say how many boxes, and which."""
import ctypes
import fcntl
import glob
import os
import pathlib
import random
import re
import signal
import struct
import subprocess
import threading
import time
import unittest

import steady_writers as writers
from sandbox import AGENTBOX, SessionTest

ROUNDS = int(os.environ.get("AGENTBOX_KILL_ROUNDS", "15"))
SEED = int(os.environ.get("AGENTBOX_KILL_SEED", random.randrange(1 << 32)))
SOURCE = pathlib.Path(writers.__file__).read_text(encoding="utf-8")
VALUE = "kT9#vQ2m!xW7pL4zR8c"
PATIENCE, GRACE = 60, 10
# A shell that can cut the connections of FUSE file systems.
CONTROL = (["sh", "-c"] if glob.glob("/sys/fs/fuse/connections/*") else
           ["unshare", "-m", "sh", "-c", 'mount -t fusectl none /sys/fs/fuse/connections && eval "$0"'])
EXT4_IOC_SHUTDOWN = 0x8004587D  # _IOR('X', 125, __u32), linux/ext4.h
NO_LOG_FLUSH = 2


class Judge:
    """What may be in the files when operation `last[name]` was the last that was said to be done. `holes`: of what came
    after it zeros may be left, as ext4 leaves where a size came to the disk and the bytes did not."""

    def __init__(self, last, value, holes=False):
        self.last = {name: last.get(name, 0) for name in writers.SIZES}
        self.holes = holes
        self.value = value
        self.shown = "*" * len(value)

    def text(self, name, number):
        return writers.text(name, number, self.shown)

    def complaints(self, files):
        """`files`: name → bytes. A list of sentences; empty if all is well."""
        found = [f"{name}: holds the value" for name, data in files.items()
                 if self.value and self.value.encode() in data]
        for name in writers.SIZES:
            word = getattr(self, name)(files[name]) if name in files else "is gone"
            if word:
                found.append(f"{name}: {word} (operation {self.last[name]} was done)")
        data = files.get("replaced.new", b"")
        number = self.number(data) or (self.last["replaced"] + 1 if self.holes else 0)
        if not self.is_begun("replaced", number, data):
            found.append("replaced.new: is not the beginning of what was written")
        return found

    @staticmethod
    def number(data):
        match = re.match(rb"\w+ +(\d{8}) line ", data)
        return int(match[1]) if match else 0

    def is_begun(self, name, number, data):
        """Whether that is what the operation writes, as far as it came. A value that comes in two writes is known
        with the second, so what came with the first may be there as it is."""
        if self.holes and (name == "cut" or number > self.last[name]) and len(data) <= writers.SIZES[name]:
            data = bytes(byte or written for byte, written in zip(data, self.text(name, number)))
        came = writers.text(name, number, self.value)[:len(data)]
        return self.text(name, number).startswith(data) or data == came.replace(self.value.encode(), self.shown.encode())

    def replaced(self, data):
        number = self.number(data)
        if number < self.last["replaced"]:
            return f"is version {number}"
        return None if data == self.text("replaced", number) else f"is a part of version {number}"

    def emptied(self, data):
        number = self.number(data) or (self.last["emptied"] + 1 if self.holes else 0)
        if not data:
            return None  # the next operation has begun
        if number < self.last["emptied"]:
            return f"is version {number}"
        if number == self.last["emptied"]:
            return None if data == self.text("emptied", number) else "is not whole"
        return None if self.is_begun("emptied", number, data) else "is not what was written"

    def appended(self, data):
        whole = len(data) // writers.RECORD
        if whole < self.last["appended"]:
            return f"has {whole} records"
        for number in range(1, whole + 1):
            if data[(number - 1) * writers.RECORD:number * writers.RECORD] != self.text("appended", number):
                return f"record {number} is another"
        tail = data[whole * writers.RECORD:]
        return None if self.is_begun("appended", whole + 1, tail) else "its end is not what was written"

    def pieces(self, name, data, count, size):
        """Files that are overwritten in pieces. Those of the last operation and the next may be half-done."""
        if len(data) != count * size:
            return f"has {len(data)} bytes"
        pieces = [data[start:start + size] for start in range(0, len(data), size)]
        newest = max(self.last[name], *map(self.number, pieces))
        now, before = [0] * count, {}
        for number in range(1, newest + 2):
            place = writers.choice(name, number, count)
            before[number] = now[place]
            if number <= newest:
                now[place] = number
        for place, piece in enumerate(pieces):
            allowed = [self.text(name, now[place])]
            for number in (newest, newest + 1):
                if number > self.last[name] and writers.choice(name, number, count) == place:
                    allowed += [self.text(name, before[number]), self.text(name, number),
                                writers.text(name, number, self.value)]  # as in is_begun()
            if piece != allowed[0] and not all(byte in {one[at] for one in allowed} for at, byte in enumerate(piece)):
                return f"piece {place} is not what operation {now[place]} wrote"
        return None

    def placed(self, data):
        return self.pieces("placed", data, writers.BLOCKS, writers.BLOCK)

    def mapped(self, data):
        return self.pieces("mapped", data, writers.PAGES, writers.PAGE)

    def cut(self, data):
        begun = data.rstrip(b"\0")
        if not writers.CUT_LEAST <= len(begun) <= len(data) <= writers.CUT:
            return f"has {len(data)} bytes, {len(begun)} of them written"
        kept = self.text("cut", 0)[:writers.CUT_LEAST]
        return None if begun.startswith(kept) and self.is_begun("cut", 0, begun) else "is not what was written"


def regular_files(root):
    return {path.name: path.read_bytes() for path in root.iterdir() if path.is_file()}


class Box(SessionTest):
    def prepare(self, value):
        for name in writers.SIZES:
            (self.project / name).write_bytes(writers.first(name, "*" * len(value)))
        self.write("untouched", "u" * 100_000)
        if value:
            self.secret("db", value)
            self.policy(secrets={"database": {"from": "local://db", "as": {"env": "DB_PASSWORD"}}},
                        scopes={"main": {"secrets": ["database"]}})
            self.trust()
        else:
            self.policy()

    def start(self, *options, arguments=(), awaited=tuple(writers.SIZES)):
        """A box with the writers; returns when those have done something."""
        self.done = {}
        self.box = subprocess.Popen(
            [AGENTBOX, "run", "--fresh", *options, "--", "python3", "-c", SOURCE, *arguments], cwd=self.project,
            env=self.environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.errors = b""
        self.threads = [threading.Thread(target=self.read_journal), threading.Thread(target=self.read_errors)]
        for thread in self.threads:
            thread.start()
        self.addCleanup(self.end)
        deadline = time.monotonic() + PATIENCE
        while not self.done.keys() >= set(awaited) and self.box.poll() is None and time.monotonic() < deadline:
            time.sleep(0.005)
        self.connections = self.fuse_connections()
        if not self.done.keys() >= set(awaited):
            self.box.kill()
            self.end()
            self.fail(f"not all programs came to write: {self.done} {self.errors}")

    def read_journal(self):
        for line in self.box.stdout:
            name, _, number = line.decode().partition(" ")
            if number.endswith("\n"):
                self.done[name] = int(number)

    def read_errors(self):
        self.errors = self.box.stderr.read()

    def fuse_connections(self):
        """Their numbers are those of the box's mounts (Documentation/filesystems/fuse.rst)."""
        found = set()
        for pid in self.descendants(self.box.pid):
            try:
                mounts = pathlib.Path(f"/proc/{pid}/mountinfo").read_text(encoding="utf-8")
            except OSError:
                continue
            found |= {line.split()[2].split(":")[1] for line in mounts.splitlines() if " fuse.agentbox " in line}
        return found

    def free(self):
        """A supervisor that was killed while it told the kernel of pages that a write has locked cannot end, nor
        can that write (docs/view.md): the connection has to be cut."""
        print(f"kill_test: cutting FUSE connections {sorted(self.connections)}", flush=True)
        for number in self.connections:
            subprocess.run([*CONTROL, f"echo 1 >/sys/fs/fuse/connections/{number}/abort"], capture_output=True,
                           check=False)

    def end(self):
        """Waits until no process of the box is left: they hold the pipes."""
        if self.box.poll() is None:
            self.box.kill()
        try:
            self.box.wait(GRACE)
        except subprocess.TimeoutExpired:
            self.free()
            self.box.wait(PATIENCE)
        for thread in self.threads:
            thread.join(PATIENCE)
            self.assertFalse(thread.is_alive(), "the box outlives its supervisor")
        self.box.stdout.close()
        self.box.stderr.close()

    def descendants(self, pid):
        try:
            text = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii")
        except OSError:
            return []
        return [one for child in map(int, text.split()) for one in (child, *self.descendants(child))]

    def judge(self, value, what, holes=False):
        files = regular_files(self.project)
        self.assertEqual(files["untouched"], b"u" * 100_000)
        self.assertEqual(Judge(self.done, value, holes).complaints(files), [], what)


class Killed(Box):
    def one_round(self, value, review, dice, what):
        self.setUp()
        try:
            self.prepare(value)
            before = regular_files(self.project)
            self.start(*(["--review"] if review else []))
            time.sleep(dice.random() ** 2)
            victims = [self.box.pid, self.box.pid, *self.descendants(self.box.pid)]
            victim = dice.choice(victims)
            try:
                os.kill(victim, signal.SIGKILL)
            except ProcessLookupError:
                pass  # it was a passing one
            if victim != self.box.pid:
                time.sleep(dice.random() / 5)
            self.end()
            if review:
                self.assertEqual(regular_files(self.project), before, what)
                deadline = time.monotonic() + PATIENCE
                while (applied := self.agentbox("review", "apply", "--yes")).returncode and time.monotonic() < deadline:
                    time.sleep(0.05)  # the last process of the box keeps its layer for a moment
                self.assertEqual(applied.returncode, 0, applied.stdout + applied.stderr)
            self.judge(value, what)
        finally:
            self.doCleanups()

    def test_killed_at_any_moment(self):
        print(f"kill_test: AGENTBOX_KILL_SEED={SEED} AGENTBOX_KILL_ROUNDS={ROUNDS}", flush=True)
        kinds = [("", False), (VALUE, False), ("", True), (VALUE, True)]
        if subprocess.run([*CONTROL, "true"], capture_output=True, check=False).returncode != 0:
            print("kill_test: no rounds with a released value: FUSE connections cannot be cut here", flush=True)
            kinds = [kind for kind in kinds if not kind[0]]
        for number in range(ROUNDS):
            value, review = kinds[number % len(kinds)]
            what = f"round {number} of seed {SEED}: {'guarded ' if value else ''}{'--review' if review else ''}"
            with self.subTest(what):
                self.one_round(value, review, random.Random(f"{SEED} {number}"), what)


class PowerCut(Box):
    """A file system of the test's own that forgets what had not come to its disk."""

    def mount(self):
        image = self.place / "disk"
        for command in (["truncate", "-s", "64M", str(image)], ["mkfs.ext4", "-q", str(image)],
                        ["mount", "-o", "loop", str(image), str(self.project)]):
            done = subprocess.run(command, capture_output=True, check=False)
            if done.returncode != 0:
                self.skipTest(f"{command[0]}: {done.stderr.decode().strip()}")
        self.addCleanup(subprocess.run, ["umount", "-l", str(self.project)], stderr=subprocess.DEVNULL, check=False)

    def cut_power(self):
        fd = os.open(self.project, os.O_RDONLY)
        try:
            fcntl.ioctl(fd, EXT4_IOC_SHUTDOWN, struct.pack("I", NO_LOG_FLUSH))
        finally:
            os.close(fd)

    def mount_again(self):
        """Once nobody has the old mount any more, with what it remembers."""
        subprocess.run(["umount", str(self.project)], capture_output=True, check=False)
        deadline = time.monotonic() + PATIENCE
        while subprocess.run(["losetup", "-j", str(self.place / "disk")], capture_output=True, check=True).stdout:
            self.assertLess(time.monotonic(), deadline, "the file system stays in use")
            subprocess.run(["umount", str(self.project)], capture_output=True, check=False)
            time.sleep(0.05)
        subprocess.run(["mount", "-o", "loop", str(self.place / "disk"), str(self.project)], check=True)

    def one_round(self, value, dice, what):
        self.setUp()
        try:
            self.mount()
            self.prepare(value)
            ctypes.CDLL(None).sync()
            self.start(arguments=["sync"])
            time.sleep(dice.random())
            self.cut_power()
            self.end()
            self.mount_again()
            self.judge(value, what, holes=True)
        finally:
            self.doCleanups()

    def skip_unless_root(self):
        if os.getuid() != 0:
            self.skipTest("needs root for a file system of the test's own")

    def test_power_cut_at_any_moment(self):
        self.skip_unless_root()
        for number in range((ROUNDS + 4) // 5):
            what = f"power cut {number} of seed {SEED}"
            with self.subTest(what):
                self.one_round(VALUE if number % 2 else "", random.Random(f"{SEED} power {number}"), what)

    def test_control_what_was_not_synced_is_lost(self):
        self.skip_unless_root()
        self.mount()
        self.write("synced", "old")
        ctypes.CDLL(None).sync()
        self.write("not-synced", "new")
        self.cut_power()
        self.mount_again()
        self.assertEqual(regular_files(self.project), {"synced": b"old"})


class Judgement(Box):
    """The controls: what the view must not do, done by somebody else, is seen."""

    def files(self):
        done = {name: 20 for name in writers.SIZES}
        files = {name: writers.first(name, "*" * len(VALUE)) for name in writers.SIZES}
        judge = Judge(done, VALUE)
        for name in ("replaced", "emptied"):
            files[name] = judge.text(name, 20)
        files["appended"] = b"".join(judge.text("appended", number) for number in range(1, 21))
        for name, count, size in (("placed", writers.BLOCKS, writers.BLOCK), ("mapped", writers.PAGES, writers.PAGE)):
            data = bytearray(files[name])
            for number in range(1, 21):
                place = writers.choice(name, number, count) * size
                data[place:place + size] = judge.text(name, number)
            files[name] = bytes(data)
        return judge, files

    def test_each_kind_of_damage(self):
        judge, files = self.files()
        self.assertEqual(judge.complaints(files), [])
        for name, data in files.items():
            damaged = [data[:-1000], data[:1000], b"", data[:500] + b"#" + data[501:], data[:500] + b"\0" * 100 + data[600:],
                       data.replace(b"*" * len(VALUE), VALUE.encode(), 1), writers.first(name, "*" * len(VALUE))]
            if name == "emptied":
                damaged.remove(b"")  # the program's own doing
            if name == "cut":  # so are the first one, and what it was
                damaged = [data[:900], b"", *damaged[3:-1]]
            for number, one in enumerate(damaged):
                with self.subTest(f"{name} {number}"):
                    self.assertNotEqual(judge.complaints({**files, name: one}), [])
            with self.subTest(f"{name} gone"):
                self.assertNotEqual(judge.complaints({n: d for n, d in files.items() if n != name}), [])

    def test_a_program_that_leaves_a_file_half_written(self):
        self.prepare("")
        self.run_box("truncate -s 7000 replaced")
        found = Judge({}, "").complaints(regular_files(self.project))
        self.assertEqual(found, ["replaced: is a part of version 0 (operation 0 was done)"])

    def test_a_value_that_is_not_guarded(self):
        self.prepare(VALUE)
        self.policy(secrets={"database": {"from": "local://db", "as": {"env": "DB_PASSWORD"}}},
                    scopes={"main": {"secrets": ["database"]}}, files={"write_secrets": "allow"})
        self.trust()
        # The others end: what holds a known value is read-only as soon as it was read.
        self.start(awaited=["replaced"])
        self.end()
        found = Judge(self.done, VALUE).complaints(regular_files(self.project))
        self.assertIn("replaced: holds the value", found)


if __name__ == "__main__":
    unittest.main()
