#!/usr/bin/env python3
"""The view against the tree itself and against other FUSE file systems, in one interleaved run.

    bench/view/run.py BUILD_DIR [--files 15000,100000,400000] [--rounds 5] [...]

Each place (native, agentbox, bindfs, fuse-overlayfs) has a worker process that stays in it. In each
round each place runs each command once, in an order drawn anew, and the worker times it. "first" is the
first time that a newly mounted file system is asked, with the real files in memory; "warm" is the median
of the rounds after it. docs/performance.md has the figures and what they are aimed at.
"""

import argparse
import os
import pathlib
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

import places
import trees

# Command, statuses that are success.
WALKS = {
    "rg": (["rg", "-j2", "no_such_text_anywhere", "."], (1,)),
    "find": (["find", ".", "-name", "*.nothing"], (0,)),
    "stat walk": (["find", ".", "-newermt", "2100-01-01"], (0,)),
    "git status": (["git", "status", "--porcelain"], (0,)),
    "git grep": (["git", "grep", "no_such_text_anywhere"], (1,)),
}
AIMS = {"rg": 1.3, "find": 1.1, "stat walk": 1.3, "git status": 1.5, "cat": 1.05, "build": 1.1}
FIRST_AIM = 3.0


class Table:
    """Seconds by command and place; printed with their ratio to native."""

    def __init__(self, title):
        self.title, self.seconds = title, {}

    def add(self, command, place, seconds):
        self.seconds.setdefault(command, {}).setdefault(place, []).append(seconds)

    def show(self):
        print(f"\n{self.title}\n")
        for command, by_place in self.seconds.items():
            native = statistics.median(by_place["native"])
            aim = AIMS.get(command.removesuffix(", first"))
            if command.endswith(", first"):
                aim = FIRST_AIM
            for place, seconds in by_place.items():
                middle = statistics.median(seconds)
                ratio = middle / native
                verdict = ""
                if place == "agentbox" and aim is not None:
                    verdict = f"aim {aim}: " + ("met" if ratio <= aim else "MISSED")
                print(f"  {command:20} {place:15} {middle * 1000:10.1f} ms "
                      f"{min(seconds) * 1000:9.1f}-{max(seconds) * 1000:<9.1f} {ratio:6.2f}x  {verdict}")
        sys.stdout.flush()


def contestants(options, tree, scratch):
    chosen = [places.Native("native", tree, scratch), places.Agentbox(options.program, tree, scratch)]
    if options.peers:
        chosen += [places.Bindfs(tree, scratch), places.FuseOverlayfs(tree, scratch)]
    if options.control:
        chosen.append(places.Native("native again", tree, scratch))
    started = []
    for place in chosen:
        try:
            options.started.append(place)
            place.start()
            place.run(["true"])
            started.append(place)
        except places.Missing as missing:
            print(f"left out: {missing}")
    return started


def measure_walks(options, scratch, files, secrets):
    tree = scratch / f"tree-{files}-{secrets}"
    trees.make_tree(tree, files, secrets)
    native = places.Native("native", tree, scratch)
    native.start()
    for command, status in WALKS.values():  # into memory, all of it
        native.run(command, status)
    table = Table(f"{files:,} files, {secrets:,} of them secret" if secrets else f"{files:,} files")
    for name, (command, status) in WALKS.items():
        warm = [native.run(command, status)["seconds"] for _ in range(3)]
        for seconds in warm:
            table.add(name + ", first", "native", seconds)
        for place in contestants(options, tree, scratch):
            if not isinstance(place, places.Native):
                table.add(name + ", first", place.name, place.run(command, status)["seconds"])
            place.stop()
    native.stop()
    chosen = contestants(options, tree, scratch)
    before = {p.name: places.resident_kib(p.server()) for p in chosen if p.server()}
    for name, (command, status) in WALKS.items():
        for place in chosen:
            place.run(command, status)
    for _ in range(options.rounds):
        for name, (command, status) in WALKS.items():
            random.shuffle(chosen)
            for place in chosen:
                table.add(name, place.name, place.run(command, status)["seconds"])
    table.show()
    print("\n  memory of the server, Pss: before, after all of that, per 100,000 files")
    for place in chosen:
        if place.server():
            after = places.resident_kib(place.server())
            more = after - before[place.name]
            print(f"  {place.name:15} {before[place.name] / 1024:7.1f} MiB {after / 1024:7.1f} MiB "
                  f"{more / 1024 * 100_000 / files:7.1f} MiB")
    for place in chosen:
        place.stop()
    launches = Table(f"launch of `true` in this tree")
    for _ in range(options.rounds):
        for name, words in (("native", ["true"]), ("agentbox", [options.program, "run", "--fresh", "--", "true"])):
            start = time.perf_counter()
            subprocess.run(words, cwd=tree, check=True)
            launches.add("launch", name, time.perf_counter() - start)
    launches.show()
    shutil.rmtree(tree)


