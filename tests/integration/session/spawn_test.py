"""Sibling boxes: `agentbox spawn` in a box starts a command in a box of another scope."""
import json
import os
import signal
import subprocess
import time
import unittest

from sandbox import AGENTBOX, SessionTest

SECRET = "tests-only-7c1f0b9e44d2a8"


def alive(token):
    """The processes, of whatever box, whose command line or environment holds `token`."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                if token.encode() in file.read():
                    found.append(int(pid))
        except OSError:
            pass
    return found


class SpawnTest(SessionTest):
    def setUp(self):
        super().setUp()
        self.secret("db", SECRET)
        self.write_policy()

    def write_policy(self, limits=None, **scopes):
        self.policy(
            secrets={"db": {"from": "local://db", "as": {"env": "DATABASE_URL"}}},
            limits=limits or {},
            scopes={"main": {"secrets": [], "spawn": ["tests", "careful", "nested"]},
                    "tests": {"secrets": ["db"]},
                    "nested": {"spawn": ["tests"]},
                    "careful": {"secrets": ["db"], "approve": "each"},
                    "other": {"secrets": ["db"]}, **scopes})
        self.trust()

    def box(self, script, status=0, **keywords):
        result = self.agentbox("run", "--", "sh", "-c", script, **keywords)
        self.assertEqual(result.returncode, status, result.stderr.decode() + result.stdout.decode())
        return result

    def start(self, script):
        process = subprocess.Popen(
            [AGENTBOX, "run", "--", "sh", "-c", script], stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=self.project,
            env=self.environment)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.stderr.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def wait_until(self, condition, what):
        for _ in range(1200):
            if condition():
                return
            time.sleep(0.05)
        self.fail(what)

    def test_the_child_has_its_secret_and_the_parent_sees_a_mask(self):
        out = self.box(
            'echo "mine: [$DATABASE_URL]"; agentbox spawn --scope tests -- sh -c '
            '\'echo "value: $DATABASE_URL"; printf %s "$DATABASE_URL" | wc -c\'').stdout.decode()
        self.assertIn("mine: []", out)
        self.assertNotIn(SECRET, out)
        self.assertIn("value: <concealed by agentbox:db>", out)
        self.assertIn(str(len(SECRET)), out)  # it is the whole value that the child has
        self.verify()

    def test_the_parent_finds_it_nowhere(self):
        # Runs while the child waits on the pipe, with the value in its environment.
        out = self.box(
            "mkfifo /tmp/go; (echo ready; cat /tmp/go) | "
            "agentbox spawn --scope tests -- sh -c 'read l; echo up >seen; cat; env >/tmp/own' & "
            "while ! [ -e seen ]; do sleep 0.1; done; "
            f"grep -rls {SECRET[:12]} /proc/*/environ /proc/*/cmdline /tmp /run/agentbox . ~ ; "
            "ls /proc | grep -c '^[0-9]' ; ls /tmp; echo >/tmp/go; wait").stdout.decode()
        self.assertNotIn("environ", out)
        self.assertNotIn("own", out)

    def test_status_and_signals_come_back(self):
        self.box("agentbox spawn --scope tests -- sh -c 'exit 7'", status=7)
        self.box("agentbox spawn --scope tests -- sh -c 'kill -9 $$'", status=137)
        self.box("agentbox spawn --scope tests -- no-such-program", status=127)
        self.box("agentbox spawn --scope tests -- sh -c 'trap \"echo got; exit 5\" TERM; "
                 "echo >up; while :; do sleep 0.1; done' >said & p=$!; "
                 "while ! [ -e up ]; do sleep 0.1; done; kill $p; wait $p; "
                 "[ $? = 5 ] && grep got said")

    def test_input_arguments_and_directory(self):
        (self.project / "sub").mkdir()
        out = self.box("cd sub; printf 'in\\n' | agentbox spawn --scope tests -- "
                       "sh -c 'cat; pwd; echo \"$1|$2\"' x 'a b' ''").stdout.decode()
        self.assertEqual(out.splitlines(), ["in", str(self.project / "sub"), "a b|"])
        self.box("cd /tmp; agentbox spawn --scope tests -- pwd", status=127)

    def test_files_are_copied(self):
        self.write("given", "some bytes\n")
        self.box("agentbox spawn --scope tests -- cat <given >made 2>/dev/null")
        self.assertEqual((self.project / "made").read_text(), "some bytes\n")

    def test_the_receipt(self):
        result = self.box("agentbox spawn --scope tests --reason why --json -- true")
        receipt = json.loads(result.stderr)
        self.assertEqual(receipt["scope"], "tests")
        self.assertEqual(receipt["chain"], "main/tests")
        self.assertEqual(receipt["secrets"], ["db"])
        self.assertIn("agentbox.json", receipt["rule"])
        records = [r for r in self.records() if r["event"] == "spawn"]
        self.assertEqual([r["outcome"] for r in records], ["started", "ended"])
        self.assertEqual(records[0]["reason"], "why")
        for name, key in (("box", "child"), ("parent", "parent"), ("session", "session"),
                          ("policy", "policy"), ("chain", "chain")):
            self.assertEqual(records[0][name], receipt[key])
        release = [r for r in self.records() if r["event"] == "release"]
        self.assertEqual([r["box"] for r in release], [receipt["child"]])
        self.assertEqual([r.get("parent") for r in release], [receipt["parent"]])
        self.verify()

    def test_who_is_not_on_the_list_is_refused(self):
        for scope in ("other", "main", "nonsense"):
            result = self.box(f"agentbox spawn --scope {scope} -- true", status=77)
            self.assertIn(b"does not let", result.stderr)
        self.box("agentbox spawn --scope nested -- agentbox spawn --scope nested -- true", 77)
        self.box("agentbox spawn --scope tests -- agentbox spawn --scope tests -- true", 77)
        self.assertEqual(len([r for r in self.records() if r["event"] == "resolve"]), 1)

    def test_a_scope_that_needs_approval_is_refused_without_anyone_to_ask(self):
        result = self.box("agentbox spawn --scope careful -- true", status=77)
        self.assertIn(b"approval", result.stderr)
        self.assertEqual([r for r in self.records() if r["event"] == "resolve"], [])

    def test_the_user_allows_or_refuses_what_needs_approval(self):
        session = self.start(
            "touch ready; while [ ! -e go ]; do sleep 0.05; done; for i in 1 2; do "
            "agentbox spawn --scope careful --reason 'release 1.4' -- sh -c 'echo =$DATABASE_URL='; "
            "echo status $?; done")
        self.wait_until((self.project / "ready").exists, "the box does not start")
        self.addCleanup(self.follow())
        (self.project / "go").touch()
        for answer in ([], ["--deny"]):
            request = self.pending()
            self.assertEqual(
                (request["scope"], request["reason"], request["secrets"], request["command"][0]),
                ("careful", "release 1.4", ["db"], "sh"))
            # Nothing is resolved for the one that waits.
            self.assertEqual(len([r for r in self.records() if r["event"] == "resolve"]),
                             1 if answer else 0)
            done = self.agentbox("approve", str(request["id"]), *answer)
            self.assertEqual(done.returncode, 0, done.stderr)
        out, error = session.communicate(timeout=60)
        self.assertEqual(out, b"=<concealed by agentbox:db>=\nstatus 0\nstatus 77\n", error)
        self.assertEqual([r["outcome"] for r in self.records() if r["event"] == "approve"],
                         ["asked", "granted", "asked", "denied"])

    def pending(self):
        waiting = []

        def asked():
            waiting[:] = self.waiting()
            return waiting

        self.wait_until(asked, "nothing waits for an approval")
        return waiting[0]

    def test_a_request_is_withdrawn_with_who_asked(self):
        self.write_policy(nested={"spawn": ["tests", "careful"]})
        session = self.start(
            "touch ready; while [ ! -e go ]; do sleep 0.05; done; "
            "agentbox spawn --scope careful -- true & p=$!; "
            "agentbox spawn --scope nested -- agentbox spawn --scope careful -- true & q=$!; "
            "while [ ! -e no ]; do sleep 0.05; done; kill -9 $p $q; "
            "touch gone; while [ ! -e end ]; do sleep 0.05; done")
        self.wait_until((self.project / "ready").exists, "the box does not start")
        self.addCleanup(self.follow())
        (self.project / "go").touch()
        self.wait_until(lambda: len(self.waiting()) == 2, "not both ask")
        requests = self.waiting()
        self.assertEqual({r["chain"] for r in requests}, {"main", "main/nested"})
        (self.project / "no").touch()
        self.wait_until(lambda: not self.waiting(), "a request outlives who asked")
        for request in requests:
            self.assertNotEqual(self.agentbox("approve", str(request["id"])).returncode, 0)
        (self.project / "end").touch()
        session.communicate(timeout=60)
        approvals = [r for r in self.records() if r["event"] == "approve"]
        self.assertEqual(sorted(r["outcome"] for r in approvals),
                         ["asked", "asked", "withdrawn", "withdrawn"])
        self.assertEqual([r for r in self.records() if r["event"] == "resolve"], [])
        self.verify()

    def follow(self):
        follower = subprocess.Popen(
            [AGENTBOX, "approve", "--follow"], cwd=self.project, env=self.environment,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(1.5)  # it asks each half second, and is there for five after that
        return lambda: (follower.kill(), follower.wait())

    def waiting(self):
        return json.loads(self.agentbox("approve", "--json").stdout)

    def boxes(self):
        return [box for session in json.loads(self.agentbox("ps", "--json").stdout)
                for box in session["boxes"]]

    def test_ps_and_kill_know_the_siblings(self):
        session = self.start(
            "(agentbox spawn --scope tests -- sh -c 'touch one; sleep 1000'; echo $? >killed; "
            "while [ ! -e end ]; do sleep 0.05; done) & "
            "agentbox spawn --scope nested -- agentbox spawn --scope tests -- "
            "sh -c 'touch two; sleep 1000' & p=$!; wait $p; echo $? >both; wait")
        self.wait_until(lambda: (self.project / "one").exists() and
                        (self.project / "two").exists(), "the children do not start")
        boxes = {(box["chain"], box["command"]): box for box in self.boxes()}
        self.assertEqual(sorted(boxes), [
            ("main", "sh"), ("main/nested", "agentbox"), ("main/nested/tests", "sh"),
            ("main/tests", "sh")])
        main, nested = boxes["main", "sh"], boxes["main/nested", "agentbox"]
        alone, below = boxes["main/tests", "sh"], boxes["main/nested/tests", "sh"]
        self.assertEqual([main["parent"], nested["parent"], alone["parent"], below["parent"]],
                         ["", main["box"], main["box"], nested["box"]])
        for box in boxes.values():
            with open(f"/proc/{box['pid']}/status") as status:
                self.assertIn(f"\nNSpid:\t{box['pid']}\t1\n", status.read())
        lines = self.agentbox("ps").stdout.decode().splitlines()
        indent = {line.split()[0]: len(line) - len(line.lstrip()) for line in lines[1:]}
        self.assertEqual([indent[box["box"]] for box in (main, alone, nested, below)],
                         [2, 4, 4, 6])
        self.assertEqual(self.agentbox("kill", alone["box"]).returncode, 0)
        self.wait_until((self.project / "killed").exists, "the box was not killed")
        self.wait_until(lambda: len(self.boxes()) == 3, "it is still listed")
        self.assertEqual({box["box"] for box in self.boxes()},
                         {main["box"], nested["box"], below["box"]})
        # With it goes what it has started, and the session goes on.
        self.assertEqual(self.agentbox("kill", nested["box"]).returncode, 0)
        self.wait_until(lambda: [box["box"] for box in self.boxes()] == [main["box"]],
                        "a child outlives its parent")
        self.assertIsNone(session.poll())
        (self.project / "end").touch()
        session.communicate(timeout=60)
        self.assertEqual((self.project / "killed").read_text(), "137\n")
        self.assertEqual((self.project / "both").read_text(), "137\n")
        self.verify()

    def test_kill_of_a_session_ends_its_siblings(self):
        token = f"agentbox-session-{os.getpid()}"
        session = self.start(
            f"agentbox spawn --scope tests -- sh -c 'touch up; sleep 1000 # {token}'")
        self.wait_until((self.project / "up").exists, "the child does not start")
        self.assertTrue(alive(token))
        [one] = json.loads(self.agentbox("ps", "--json").stdout)
        self.assertEqual(self.agentbox("kill", one["session"]).returncode, 0)
        self.assertEqual(session.wait(60), 137)
        self.assertFalse(alive(token))

    def test_a_child_starts_its_own(self):
        out = self.box("agentbox spawn --scope nested -- agentbox spawn --scope tests --json -- "
                       "sh -c 'echo $DATABASE_URL'")
        self.assertIn(b"concealed by agentbox:db", out.stdout)
        self.assertEqual(json.loads(out.stderr)["chain"], "main/nested/tests")

    def test_limits(self):
        self.write_policy(limits={"spawn_depth": 1})
        self.box("agentbox spawn --scope nested -- true")
        self.box("agentbox spawn --scope nested -- agentbox spawn --scope tests -- true", 77)
        self.write_policy(limits={"spawn_concurrent": 1})
        self.box("agentbox spawn --scope tests -- sh -c 'echo >up; cat' </dev/zero >/dev/null & "
                 "while ! [ -e up ]; do sleep 0.1; done; "
                 "agentbox spawn --scope tests -- true; s=$?; kill $!; [ $s = 77 ]")
        self.write_policy(limits={"spawn_depth": 0})
        self.box("agentbox spawn --scope nested -- true", 77)

    def test_nothing_is_shared_but_the_project(self):
        self.box(
            "echo a >/tmp/a; echo b >~/b; echo c >c; "
            "agentbox spawn --scope tests -- sh -c "
            "'! [ -e /tmp/a ] && ! [ -e ~/b ] && [ -e c ] && echo d >/tmp/d && echo e >e'; "
            "s=$?; [ $s = 0 ] && ! [ -e /tmp/d ] && [ -e e ]")

    def test_ipc_is_not_shared(self):
        self.write("ipc.py", """
