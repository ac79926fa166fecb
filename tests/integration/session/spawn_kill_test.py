"""kill -9, at random times, of each kind of process that a session with siblings has.

The test is the subreaper (prctl(2)) of the sessions: whatever outlives its parent becomes its child.

AGENTBOX_KILL_ROUNDS: how often (10 if absent); AGENTBOX_KILL_SEED: to play a run again.
"""
import ctypes
import json
import os
import pathlib
import random
import secrets
import signal
import socket
import subprocess
import time
import unittest

from sandbox import AGENTBOX, SessionTest

ROUNDS = int(os.environ.get("AGENTBOX_KILL_ROUNDS", "10"))
SEED = int(os.environ.get("AGENTBOX_KILL_SEED", random.randrange(1 << 32)))
PR_SET_CHILD_SUBREAPER = 36
ROLES = ("supervisor", "parent", "nursery", "runner", "child")

# Siblings that come and go in four loops, of which some are always starting; one that is detached,
# one below another one. CANARY stands in the command lines, also of agentbox's own processes (but for
# a box's first one, which writes its name there).
SCRIPT = """
for i in 1 2 3; do
  while :; do
    agentbox spawn --scope nested -- sh -c \\
      'agentbox spawn --scope leaf -- sh -c "sleep 0.$1; : CANARY"; : CANARY' x $i
    sleep 0.3
  done &
done
while :; do agentbox spawn --scope leaf -- sh -c 'yes CANARY | head -c 300000'; sleep 0.3; done &
agentbox spawn --scope leaf --detach -- sh -c 'sleep 1000; : CANARY'
agentbox spawn --scope nested -- sh -c \\
  'agentbox spawn --scope leaf -- sh -c "sleep 1000; : CANARY"; : CANARY' &
: >up
while [ ! -e end ]; do sleep 0.05; done
"""


def read(pid, name):
    """What /proc says of a process; b"" where it is gone, or not this user's to ask."""
    try:
        return pathlib.Path(f"/proc/{pid}/{name}").read_bytes()
    except OSError:
        return b""


def namespace(pid):
    try:
        return os.readlink(f"/proc/{pid}/ns/pid")
    except OSError:
        return ""


def processes():
    return [int(pid) for pid in os.listdir("/proc") if pid.isdigit()]


def holders(canary):
    return [pid for pid in processes() if pid != os.getpid() and
            any(canary in read(pid, name) for name in ("cmdline", "environ"))]


def status(pid):
    """Its parent, and its ids in the process namespaces from this one down."""
    fields = dict(line.split(":\t", 1) for line in read(pid, "status").decode().splitlines()
                  if ":\t" in line)
    return int(fields.get("PPid", 0)), [int(one) for one in fields.get("NSpid", "").split()]


def children():
    """Those of this process that live; the dead ones are reaped."""
    found = set()
    for task in pathlib.Path("/proc/self/task").iterdir():
        for pid in map(int, (task / "children").read_text().split()):
            if os.waitpid(pid, os.WNOHANG) == (0, 0):
                found.add(pid)
    return found


class Family:
    """The processes of a session at one moment, by what they are."""

    def __init__(self, supervisor):
        all_found = {pid: status(pid) for pid in processes()}
        found, more = {}, {supervisor}
        while more:
            found.update((pid, all_found[pid]) for pid in more if pid in all_found)
            more = {pid for pid, (parent, _) in all_found.items() if parent in more}
        self.supervisor = [supervisor]
        first = {pid: parent for pid, (parent, ids) in found.items() if ids[1:] == [1]}
        self.parent = [pid for pid, parent in first.items() if parent == supervisor]
        self.child = [pid for pid, parent in first.items() if parent != supervisor]
        outside = {pid: parent for pid, (parent, ids) in found.items() if len(ids) == 1}
        self.runner = [pid for pid, parent in outside.items()
                       if outside.get(parent) == supervisor and pid in first.values()]
        self.nursery = list({outside[pid] for pid in self.runner})


