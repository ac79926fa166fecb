#!/usr/bin/env python3
"""What siblings cost: memory of many at once, and how fast they start against launches of their own.

    bench/fanout/run.py BUILD_DIR [ROUNDS [CHILDREN]]

As root, which alone may ask for the memory of agentbox's processes. Each child has a secret of the
local store, the live view of a project and everything else that a box has. Rates are of whole starts
of `true`, by `xargs -P`, siblings from within one box against `agentbox run` from the host, in an
order drawn anew in each round. Ends with a status other than 0 when the log is not complete.
"""
import collections
import json
import os
import pathlib
import random
import statistics
import subprocess
import sys
import tempfile
import time

CHILD = "tail -f /dev/null"
KINDS = ("supervisor", "nursery", "runner", "helper", "init", "caller", "command", "other")


def fail(message):
    sys.exit("run.py: " + message)


def status(pid):
    with open(f"/proc/{pid}/status") as lines:
        fields = dict(line.split(":\t", 1) for line in lines if ":\t" in line)
    return int(fields["PPid"]), fields["NSpid"].split(), fields["Name"].strip()


def family(supervisor):
    """The processes of a session, as kind → pids."""
    every = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            every[int(pid)] = status(pid)
        except (OSError, KeyError):
            pass
    found, more = {}, {supervisor}
    while more:
        found.update((pid, every[pid]) for pid in more)
        more = {pid for pid, (parent, _, _) in every.items() if parent in more}
    first = {parent for parent, ids, _ in found.values() if ids[1:] == ["1"]}  # of a box
    nurseries = {found[pid][0] for pid in first & found.keys()} - {supervisor}
    kinds = collections.defaultdict(list)
    for pid, (_, ids, name) in found.items():
        if pid == supervisor:
            kind = "supervisor"
        elif len(ids) == 1:
            kind = "runner" if pid in first else "nursery" if pid in nurseries else "helper"
        elif ids[1] == "1":
            kind = "init"
        else:
            kind = {"agentbox": "caller", "tail": "command"}.get(name, "other")
        kinds[kind].append(pid)
    return kinds


def memory(pids, field):
    total = 0
    for pid in pids:
        try:
            with open(f"/proc/{pid}/smaps_rollup") as lines:
                total += sum(int(line.split()[1]) for line in lines if line.startswith(field + ":"))
        except (FileNotFoundError, ProcessLookupError):
            pass  # one of the script's own sleeps
    return total  # KiB


