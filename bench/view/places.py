"""Where a command is measured: on the real tree, and through each file system that shows it."""

import json
import os
import pathlib
import shutil
import subprocess
import time

WORKER = (pathlib.Path(__file__).parent / "worker.py").read_text()
PYTHON = "/usr/bin/python3"


class Missing(Exception):
    """A program that cannot be measured here; the text says why."""


class Place:
    """A worker process that stands in the tree as this place shows it."""

    def __init__(self, name, tree, scratch):
        self.name, self.tree, self.scratch = name, tree, scratch
        self.process = None

    def start(self):
        self.process = subprocess.Popen(self.command(), cwd=self.root(), stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)

    def command(self):
        return [PYTHON, "-c", WORKER]

    def root(self):
        return self.tree

    def run(self, command, expect=(0,), **more):
        """Seconds, measured by the worker itself; raises if the command's status is not expected."""
        self.process.stdin.write(json.dumps({"command": command, **more}) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.name}: the worker is gone")
        done = json.loads(line)
        if done["status"] not in expect:
            raise RuntimeError(f"{self.name}: {command}: status {done['status']}: {done['tail']}")
        return done

    def server(self):
        """The process whose memory the place costs; None: there is none."""
        return None

    def stop(self):
        if self.process is not None:
            self.process.stdin.close()
            self.process.wait(timeout=60)
            self.process.stdout.close()
            self.process = None


class Native(Place):
    pass


class Agentbox(Place):
    def __init__(self, program, *rest):
        super().__init__("agentbox", *rest)
        self.program = program

    def command(self):
        return [self.program, "run", "--fresh", "--", *super().command()]

    def server(self):
        return self.process.pid


class Mounted(Place):
    """A FUSE program that mounts another picture of the tree."""

    mounter = None

    def start(self):
        if shutil.which(self.name) is None:
            raise Missing(f"{self.name} is not installed")
        self.point = self.scratch / f"mount-{self.name}"
        self.point.mkdir(exist_ok=True)
        self.mounter = subprocess.Popen(self.mount(), stdout=subprocess.DEVNULL,
                                        stderr=subprocess.PIPE)
        for _ in range(200):
            if os.path.ismount(self.point):
                break
            if self.mounter.poll() is not None:
                raise Missing(f"{self.name} does not mount here: "
                              + self.mounter.stderr.read().decode().strip())
            time.sleep(0.02)
        super().start()

    def root(self):
        return self.point

    def server(self):
        return self.mounter.pid

    def stop(self):
        super().stop()
        if self.mounter is None:
            return
        if self.mounter.poll() is None:
            subprocess.run(["fusermount3", "-u", self.point], check=True)
        self.mounter.wait(timeout=60)
        self.mounter.stderr.close()
        self.mounter = None


class Bindfs(Mounted):
    def __init__(self, *rest):
        super().__init__("bindfs", *rest)

    def mount(self):
        return ["bindfs", "-f", "--no-allow-other", self.tree, self.point]


class FuseOverlayfs(Mounted):
    def __init__(self, *rest):
        super().__init__("fuse-overlayfs", *rest)

    def mount(self):
        layers = self.scratch / "layers"
        for name in ("upper", "work"):
            (layers / name).mkdir(parents=True, exist_ok=True)
        return ["fuse-overlayfs", "-f", "-o",
                f"lowerdir={self.tree},upperdir={layers}/upper,workdir={layers}/work", self.point]

    def stop(self):
        super().stop()
        shutil.rmtree(self.scratch / "layers", ignore_errors=True)


def resident_kib(pid):
    with open(f"/proc/{pid}/smaps_rollup") as lines:
        for line in lines:
            if line.startswith("Pss:"):
                return int(line.split()[1])
    raise RuntimeError(f"process {pid} says no Pss")