class SpawnKillTest(SessionTest):
    def setUp(self):
        super().setUp()
        self.secret("db", "of-the-leaf-51d0c9a7be2243")
        self.policy(
            secrets={"db": {"from": "local://db", "as": {"env": "DATABASE_URL"}}},
            limits={"spawn_concurrent": 12, "processes": 400},
            scopes={"main": {"secrets": [], "spawn": ["nested", "leaf"]},
                    "nested": {"spawn": ["leaf"]},
                    "leaf": {"secrets": ["db"], "detach": True}})
        self.trust()
        libc = ctypes.CDLL(None, use_errno=True)
        self.assertEqual(libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), 0)
        self.addCleanup(libc.prctl, PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)
        self.sockets = self.home / ".local/state/agentbox/run"

    def wait_until(self, condition, what):
        for _ in range(1200):
            if condition():
                return
            time.sleep(0.05)
        self.fail(what)

    def answering(self):
        """The sessions' sockets that someone listens on."""
        found = []
        for path in self.sockets.glob("*"):
            if not path.is_socket():
                continue
            with socket.socket(socket.AF_UNIX) as caller:
                here = os.open(self.sockets, os.O_PATH)  # the path itself may be too long for a socket
                try:
                    if caller.connect_ex(f"/proc/self/fd/{here}/{path.name}") == 0:
                        found.append(path.name)
                finally:
                    os.close(here)
        return found

    def groups(self):
        return {path for path in pathlib.Path("/sys/fs/cgroup").rglob("agentbox-*")
                if path.name != "agentbox-supervisors"}

    def kill(self, session, role):
        """Kills one of those; returns its process namespace, if it was the first one of a box."""
        for _ in range(1200):
            candidates = getattr(Family(session.pid), role)
            if candidates:
                pid = random.choice(candidates)
                try:
                    process = os.pidfd_open(pid)
                except ProcessLookupError:
                    continue
                try:
                    inside = namespace(pid)
                    if pid in getattr(Family(session.pid), role):  # not another of that number
                        signal.pidfd_send_signal(process, signal.SIGKILL)
                        return inside if role in ("parent", "child") else ""
                except ProcessLookupError:
                    pass
                finally:
                    os.close(process)
            self.assertIsNone(session.poll(), "the session ended by itself")
            time.sleep(0.01)
        self.fail(f"there is no {role}")

    def round(self, role):
        before = children()
        canary = b"canary-" + secrets.token_hex(8).encode()
        for name in ("up", "end"):
            (self.project / name).unlink(missing_ok=True)
        with open(self.place / "said", "wb") as said:
            session = subprocess.Popen(
                [AGENTBOX, "run", "--", "sh", "-c", SCRIPT.replace("CANARY", canary.decode())],
                stdin=subprocess.DEVNULL, stdout=said, stderr=said, cwd=self.project,
                env=self.environment)
        self.addCleanup(session.wait)
        self.addCleanup(session.kill)
        self.wait_until((self.project / "up").exists, "the box does not start")
        time.sleep(random.uniform(0, 1))

        # What is looked for is found as long as it is there.
        family = Family(session.pid)
        self.assertEqual(len(family.parent), 1)
        self.assertTrue(set(holders(canary)).issuperset(family.supervisor + family.nursery))
        self.assertTrue([pid for pid in holders(canary) if len(status(pid)[1]) > 1])
        self.assertEqual(len(self.answering()), 1)
        namespaces = {namespace(pid) for pid in family.parent + family.child} - {""}
        if os.getuid() == 0:
            self.assertTrue(namespaces)

        killed = self.kill(session, role)
        if role in ("runner", "child"):  # of one sibling: the others and the session go on
            if killed:
                self.wait_until(lambda: killed not in map(namespace, processes()),
                                "a box outlived its first process")
            time.sleep(random.uniform(0, 0.3))
            self.assertIsNone(session.poll(), "the session ended with a child")
        (self.project / "end").touch()
        ended = session.wait(60)
        expected = {"supervisor": -signal.SIGKILL, "parent": 128 + signal.SIGKILL}.get(role, 0)
        if role != "nursery":
            self.assertEqual(ended, expected, (self.place / "said").read_bytes()[-2000:])

        self.wait_until(lambda: not children() - before and not holders(canary),
                        "processes are left")
        self.wait_until(lambda: namespaces.isdisjoint(map(namespace, processes())),
                        "a process namespace is left")
        self.assertNotIn(str(self.place), pathlib.Path("/proc/self/mountinfo").read_text())
        self.assertEqual(self.answering(), [])
        self.assertEqual(json.loads(self.agentbox("ps", "--json").stdout), [])
        self.verify()

    def test_what_is_left_would_be_found(self):
        before = children()
        subprocess.run(["sh", "-c", "setsid sleep 1000 >/dev/null 2>&1 &"], check=True)
        [left] = children() - before
        os.kill(left, signal.SIGKILL)
        self.wait_until(lambda: not children() - before, "it is still there")

    def test_nothing_is_left(self):
        random.seed(SEED)
        print(f"{ROUNDS} rounds of kill -9, seed {SEED}", flush=True)
        before = self.groups()
        roles = []
        for number in range(ROUNDS):
            roles = roles or random.sample(ROLES, len(ROLES))
            role = roles.pop()
            with self.subTest(round=number, killed=role, seed=SEED):
                self.round(role)
            if (number + 1) % 50 == 0:
                print(f"{number + 1} rounds", flush=True)
        # A killed supervisor cannot remove its control group; the next session does.
        left = self.groups() - before
        self.run_box("true")
        self.wait_until(lambda: not left & self.groups(), "a control group is left")


if __name__ == "__main__":
    unittest.main()
