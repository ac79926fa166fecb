"""What is measured on: generated trees, C++ sources, an npm project, a big file."""

import os
import pathlib
import subprocess

FILES_IN_DIRECTORY = 50
SECRET = "API_KEY=0123456789abcdef0123\n"
# About 1.2 KiB, which is what the middle file of a source tree has.
BODY = "".join(f"int step_{n}(int x) {{ return x * {n} + helper(x); }}  // line {n}\n"
               for n in range(20))
GIT = ["git", "-c", "user.name=bench", "-c", "user.email=bench@example.com", "-c", "gc.auto=0"]


def make_tree(root, files, secrets):
    """A repository of `files` tracked files, and `secrets` ignored ones in as many directories."""
    root.mkdir(parents=True)
    for number in range(files):
        directory = root / f"src{number // 2500}" / f"part{number // FILES_IN_DIRECTORY}"
        if number % FILES_IN_DIRECTORY == 0:
            directory.mkdir(parents=True)
        with open(directory / f"file{number}.c", "w") as out:
            out.write(f"int value_{number} = {number};\n{BODY}")
    directories = sorted({str(path.parent) for path in root.glob("src*/part*/file*0.c")})
    for number in range(secrets):
        if number < len(directories):
            with open(os.path.join(directories[number], ".env"), "w") as out:
                out.write(SECRET)
    (root / ".gitignore").write_text(".env\n")
    git = lambda *words: subprocess.run([*GIT, "-C", root, *words], check=True,
                                        stdout=subprocess.DEVNULL)
    git("init", "-q")
    git("add", "-A")
    git("commit", "-qm", "all")
    git("update-index", "-q", "--refresh")


def make_build(root, objects):
    """`objects` sources, each including the library's usual headers, and a Makefile."""
    root.mkdir(parents=True)
    (root / "include").mkdir()
    for number in range(20):
        (root / "include" / f"part{number}.h").write_text(
            f"#pragma once\ninline int part{number}(int x) {{ return x + {number}; }}\n")
    includes = "".join(f'#include "include/part{number}.h"\n' for number in range(20))
    for number in range(objects):
        (root / f"unit{number}.cpp").write_text(
            f"#include <cstdio>\n{includes}"
            f"int unit{number}(int x) {{ return part{number % 20}(x) + {number}; }}\n")
    names = " ".join(f"unit{number}.o" for number in range(objects))
    (root / "Makefile").write_text(
        f"all: {names}\n%.o: %.cpp\n\t@g++ -O0 -c -MMD $< -o $@\n"
        "clean:\n\t@rm -f *.o *.d\n")


PACKAGES = {"express": "4.21.2", "eslint": "8.57.1", "typescript": "5.6.3", "jest": "29.7.0",
            "webpack": "5.97.1", "react": "18.3.1", "lodash": "4.17.21"}


def make_npm(root):
    """An npm project with a lock file, and a cache that holds all of it: `npm ci` needs no network."""
    root.mkdir(parents=True)
    wanted = ", ".join(f'"{name}": "{version}"' for name, version in PACKAGES.items())
    (root / "package.json").write_text(
        f'{{"name": "bench", "version": "1.0.0", "dependencies": {{{wanted}}}}}\n')
    common = ["npm", "--cache", root / "cache", "--no-audit", "--no-fund", "--loglevel", "error"]
    subprocess.run([*common, "install", "--package-lock-only"], cwd=root, check=True,
                   stdout=subprocess.DEVNULL)
    subprocess.run([*common, "ci"], cwd=root, check=True, stdout=subprocess.DEVNULL)
    return sum(len(files) for _, _, files in os.walk(root / "node_modules"))


def make_big(path, size):
    block = os.urandom(1 << 20)
    with open(path, "wb") as out:
        for _ in range(size >> 20):
            out.write(block)


def count(root):
    return sum(len(files) for _, _, files in os.walk(pathlib.Path(root)))
