#!/usr/bin/env python3
"""`agentbox scan` against a script that does less, in one interleaved run.

    bench/scan/run.py BUILD_DIR [--files 15000] [--copies 30] [--rounds 7]

The tree has some secret files, and copies of their values and tokens in ordinary ones. Everything is
in memory before the first round. Printed are the medians, and the least and greatest ratio of a round.
"""

import argparse
import json
import os
import pathlib
import random
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "view"))
import trees  # noqa: E402

AIM = 10
SCRIPT = pathlib.Path(__file__).with_name("script.py")


def plant(root, copies, draw):
    """Tokens and copies in as many files of the tree; returns how many of each."""
    letters = "abcdefghijkmnopqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"
    text = lambda length: "".join(draw.choice(letters) for _ in range(length))
    value = text(28)
    (root / "service.env").write_text(f"PASSPHRASE={value}\n")
    files = draw.sample(sorted(root.glob("src*/part*/file*.c")), 2 * copies)
    for number, path in enumerate(files):
        line = f"// ghp_{text(36)}\n" if number % 2 else f"// connects with {value}\n"
        path.write_text(path.read_text() + line)


def timed(command, root, environment):
    start = time.monotonic()
    result = subprocess.run(command, cwd=root, env=environment, capture_output=True)
    return time.monotonic() - start, result


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--files", type=int, default=15000)
    parser.add_argument("--copies", type=int, default=30)
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    agentbox = arguments.build.resolve() / "launcher/cli/agentbox"
    with tempfile.TemporaryDirectory(prefix="agentbox-scan-bench-") as place:
        root = pathlib.Path(place) / "tree"
        trees.make_tree(root, arguments.files, 20)
        plant(root, arguments.copies, random.Random(1))
        home = pathlib.Path(place) / "home"
        home.mkdir()
        environment = {"HOME": str(home), "PATH": os.environ["PATH"], "LANG": "C.UTF-8"}
        commands = {"agentbox": [agentbox, "scan", "--json"],
                    "script": [sys.executable, SCRIPT, root]}
        seconds = {name: [] for name in commands}
        for number in range(arguments.rounds + 1):
            for name in random.sample(list(commands), len(commands)):
                took, result = timed(commands[name], root, environment)
                if number > 0:  # the first brings everything into memory
                    seconds[name].append(took)
                elif name == "agentbox":
                    report = json.loads(result.stdout)
                    print(f"agentbox: {report['searched']} files, {report['bytes'] >> 20} MiB, "
                          f"{len(report['findings'])} findings, {len(report['hidden'])} hidden")
                else:
                    print(f"script: {result.stderr.decode().strip()}")
        for name, list_ in seconds.items():
            print(f"{name:10} {statistics.median(list_) * 1000:8.1f} ms")
        ratios = [script / ours for script, ours in zip(seconds["script"], seconds["agentbox"])]
        middle = statistics.median(ratios)
        print(f"ratio      {middle:8.1f}  ({min(ratios):.1f} to {max(ratios):.1f}); aim {AIM}: "
              f"{'met' if middle >= AIM else 'MISSED'}")


if __name__ == "__main__":
    main()
