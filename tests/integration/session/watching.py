"""Who sees a secret in a command line or an environment, or keeps one in memory."""
import base64
import os
import pathlib
import re
import shutil
import subprocess
import threading
import time


def forms(value):
    """The value's halves too: what is left of a buffer that was used again."""
    raw = value.encode()
    # Base64 at each of the three places where its groups of three bytes may begin.
    coded = [base64.b64encode(raw[skip:])[4:-4] for skip in range(3)]
    return [raw[:16], raw[16:], *coded, raw.hex().encode(), raw.hex().upper().encode()]


def holders_of(canaries, text):
    return {name for name, value in canaries.items() for form in forms(value) if form in text}


class Samples(threading.Thread):
    """Looks at the command line and environment of every new process, a thousand times a second."""

    def __init__(self, canaries):
        super().__init__(daemon=True)
        self.needles = [(name, form) for name, value in canaries.items() for form in forms(value)]
        self.before = {entry for entry in os.listdir("/proc") if entry.isdigit()}
        self.own = os.readlink("/proc/self/ns/pid")
        self.found = set()
        self.stopped = threading.Event()

    def look(self, pid):
        try:
            text = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()
            self.note("argv", text, text)
            if os.readlink(f"/proc/{pid}/ns/pid") == self.own:
                self.note("environ", pathlib.Path(f"/proc/{pid}/environ").read_bytes(), text)
        except OSError:
            pass  # it has ended

    def note(self, where, text, command):
        for name, form in self.needles:
            if form in text:
                self.found.add((where, name, command.replace(b"\0", b" ").decode(errors="replace")[:60]))

    def run(self):
        while not self.stopped.is_set():
            began = time.monotonic()
            for entry in os.listdir("/proc"):
                if entry.isdigit() and entry not in self.before:
                    self.look(entry)
            time.sleep(max(0, 0.001 - (time.monotonic() - began)))

    def stop(self):
        self.stopped.set()
        self.join()
        return self.found


class Trace:
    """Every program that a command and its descendants start, however short it lives."""
    # What stands between the arguments and the environment; a quote within either is escaped.
    BORDER = re.compile(r'(?<=["\[])\], \[')
    # PR_SET_DUMPABLE keeps other processes of the user out, the tracer too: only root reads these.
    UNREADABLE = re.compile(r"execve\(0x")

    def __init__(self, place):
        self.place = place
        place.mkdir()
        self.count = 0

    @staticmethod
    def problem():
        if shutil.which("strace") is None:
            return "strace is not installed"
        tried = subprocess.run(["strace", "-qq", "-o", "/dev/null", "true"], capture_output=True)
        return tried.stderr.decode() if tried.returncode != 0 else None

    def command(self, *arguments):
        self.count += 1
        return ["strace", "-f", "-qq", "-v", "-s", "65536", "-e", "trace=execve", "-e", "signal=none",
                "-o", str(self.place / str(self.count)), "--", *arguments]

    def starts(self):
        """(arguments, environment), as strace writes them, of each program that was started."""
        for path in self.place.iterdir():
            for line in path.read_text().splitlines():
                if "execve(" in line:
                    parts = self.BORDER.split(line, maxsplit=1)
                    yield parts[0], parts[1] if len(parts) == 2 else ""

    def unread(self):
        return [arguments for arguments, _ in self.starts() if self.UNREADABLE.search(arguments)]

    def found(self, canaries):
        """{(where, name of the canary, the program's arguments)}."""
        return {(where, name, arguments.split("execve(", 1)[1][:200]) for arguments, environment in self.starts()
                for where, text in (("argv", arguments), ("environ", environment))
                for name in holders_of(canaries, text.encode())}