class Bench:
    def __init__(self, agentbox, place, children):
        self.agentbox, self.children = agentbox, children
        self.project = place / "project"
        self.project.mkdir()
        self.environment = {"PATH": os.environ["PATH"], "HOME": str(place), "LANG": "C.UTF-8"}
        self.run("secret", "set", "db", text="of-the-bench-0b6c1d2e93")
        (self.project / "agentbox.json").write_text(json.dumps({
            "version": 1, "limits": {"spawn_concurrent": children},
            "secrets": {"db": {"from": "local://db", "as": {"env": "DATABASE_URL"}}},
            "scopes": {"main": {"secrets": [], "spawn": ["leaf"]}, "leaf": {"secrets": ["db"]}}}))
        self.run("trust", "--yes")
        self.started = self.launched = 0

    def run(self, *arguments, text=""):
        done = subprocess.run([self.agentbox, *arguments], cwd=self.project, env=self.environment,
                              input=text, capture_output=True, text=True)
        if done.returncode != 0:
            fail(" ".join(map(str, arguments)) + ":\n" + done.stdout + done.stderr)
        return done.stdout

    def memory(self):
        script = ("while [ ! -e begin ]; do sleep 0.2; done; "
                  f"for i in $(seq {self.children}); do agentbox spawn --scope leaf -- {CHILD} & done; "
                  "while [ ! -e end ]; do sleep 0.2; done")
        session = subprocess.Popen([self.agentbox, "run", "--", "sh", "-c", script], cwd=self.project,
                                   env=self.environment, stdin=subprocess.DEVNULL)
        try:
            while not family(session.pid)["other"]:
                if session.poll() is not None:
                    fail("the session did not start")
                time.sleep(0.1)
            time.sleep(1)
            alone = family(session.pid)
            before = {kind: memory(alone[kind], "Pss") for kind in KINDS}
            (self.project / "begin").touch()
            begun = time.perf_counter()
            while len(family(session.pid)["command"]) < self.children:
                if session.poll() is not None or time.perf_counter() - begun > 300:
                    fail("the children did not start")
                time.sleep(0.5)
            time.sleep(2)
            there = family(session.pid)
            print("| processes | number | PSS each | private each |\n|---|---|---|---|")
            after = {}
            for kind in KINDS:
                pids = there[kind]
                after[kind] = memory(pids, "Pss")
                if pids:
                    private = memory(pids, "Private_Dirty") + memory(pids, "Private_Clean")
                    print(f"| {kind} | {len(pids)} | {after[kind] / len(pids):.0f} KiB "
                          f"| {private / len(pids):.0f} KiB |")
            alone_all, all_of_it = sum(before.values()), sum(after.values())
            print(f"\nsession without a child: {alone_all / 1024:.1f} MiB; with {self.children}: "
                  f"{all_of_it / 1024:.1f} MiB; so a child has "
                  f"{(all_of_it - alone_all) / 1024 / self.children:.2f} MiB")
            self.started += self.children
            (self.project / "end").touch()
            if session.wait() != 0:
                fail("the session with the children failed")
        finally:
            session.kill()
            session.wait()

    def timed(self, command, jobs, number):
        """Starts a second of `number` of that command, `jobs` at a time, as a shell script."""
        return (f"begun=$(date +%s%N); seq {number} | xargs -P {jobs} -I{{}} {command} || exit; "
                "echo $(($(date +%s%N) - begun))")

    def siblings(self, jobs, number):
        self.started += number
        script = self.timed("agentbox spawn --scope leaf -- true", jobs, number)
        return number * 1e9 / int(self.run("run", "--", "sh", "-c", script))

    def singles(self, jobs, number):
        self.launched += number
        script = self.timed(f"{self.agentbox} run --scope leaf -- true", jobs, number)
        done = subprocess.run(["sh", "-c", script], cwd=self.project, env=self.environment,
                              stdin=subprocess.DEVNULL, capture_output=True, text=True)
        if done.returncode != 0:
            fail("agentbox run:\n" + done.stderr)
        return number * 1e9 / int(done.stdout)

    def rates(self, rounds):
        print("\n| at a time | siblings a second | single launches a second | single / siblings |"
              "\n|---|---|---|---|")
        for jobs in (1, os.cpu_count(), self.children):
            rates = {self.siblings: [], self.singles: []}
            for _ in range(rounds):
                for one in random.sample(list(rates), 2):
                    rates[one].append(one(jobs, self.children))
            medians = [statistics.median(values) for values in rates.values()]
            shown = [f"{statistics.median(v):.1f} ({min(v):.1f} to {max(v):.1f})" for v in rates.values()]
            print(f"| {jobs} | {shown[0]} | {shown[1]} | {medians[1] / medians[0]:.2f} |", flush=True)

    def check_log(self):
        counts = collections.Counter()
        for line in self.run("log", "--json").splitlines():
            record = json.loads(line)
            counts[record["event"], record.get("outcome")] += 1
            counts[record["event"]] += 1
        self.run("log", "verify")
        wanted = {("spawn", "started"): self.started, ("spawn", "ended"): self.started,
                  "release": self.started + self.launched}
        print("\nlog: whole; " + ", ".join(
            f"{counts[what]} of {number} {what if isinstance(what, str) else ' '.join(what)}"
            for what, number in wanted.items()))
        if any(counts[what] != number for what, number in wanted.items()):
            fail("records are missing")


def main():
    if len(sys.argv) < 2 or os.getuid() != 0:
        fail("as root: bench/fanout/run.py BUILD_DIR [ROUNDS [CHILDREN]]")
    agentbox = pathlib.Path(sys.argv[1]).resolve() / "launcher/cli/agentbox"
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 5
    children = int(sys.argv[3]) if len(sys.argv) > 3 else 100
    with tempfile.TemporaryDirectory(prefix="agentbox-bench-", dir="/var/tmp") as name:
        bench = Bench(agentbox, pathlib.Path(name), children)
        print("load before: " + " ".join(f"{one:.1f}" for one in os.getloadavg()) + "\n")
        bench.memory()
        bench.rates(rounds)
        bench.check_log()


if __name__ == "__main__":
    main()
