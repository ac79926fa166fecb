"""`agentbox approve` against a session that the test plays."""
import json
import os
import pty
import select
import socket
import struct
import subprocess
import threading

import sandbox

REQUEST = {
    "id": 3, "since": 1700000000, "seconds_left": 200, "box": "01box", "chain": "main/tests",
    "scope": "deploy", "reason": "the release", "rule": "agentbox.json:9:5",
    "command": ["make", "de ploy"], "secrets": ["aws"], "hosts": ["example.com:443"],
    "for_session": False}


class Session:
    """Listens as a session does, and answers "pending" and "answer"."""

    def __init__(self, run, name, requests):
        self.requests, self.answers, self.attended = requests, [], threading.Event()
        run.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.socket = socket.socket(socket.AF_UNIX)
        before = os.getcwd()
        os.chdir(run)  # a socket's address is short
        self.socket.bind(name + ".sock")
        os.chdir(before)
        self.socket.listen()
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            with connection:
                length = connection.recv(4, socket.MSG_WAITALL)
                if len(length) < 4:
                    continue
                text = connection.recv(struct.unpack(">I", length)[0], socket.MSG_WAITALL)
                answer = json.dumps(self.answer(json.loads(text))).encode()
                connection.sendall(struct.pack(">I", len(answer)) + answer)

    def answer(self, request):
        result = {"v": 1, "id": request["id"]}
        if request["method"] == "pending":
            if request["params"].get("attend"):
                self.attended.set()
            return {**result, "result": {"requests": self.requests}}
        number, yes = request["params"]["id"], request["params"]["yes"]
        if number not in [one["id"] for one in self.requests]:
            return {**result, "error": {"code": "not_found", "message": "gone"}}
        self.requests = [one for one in self.requests if one["id"] != number]
        self.answers.append((number, yes))
        return {**result, "result": {}}


class ApproveTest(sandbox.SessionTest):
    def session(self, requests, name="01session"):
        run = self.home / ".local/state/agentbox/run"
        for directory in (self.home / ".local", self.home / ".local/state",
                          self.home / ".local/state/agentbox"):
            directory.mkdir(exist_ok=True, mode=0o700)
        session = Session(run, name, requests)
        self.addCleanup(session.socket.close)
        return session

    def test_lists_and_answers(self):
        session = self.session([REQUEST, {**REQUEST, "id": 4}])
        [first, second] = json.loads(self.agentbox("approve", "--json").stdout)
        self.assertEqual(first, {**REQUEST, "session": "01session"})
        shown = self.agentbox("approve").stdout.decode()
        for line in ("scope    deploy", "asks     main/tests (box 01box)",
                     "command  make 'de ploy'", "secrets  aws", "hosts    example.com:443"):
            self.assertIn(line, shown)
        self.assertEqual(session.answers, [])
        self.assertEqual(self.agentbox("approve", "3").returncode, 0)
        self.assertEqual(self.agentbox("approve", "4", "--deny").returncode, 0)
        self.assertEqual(session.answers, [(3, True), (4, False)])
        late = self.agentbox("approve", "3")
        self.assertEqual(late.returncode, 125)
        self.assertIn(b'no request "3" waits', late.stderr)
        self.assertIn(b"nothing waits", self.agentbox("approve").stderr)
        self.assertFalse(session.attended.is_set())

    def test_one_number_in_two_sessions(self):
        one = self.session([REQUEST])
        other = self.session([REQUEST], "02session")
        self.assertEqual(self.agentbox("approve", "3").returncode, 125)
        self.assertEqual(self.agentbox("approve", "3", "--session", "02").returncode, 0)
        self.assertEqual((one.answers, other.answers), ([], [(3, True)]))

    def test_shows_nothing_that_drives_a_terminal(self):
        self.session([{**REQUEST, "reason": "\x1b[2Jgranted", "command": ["\x1b]0;x\x07"]}])
        self.assertNotIn(b"\x1b", self.agentbox("approve").stdout)

    def test_asks_on_a_terminal(self):
        for key, answer in (("y", True), ("n", False)):
            session = self.session([dict(REQUEST)], "0" + key)
            master, slave = pty.openpty()
            asking = subprocess.Popen([sandbox.AGENTBOX, "approve"], stdin=slave, stdout=slave,
                                      cwd=self.project, env=self.environment)
            os.close(slave)
            shown = b""
            while b"allow? [y/n" not in shown:
                self.assertTrue(select.select([master], [], [], 20)[0], shown)
                shown += os.read(master, 4096)
            self.assertIn(b"scope    deploy", shown)
            os.write(master, key.encode() + b"\n")
            self.assertEqual(asking.wait(20), 0)
            os.close(master)
            self.assertEqual(session.answers, [(3, answer)])
            session.socket.close()

    def test_follow_says_that_somebody_is_there(self):
        session = self.session([REQUEST])
        following = subprocess.Popen([sandbox.AGENTBOX, "approve", "--follow", "--json"],
                                     stdout=subprocess.PIPE, cwd=self.project,
                                     env=self.environment)
        self.addCleanup(lambda: (following.kill(), following.wait(), following.stdout.close()))
        self.assertEqual(json.loads(following.stdout.readline())["scope"], "deploy")
        self.assertTrue(session.attended.wait(20))

    def test_wrong_use(self):
        self.assertEqual(self.agentbox("approve", "--deny").returncode, 125)
        self.assertEqual(self.agentbox("approve", "--follow", "3").returncode, 125)