def measure_big_file(options, scratch):
    tree = scratch / "big"
    tree.mkdir()
    trees.make_big(tree / "big", options.bytes)
    shutil.copy(options.accesses, tree / "accesses")
    commands = {"cat": ["sh", "-c", "cat big >/dev/null"],
                "4 KiB random reads": ["./accesses", "random", "big", "200000"],
                "mmap": ["./accesses", "map", "big"]}
    table = Table(f"one file of {options.bytes >> 20:,} MiB")
    for name, command in commands.items():
        for place in contestants(options, tree, scratch):
            for _ in range(3 if place.name == "native" else 1):
                table.add(name + ", first", place.name, place.run(command)["seconds"])
            place.stop()
    chosen = contestants(options, tree, scratch)
    for command in commands.values():
        for place in chosen:
            place.run(command)
    for _ in range(options.rounds):
        for name, command in commands.items():
            random.shuffle(chosen)
            for place in chosen:
                table.add(name, place.name, place.run(command)["seconds"])
    for place in chosen:
        place.stop()
    table.show()
    shutil.rmtree(tree)


def measure_work(options, scratch):
    """A build and `npm ci`: they write, so each place has a tree of its own to write to."""
    table = Table(f"work: {options.objects} objects" + (", npm ci" if options.npm else ""))
    tree = scratch / "work"
    trees.make_build(tree / "build", options.objects)
    if options.npm:
        print(f"npm ci installs {trees.make_npm(tree / 'npm'):,} files")
    chosen = contestants(options, tree, scratch)
    left_out = set()
    # The same cache in each place, and no look at the network.
    npm = ["npm", "--cache", "./cache", "--offline", "--no-audit", "--no-fund", "ci"]
    for number in range(options.work_rounds):
        random.shuffle(chosen)
        for place in chosen:
            place.run(["make", "-s", "clean"], cwd="build")
            seconds = place.run(["make", "-s", "-j2"], cwd="build")["seconds"]
            table.add("build", place.name, seconds)
            place.run(["make", "-s", "clean"], cwd="build")
        for place in chosen if options.npm else []:
            if place.name in left_out:
                continue
            place.run(["rm", "-rf", "node_modules"], cwd="npm")
            try:
                seconds = place.run(npm, cwd="npm")["seconds"]
            except RuntimeError as failed:
                if not isinstance(place, places.Mounted):
                    raise
                print(f"left out: {failed}")  # a peer that cannot do it
                left_out.add(place.name)
                continue
            table.add("npm ci", place.name, seconds)
            place.run(["rm", "-rf", "node_modules"], cwd="npm")
    for place in chosen:
        place.stop()
    table.show()
    shutil.rmtree(tree)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--files", default="15000,100000,400000",
                        help="sizes of the trees; none: no trees")
    parser.add_argument("--secrets", type=int, default=2000,
                        help="secret files in one more tree of the first size; 0: no such tree")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--work-rounds", type=int, default=3)
    parser.add_argument("--objects", type=int, default=500, help="of the build; 0: no build, no npm")
    parser.add_argument("--bytes", type=int, default=1 << 30, help="of the big file; 0: none")
    parser.add_argument("--no-npm", dest="npm", action="store_false")
    parser.add_argument("--no-peers", dest="peers", action="store_false")
    parser.add_argument("--control", action="store_true", help="native twice: what the noise is")
    options = parser.parse_args()
    options.started = []
    options.program = str((options.build / "launcher/cli/agentbox").resolve())
    options.accesses = (options.build / "bench/view/view_accesses").resolve()
    for path in (options.program, options.accesses):
        if not os.path.exists(path):
            parser.error(f"{path} is not built")
    return options


def main():
    options = arguments()
    scratch = pathlib.Path(tempfile.mkdtemp(prefix="agentbox-bench-", dir=os.environ.get("TMPDIR", "/var/tmp")))
    try:
        home = scratch / "home"
        home.mkdir()
        os.environ["HOME"] = str(home)
        print(f"{os.cpu_count()} processors, kernel {os.uname().release}, user {os.geteuid()}, "
              f"load {os.getloadavg()[0]:.1f}, {time.strftime('%Y-%m-%d %H:%M')}, "
              f"{options.rounds} rounds")
        sizes = [int(size) for size in options.files.split(",") if size]
        for files in sizes:
            measure_walks(options, scratch, files, 0)
        if sizes and options.secrets:
            measure_walks(options, scratch, max(sizes[0], options.secrets * trees.FILES_IN_DIRECTORY // 5),
                          options.secrets)
        if options.bytes:
            measure_big_file(options, scratch)
        if options.objects:
            measure_work(options, scratch)
        print(f"\nload {os.getloadavg()[0]:.1f} at the end")
    finally:
        for place in options.started:  # what an error has left mounted
            place.stop()
        shutil.rmtree(scratch, ignore_errors=True)


if __name__ == "__main__":
    main()
