"""Ways from one box of a session into another one that has a secret.

`holder` has the value where processes have such things, and hands it to who asks; `thief` tries to
come by it. Each way first has to work: between two processes on the host and, where the box's own
rules leave it open, within one box.
"""
import hashlib
import json
import os
import secrets
import subprocess
import sys
import time
import unittest

from sandbox import SessionTest

COMMON = r"""
import array, ctypes, hashlib, json, os, socket, sys, time
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = libc.ptrace.restype = ctypes.c_long
ADD_KEY, KEYCTL, PIDFD_OPEN, PIDFD_GETFD = 248, 250, 434, 438  # x86-64
JOIN, SETPERM, LINK, SEARCH, READ, SET_TIMEOUT = 1, 5, 8, 10, 11, 15
KEYRINGS = {"session keyring": -3, "user keyring": -4}

def call(function, *arguments):
    result = function(*[ctypes.c_long(a) if isinstance(a, int) else a for a in arguments])
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
    return result

def join(name):
    # One session keyring for both, where the caller may have one at all.
    try:
        call(libc.syscall, KEYCTL, JOIN, name.encode())
        call(libc.syscall, KEYCTL, SETPERM, -3, 0x3f3f0000)
        call(libc.syscall, KEYCTL, LINK, -4, -3)  # so that the caller possesses it
    except OSError:
        pass
"""

HOLDER = COMMON + r"""
name = sys.argv[1]
value = os.environ["DATABASE_URL"].encode()
libc.prctl(0x59616d61, ctypes.c_ulong(-1), 0, 0, 0)  # PR_SET_PTRACER to any, where Yama rules
kept = ctypes.create_string_buffer(value)
file = os.memfd_create("kept")
os.write(file, value)
join(name)
keys = {}
for keyring, number in KEYRINGS.items():
    try:
        key = call(libc.syscall, ADD_KEY, b"user", (name + keyring).encode(), value, len(value), number)
        call(libc.syscall, KEYCTL, SETPERM, key, 0x3f3f0000)
        call(libc.syscall, KEYCTL, SET_TIMEOUT, key, 300)
        keys[keyring] = "added"
    except OSError as error:
        keys[keyring] = error.strerror
server = socket.socket(socket.AF_UNIX)
server.bind("\0" + name)
server.listen()
server.settimeout(0.2)
with open("holder.new", "w") as out:
    json.dump({"address": ctypes.addressof(kept), "size": len(value), "file": file, "keys": keys,
               "pid": os.getpid()}, out)
os.rename("holder.new", "holder.json")
while not os.path.exists("end"):
    try:
        caller, _ = server.accept()
    except TimeoutError:
        continue
    caller.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [file]))])
    caller.close()
"""

# thief.py NAME SHA256 PID…: prints the ways that gave the value.
THIEF = COMMON + r"""
name, wanted, pids = sys.argv[1], sys.argv[2], [int(pid) for pid in sys.argv[3:]]
join(name)
with open("holder.json") as said:
    holder = json.load(said)
address, size, file = holder["address"], holder["size"], holder["file"]

def environ(pid):
    with open(f"/proc/{pid}/environ", "rb") as given:
        return [line.partition(b"=")[2] for line in given.read().split(b"\0")]

def memory(pid):
    with open(f"/proc/{pid}/mem", "rb", 0) as given:
        given.seek(address)
        return [given.read(size)]

def descriptor(pid):
    with open(f"/proc/{pid}/fd/{file}", "rb") as given:
        return [given.read()]

class Vector(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("length", ctypes.c_size_t)]

def vm_readv(pid):
    mine = ctypes.create_string_buffer(size)
    call(libc.process_vm_readv, pid, ctypes.byref(Vector(ctypes.addressof(mine), size)), 1,
         ctypes.byref(Vector(address, size)), 1, 0)
    return [mine.raw]

def ptrace(pid):
    call(libc.ptrace, 16, pid, 0, 0)  # PTRACE_ATTACH
    os.waitpid(pid, 0x40000000)  # __WALL
    words = b"".join(libc.ptrace(1, pid, ctypes.c_long(address + at), 0).to_bytes(8, "little", signed=True)
                     for at in range(0, size, 8))
    libc.ptrace(17, pid, 0, 0)
    return [words[:size]]

def getfd(pid):
    process = call(libc.syscall, PIDFD_OPEN, pid, 0)
    given = call(libc.syscall, PIDFD_GETFD, process, file, 0)
    return [os.pread(given, size, 0)]

def passed():
    with socket.socket(socket.AF_UNIX) as caller:
        caller.connect("\0" + name)
        _, rights, _, _ = caller.recvmsg(1, 64)
        return [os.pread(array.array("i", rights[0][2])[0], size, 0)]

def key(keyring):
    found = call(libc.syscall, KEYCTL, SEARCH, KEYRINGS[keyring], b"user", (name + keyring).encode(), 0)
    mine = ctypes.create_string_buffer(size)
    call(libc.syscall, KEYCTL, READ, found, mine, size)
    return [mine.raw]

ways = [(way.__name__, way, pid) for way in (environ, memory, descriptor, vm_readv, ptrace, getfd)
        for pid in pids if pid != os.getpid()]
ways += [(keyring, key, keyring) for keyring in KEYRINGS] + [("passed", passed)]
for way, function, *arguments in ways:
    try:
        if any(hashlib.sha256(one).hexdigest() == wanted for one in function(*arguments)):
            print(way)
    except OSError:
        pass
"""

