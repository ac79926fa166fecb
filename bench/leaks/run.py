#!/usr/bin/env -S python3 -B
"""Runs the same attacks inside agentbox and its peers, in one run, and prints one table.

    bench/leaks/run.py BUILD_DIR [--agents BUILD_DIR] [--json]

Each cell is a fresh home with a fresh repository, a secret that is random, and one start of the
tool. The secret is searched for in the raw output. A cell counts only if the attack read an
ordinary file and came to its end in the box; otherwise it is "–", with the reason below.
The run fails unless the column without a box leaks everywhere, and no tool leaks a listed `.env`.
"""

import argparse
import json
import os
import pathlib
import platform
import subprocess
import sys
import tempfile

import tools
from attacks import CASES, SEARCH_PATH, TOKEN, make_place

HERE = pathlib.Path(__file__).resolve()
HIDDEN = ("absent", "empty", "redacted", "refused")
TIME_LIMIT = 60  # seconds for one start; the slowest attack takes under three

# --- one start


def start(tool, case, directory, names):
    """The verdict of one cell, and for "–" the reason."""
    place = make_place(directory)
    case.before(place)
    word = f"WORD={place.secret}" if case.written else ""  # what is to be read is not told
    place.write("attack.sh", f"echo ready; read -r _; cat README; OUTER_HOME={place.home} {word}\n"
                f"{case.attack}\necho {place.end}\n")
    environment = {"HOME": str(place.home), "PATH": SEARCH_PATH, "LANG": "C.UTF-8"}
    if case.environment:
        environment[TOKEN] = place.secret
    command = ["timeout", "--kill-after=5", str(TIME_LIMIT), *tool.command(place, names), "bash",
               "attack.sh"]
    with subprocess.Popen(command, cwd=place.project, env=environment, stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          start_new_session=True) as process:
        output = b""
        while line := process.stdout.readline():
            output += line
            if line.strip() == b"ready":
                case.meanwhile(place)
                break
        output += process.communicate(b"go\n")[0]
    return judge(place, case, output)


def judge(place, case, output):
    """As start(). "absent": no such name; "empty": it is there and holds nothing;
    "redacted": it is there, with as many stars as the secret is long."""
    if case.written:
        path = place.project / case.written
        leaked = path.exists() and place.secret in path.read_text(encoding="utf-8")
    else:
        leaked = place.secret.encode() in output
    if leaked:
        return "written" if case.written else "leaks", ""
    if place.ordinary.encode() not in output or place.end.encode() not in output:
        return "–", "the attack did not run: " + output.decode(errors="replace").strip()[-200:]
    for words in (b"denied", b"Read-only", b"not permitted", b"busy"):
        if words in output:
            return "refused", ""
    if b"*" * len(place.secret) in output:
        return "redacted", ""
    missing = b"No such file" in output or b"left-out-by-agentbox" in output
    return "absent" if missing or case.environment else "empty", ""


def cell(tool, case, directory):
    verdict, reason = start(tool, case, directory, (".env",))
    if verdict == "leaks" and case.unlisted and tool.takes_names:
        if start(tool, case, directory, (".env", case.unlisted))[0] in HIDDEN:
            verdict = "leaks unless listed"
    return verdict, reason


# --- all of them


def measure(contestants, directory):
    versions, verdicts, reasons = {}, {case.title: {} for case in CASES}, []
    for tool in contestants:
        try:
            versions[tool.name] = tool.version()
        except tools.Missing as missing:
            versions[tool.name] = "–"
            reasons.append(f"{tool.name}: {missing}")
        for case in CASES:
            verdict, reason = ("–", "")
            if versions[tool.name] != "–":
                print(f"{tool.name}: {case.title}", file=sys.stderr)
                verdict, reason = cell(tool, case, directory)
            verdicts[case.title][tool.name] = verdict
            if reason:
                reasons.append(f"{tool.name}, {case.title}: {reason}")
    return versions, verdicts, reasons


def failed_controls(verdicts):
    """A box that leaks nothing because the attack is wrong, or all because it was set up wrong."""
    free = tools.NoBox.name
    return [f"without a box, {title} reads {row[free]}" for title, row in verdicts.items()
            if row[free] not in ("leaks", "written")] + [
                f"{name} does not hide a listed file: it is not configured as it should be"
                for name, verdict in verdicts[CASES[0].title].items()
                if name != free and verdict == "leaks"]


def print_table(versions, verdicts, reasons):
    print("| | " + " | ".join(versions) + " |")
    print("|---" * (len(versions) + 1) + "|")
    for title, row in verdicts.items():
        print(f"| {title} | " + " | ".join(row.values()) + " |")
    print("\nVersions: " + "; ".join(f"{name}: {text}" for name, text in versions.items()) +
          f"; Linux {platform.release()}.")
    for reason in reasons:
        print(f"–: {reason}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("build", type=pathlib.Path, help="where agentbox was built")
    parser.add_argument("--agents", type=pathlib.Path, metavar="BUILD_DIR",
                        help="where tests/e2e/install_agents.sh put srt and codex (default: build)")
    parser.add_argument("--json", action="store_true", help="print JSON rather than a table")
    options = parser.parse_args()
    if os.getuid() == 0:  # some peers refuse root, and others are weaker as root
        os.execv(HERE.parents[2] / "tests/as_user.sh",
                 ["as_user.sh", str(HERE), *sys.argv[1:]])
    modules = (options.agents or options.build).resolve() / "agents/node_modules"
    contestants = (
        tools.NoBox(), tools.Agentbox(options.build.resolve() / "launcher/cli/agentbox"),
        tools.Bubblewrap(), tools.Firejail(), tools.SandboxRuntime(modules, "srt, list", ()),
        tools.SandboxRuntime(modules, "srt, globs", ("**/.env", "**/.env.*")), tools.Codex(modules))
    with tempfile.TemporaryDirectory(prefix="agentbox-leaks.", dir=os.environ.get("TMPDIR"),
                                     ignore_cleanup_errors=True) as directory:
        versions, verdicts, reasons = measure(contestants, directory)
    failures = failed_controls(verdicts)
    if options.json:
        print(json.dumps({"kernel": platform.release(), "versions": versions, "verdicts": verdicts,
                          "reasons": reasons, "failed_controls": failures},
                         ensure_ascii=False, indent=2))
    else:
        print_table(versions, verdicts, reasons)
    for failure in failures:
        print(f"run.py: {failure}", file=sys.stderr)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
