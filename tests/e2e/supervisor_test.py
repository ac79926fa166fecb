"""What is left of a box whose supervisor is killed."""

import os
import signal
import time
import unittest

import place

PATIENCE = 30  # seconds until what should end counts as left behind


def processes():
    """pid to parent's pid, of all."""
    parents = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", encoding="utf-8", errors="replace") as file:
                    parents[int(name)] = int(file.read().rpartition(")")[2].split()[1])
            except OSError:
                pass  # ended meanwhile
    return parents


def descendants(root):
    parents = processes()
    found, more = set(), {root}
    while more:
        found |= more
        more = {pid for pid, parent in parents.items() if parent in more} - found
    return found


def mounts():
    with open("/proc/self/mounts", encoding="utf-8") as file:
        return sorted(file.read().splitlines())


class SupervisorTest(place.Place):
    def files(self):
        """Everything in the scratch directory but agentbox's own state."""
        state = self.home / ".local/state/agentbox"
        return sorted(str(path) for path in self.scratch.rglob("*")
                      if path != state and state not in path.parents)

    def start_box(self):
        """A box with a background process, a tree of its own and an open file."""
        script = "(setsid sleep 1000 &) ; exec 9<README.md; sh -c 'sleep 1000' & echo up; wait"
        process = self.start(self.box("sh", "-c", script))
        self.assertEqual(process.stdout.readline(), b"up\n")
        return process

    def ends_all(self, number):
        # A first session, so that agentbox's own directories are there.
        self.assertEqual(self.run_to_end(self.box("true"))[0], 0)
        files, mounted = self.files(), mounts()
        process = self.start_box()
        # Started and not yet reparented by the box's init: supervisor, init, sh, sleeps.
        family = descendants(process.pid)
        self.assertGreaterEqual(len(family), 5, family)
        os.kill(process.pid, number)
        status = process.wait(timeout=PATIENCE)
        deadline = time.monotonic() + PATIENCE
        while (left := family & set(processes())) and time.monotonic() < deadline:
            time.sleep(0.02)
        self.assertFalse(left, f"processes left behind: {left}")
        self.assertEqual(self.files(), files)
        self.assertEqual(mounts(), mounted)
        # The next session works.
        self.assertEqual(self.run_to_end(self.box("true"))[0], 0)
        self.verify_log()
        return status

    def test_kill_leaves_no_process_mount_or_file(self):
        self.assertEqual(self.ends_all(signal.SIGKILL), -signal.SIGKILL)

    def test_terminate_ends_the_box(self):
        self.assertEqual(self.ends_all(signal.SIGTERM), 128 + signal.SIGTERM)


if __name__ == "__main__":
    unittest.main()