BY_PROCESS = ["environ", "memory", "descriptor", "vm_readv", "ptrace", "getfd"]
KEYRINGS = ["session keyring", "user keyring"]
EVERY_PID = "$(ls /proc | grep '^[0-9]') $(cat pids 2>/dev/null)"


class SpawnEscapeTest(SessionTest):
    def setUp(self):
        super().setUp()
        self.value = "held-" + secrets.token_hex(16)
        self.name = "agentbox-" + secrets.token_hex(8)
        self.hash = hashlib.sha256(self.value.encode()).hexdigest()
        self.secret("db", self.value)
        self.write("holder.py", HOLDER)
        self.write("thief.py", THIEF)
        db = {"secrets": ["db"]}
        self.policy(secrets={"db": {"from": "local://db", "as": {"env": "DATABASE_URL"}}},
                    scopes={"main": {"secrets": [], "spawn": ["holder", "thief"]},
                            "holder": db, "thief": {"secrets": []}, "both": db})
        self.trust()

    def wait_for(self, name):
        for _ in range(1200):
            if (self.project / name).exists():
                return
            time.sleep(0.05)
        self.fail(f"{name} did not come")

    def on_the_host(self):
        """A holder outside of any box."""
        holder = subprocess.Popen(
            [sys.executable, "holder.py", self.name], cwd=self.project,
            env={**self.environment, "DATABASE_URL": self.value})
        self.addCleanup(holder.wait)
        self.addCleanup(holder.kill)
        self.wait_for("holder.json")
        return holder

    def steal(self, *pids):
        return subprocess.run(
            [sys.executable, "thief.py", self.name, self.hash, *map(str, pids)], cwd=self.project,
            env=self.environment, check=True, capture_output=True, text=True).stdout.splitlines()

    def held(self):
        return json.loads((self.project / "holder.json").read_text())

    def test_on_the_host_each_way_works(self):
        holder = self.on_the_host()
        keys = [keyring for keyring, state in self.held()["keys"].items() if state == "added"]
        self.assertEqual(self.steal(holder.pid), BY_PROCESS + keys + ["passed"])
        if keys != KEYRINGS:
            self.skipTest(f"all but the keyrings, which this host does not let use: {self.held()['keys']}")

    def test_from_a_box_none_works_on_the_host(self):
        holder = self.on_the_host()
        out = self.run_box(f"python3 thief.py {self.name} {self.hash} {EVERY_PID} {holder.pid}")
        self.assertEqual(out, "")

    def test_within_one_box(self):
        out = self.run_box(
            f"python3 holder.py {self.name} & while [ ! -e holder.json ]; do sleep 0.1; done; "
            f"python3 thief.py {self.name} {self.hash} {EVERY_PID} | sort -u; touch end; wait",
            "--scope", "both")
        # What goes by system calls that no box has does not work here either, nor do keyrings.
        self.assertIn("environ", out.split("\n"))
        self.assertIn("descriptor", out.split("\n"))
        self.assertIn("passed", out.split("\n"))

    def between(self, thief):
        """What `thief`, a command line for the parent, finds while a child holds the value."""
        session = subprocess.Popen(
            [os.environ["AGENTBOX"], "run", "--", "sh", "-c",
             f"agentbox spawn --scope holder -- python3 holder.py {self.name} & "
             "while [ ! -e pids ]; do sleep 0.1; done; "
             f"{thief} python3 thief.py {self.name} {self.hash} {EVERY_PID} && echo tried; "
             "touch end; wait"],
            cwd=self.project, env=self.environment, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.addCleanup(lambda: (session.kill(), session.communicate()))
        self.wait_for("holder.json")
        [shown] = json.loads(self.agentbox("ps", "--json").stdout)
        [first] = [box["pid"] for box in shown["boxes"] if box["chain"] == "main/holder"]
        with open(f"/proc/{first}/task/{first}/children") as children:
            pids = [first, *map(int, children.read().split())]
        self.assertGreater(len(pids), 1)
        pids += [shown["pid"], self.held()["pid"]] if "pid" in shown else [self.held()["pid"]]
        self.write("pids.new", " ".join(map(str, pids)))
        (self.project / "pids.new").rename(self.project / "pids")
        out, error = session.communicate(timeout=60)
        self.assertEqual(session.returncode, 0, error)
        return out.decode()

    def test_a_parent_finds_nothing_of_its_child(self):
        self.assertEqual(self.between(""), "tried\n")
        self.assertNotIn("added", self.held()["keys"].values())

    def test_a_sibling_finds_nothing_of_another(self):
        self.assertEqual(self.between("agentbox spawn --scope thief --"), "tried\n")


if __name__ == "__main__":
    unittest.main()