import ctypes, socket, sys
libc = ctypes.CDLL(None, use_errno=True)
KEY = 0x41474258
if sys.argv[1] == "make":
    s = socket.socket(socket.AF_UNIX); s.bind("\\0agentbox-test"); s.listen()
    assert libc.shmget(KEY, 4096, 0o1666) >= 0
    open("made", "w").close()
    sys.stdin.read()
else:
    s = socket.socket(socket.AF_UNIX)
    print(s.connect_ex("\\0agentbox-test") == 0, libc.shmget(KEY, 4096, 0o666) >= 0)
""")
        out = self.box(
            "mkfifo /tmp/end; python3 ipc.py make </tmp/end & exec 9>/tmp/end; "
            "while ! [ -e made ]; do sleep 0.1; done; python3 ipc.py probe; "
            "agentbox spawn --scope tests -- python3 ipc.py probe; exec 9>&-; wait")
        self.assertEqual(out.stdout.decode().splitlines(), ["True True", "False False"])

    def test_the_child_gets_none_of_the_parents_descriptors(self):
        out = self.box("exec 7</etc/passwd; ls /proc/self/fd; echo --; "
                       "agentbox spawn --scope tests -- ls -l /proc/self/fd").stdout.decode()
        mine, child = out.split("--\n")
        self.assertIn("7", mine)
        self.assertNotIn("passwd", child)

    def test_the_callers_end_ends_the_child(self):
        token = f"agentbox-orphan-{os.getpid()}"
        self.box(f"agentbox spawn --scope tests -- sh -c 'echo >up; sleep 1000 # {token}' & "
                 "while ! [ -e up ]; do sleep 0.1; done; kill -9 $!; echo gone")
        self.wait_until(lambda: not alive(token), "the child outlived its caller")

    def test_a_killed_supervisor_leaves_nothing(self):
        token = f"agentbox-killed-{os.getpid()}"
        process = self.start("agentbox spawn --scope nested -- agentbox spawn --scope tests -- "
                             f"sh -c 'echo >up; sleep 1000 # {token}'")
        self.wait_until(lambda: (self.project / "up").exists(), "no child")
        self.assertTrue(alive(token))  # positive control
        process.send_signal(signal.SIGKILL)
        self.wait_until(lambda: not alive(token), "a box outlived its supervisor")
        self.wait_until(lambda: not alive(str(self.project)), "a runner outlived its supervisor")
        self.verify()

    def test_twenty_at_once(self):
        self.write_policy(limits={"spawn_concurrent": 20})
        out = self.box(
            "for i in $(seq 20); do agentbox spawn --scope tests -- sh -c "
            "'echo \"$1 $DATABASE_URL\"' x $i >out.$i 2>&1 & done; wait; cat out.*")
        lines = sorted(out.stdout.decode().splitlines())
        self.assertEqual(lines, sorted(f"{i} <concealed by agentbox:db>" for i in range(1, 21)))
        self.verify()

    def test_a_hundred_at_once(self):
        self.write_policy(limits={"spawn_concurrent": 100})
        # Each waits for the last one: they are there at the same time.
        out = self.box(
            "for i in $(seq 100); do agentbox spawn --scope tests -- sh -c "
            "'touch up.$1; while [ ! -e go ]; do sleep 0.5; done; echo \"$1 $DATABASE_URL\"' "
            "x $i >out.$i 2>&1 & done; "
            "while [ $(ls | grep -c '^up') -lt 100 ]; do sleep 0.2; done; "
            "touch go; wait; cat out.*")
        lines = sorted(out.stdout.decode().splitlines())
        self.assertEqual(lines, sorted(f"{i} <concealed by agentbox:db>" for i in range(1, 101)))
        spawned = [r for r in self.records() if r["event"] == "spawn"]
        self.assertEqual(sum(r["outcome"] == "started" for r in spawned), 100)
        self.assertEqual(sum(r["outcome"] == "ended" for r in spawned), 100)
        self.assertEqual(len({r["box"] for r in spawned}), 100)
        self.verify()

    def test_a_child_that_crashes_or_floods_leaves_the_others(self):
        out = self.box(
            "agentbox spawn --scope tests -- sh -c 'kill -SEGV $$' ; "
            "agentbox spawn --scope tests -- sh -c 'yes | head -c 20000000' | wc -c; "
            "agentbox spawn --scope tests -- echo still")
        self.assertEqual(out.stdout.decode().split(), ["20000000", "still"])


if __name__ == "__main__":
    unittest.main()
