"""The socket of a session: `agentbox ps` and `agentbox kill` from outside, nothing from inside."""
import json
import signal
import socket
import subprocess
import time

import sandbox

# Tries every way to the sockets of the sessions that a box could think of; prints what it reached.
SEEK = """
import glob, os, socket, sys
directory = sys.argv[1]
paths = [directory] + glob.glob(directory + "/*") + [sys.argv[2]]
paths += ["/proc/%s/root%s" % (pid, sys.argv[2]) for pid in os.listdir("/proc") if pid.isdigit()]
for path in paths:
    try:
        connection = socket.socket(socket.AF_UNIX)
        os.chdir(os.path.dirname(path))  # a socket's address is short
        connection.connect(os.path.basename(path))
        print("reached", path)
    except OSError:
        pass
try:
    print("listed", os.listdir(directory))
except OSError as error:
    print("not listed:", error.strerror)
"""


class ControlTest(sandbox.SessionTest):
    def start(self, *command):
        box = subprocess.Popen(
            [sandbox.AGENTBOX, "run", "--", *command], cwd=self.project, env=self.environment,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.addCleanup(lambda: (box.kill(), box.wait(), box.stdout.close(), box.stderr.close()))
        self.assertEqual(box.stdout.readline(), b"up\n", box.poll())
        return box

    def ps(self):
        result = self.agentbox("ps", "--json")
        self.assertEqual(result.returncode, 0, result.stderr.decode())
        return json.loads(result.stdout)

    def test_lists_what_runs(self):
        self.assertEqual(self.ps(), [])
        self.assertIn(b"no session runs", self.agentbox("ps").stderr)
        before = int(time.time())
        box = self.start("sh", "-c", "echo up; read line")
        [session] = self.ps()
        [entry] = session["boxes"]
        self.assertEqual((entry["scope"], entry["command"], entry["parent"]), ("main", "sh", ""))
        self.assertGreaterEqual(entry["since"], before)
        # The process is the first one of the box.
        self.assertIn("\nNSpid:\t%d\t1\n" % entry["pid"],
                      open("/proc/%d/status" % entry["pid"]).read())
        text = self.agentbox("ps").stdout.decode()
        self.assertIn("session " + session["session"], text)
        self.assertIn(entry["box"], text)
        box.stdin.close()
        box.wait(20)
        self.assertEqual(self.ps(), [])

    def test_kills_a_session_or_a_box(self):
        for what in ("session", "box"):
            box = self.start("sh", "-c", "trap '' TERM INT HUP; echo up; while :; do sleep 1; done")
            [session] = self.ps()
            name = session["session"] if what == "session" else session["boxes"][0]["box"]
            result = self.agentbox("kill", name)
            self.assertEqual(result.returncode, 0, result.stderr.decode())
            self.assertEqual(box.wait(20), 128 + signal.SIGKILL)
        self.verify()
        self.assertEqual(self.agentbox("kill", "01nobody").returncode, 125)
        self.assertEqual(self.agentbox("kill").returncode, 125)

    def test_a_killed_supervisor_leaves_nothing_that_counts(self):
        box = self.start("sh", "-c", "echo up; read line")
        box.kill()
        box.wait()
        run = self.home / ".local/state/agentbox/run"
        self.assertEqual(len(list(run.glob("*.sock"))), 1)
        self.assertEqual(self.ps(), [])
        self.assertEqual(list(run.iterdir()), [])

    def test_a_box_reaches_no_session(self):
        (self.project / "seek.py").write_text(SEEK)
        self.start("sh", "-c", "echo up; read line")
        [session] = self.ps()
        run = self.home / ".local/state/agentbox/run"
        path = str(run / (session["session"] + ".sock"))
        seek = ["python3", "seek.py", str(run), path]
        # Outside, the same program reaches it.
        reached = subprocess.run(seek, cwd=self.project, capture_output=True, check=True)
        self.assertIn("reached " + path, reached.stdout.decode())
        self.assertIn("listed", reached.stdout.decode())
        inside = self.agentbox("run", "--", *seek)
        self.assertEqual(inside.returncode, 0, inside.stderr.decode())
        self.assertEqual(inside.stdout.decode(), "not listed: No such file or directory\n")

    def test_the_state_directory_is_shown_to_no_box(self):
        # /opt is shown, and so is what the policy lists.
        shared = self.place / "shared"
        shared.mkdir()
        self.write("policy.json", json.dumps({"version": 1, "system": [str(shared)]}))
        for state in ("/opt/state", str(shared / "state")):
            result = self.agentbox("run", "--policy", "policy.json", "--", "true",
                                   env={"XDG_STATE_HOME": state})
            self.assertEqual(result.returncode, 77, result.stderr.decode())
            self.assertIn(b"own files", result.stderr)
        self.assertEqual(
            self.agentbox("run", "--policy", "policy.json", "--", "true").returncode, 0)
