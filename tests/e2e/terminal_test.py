"""Claude Code with its full screen in a terminal."""

import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import termios
import time
import unittest

import claude_test
import place
import standin

PATIENCE = 90  # seconds until a program on a busy machine counts as stuck


class Screen:
    """A command in a terminal of its own, and all that it has written there."""

    def __init__(self, command, directory, environment, rows=40, columns=120):
        self.text = ""
        self.pid, self.terminal = pty.fork()
        if self.pid == 0:
            os.chdir(directory)
            os.execve(command[0], command, environment)
        fcntl.ioctl(self.terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def type(self, keys):
        os.write(self.terminal, keys.encode())

    def plain(self):
        """What was written, without escape sequences and blanks: programs place words by cursor
        movements as well as by blanks."""
        text = re.sub(r"\x1b\[[0-9;?<>=]*[a-zA-Z]|\x1b\][^\x07\x1b]*(\x07|\x1b\\)|\x1b.", "", self.text)
        return re.sub(r"\s", "", text)

    def read_until(self, done):
        """Reads until done() or the end; whether it was done()."""
        deadline = time.monotonic() + PATIENCE
        while not done() and time.monotonic() < deadline:
            if select.select([self.terminal], [], [], 0.1)[0]:
                try:
                    data = os.read(self.terminal, 65536)
                except OSError:
                    data = b""  # EIO: the last process closed it
                if not data:
                    return done()
                self.text += data.decode(errors="replace")
        return done()

    def wait(self):
        """The exit status, 128 + N for a signal; None if it does not end."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            self.read_until(lambda: not select.select([self.terminal], [], [], 0.1)[0])
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.pid = 0
                return 128 + os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
        return None

    def close(self):
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self.terminal)


class TerminalTest(place.Place):
    def prepare(self):
        """A home in which all first questions are answered."""
        (self.home / ".claude.json").write_text(json.dumps({
            "hasCompletedOnboarding": True,
            "theme": "dark",
            "customApiKeyResponses": {"approved": [self.key[-20:]], "rejected": []},
            "projects": {str(self.project): {"hasTrustDialogAccepted": True}}}), encoding="utf-8")

    def session(self, boxed):
        self.key = "sk-ant-test-0123456789abcdef0123456789"
        self.prepare()
        server = standin.Server({"steps": [{"shell": "cat .env app.py"}], "final": "scenario over"},
                                str(self.scratch / "requests"))
        self.addCleanup(server.server_close)
        port = server.start()
        self.addCleanup(server.shutdown)
        extra = claude_test.ClaudeTest.configure(self, port)
        line, shown = claude_test.ClaudeTest.command(self)
        line = [line[0], "--allowedTools", "Bash"]
        if boxed:
            self.store("e2e-key", self.key)
            line = self.box(*line, profile="claude", policy={
                "extends": ["claude"], "system": [str(path) for path in shown],
                "network": [f"localhost:{port}"],
                "secrets": {"key": {"from": "local://e2e-key", "as": {"env": "ANTHROPIC_API_KEY"}}},
                "scopes": {"main": {"secrets": ["key"]}}})
        else:
            extra["ANTHROPIC_API_KEY"] = self.key
        screen = Screen(line, self.project, {**self.environment, **extra})
        self.addCleanup(screen.close)
        self.assertTrue(screen.read_until(lambda: "forshortcuts" in screen.plain()
                                          or "❯" in screen.plain()),
                        "the screen does not come up:\n" + screen.text[-3000:])
        screen.type("show me the code")
        screen.read_until(lambda: "showmethecode" in screen.plain())
        screen.type("\r")
        self.assertTrue(screen.read_until(lambda: "scenarioover" in screen.plain()),
                        "no answer:\n" + screen.text[-3000:])
        screen.type("/exit")
        screen.read_until(lambda: "/exit" in screen.plain())
        screen.type("\r")
        status = screen.wait()
        self.assertEqual(status, 0, screen.text[-3000:])
        bodies = sorted((self.scratch / "requests").glob("*.body"))
        return screen.text + "".join(path.read_text(errors="replace") for path in bodies)

    def test_without_a_box_the_secret_is_shown(self):
        self.assertIn(self.canary, self.session(boxed=False))

    def test_in_a_box_the_screen_comes_up_answers_and_quits(self):
        self.assertNotIn(self.canary, self.session(boxed=True))
        self.verify_log()


if __name__ == "__main__":
    unittest.main()
