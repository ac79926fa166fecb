"""The attacks, and the places where they happen."""

import dataclasses
import os
import pathlib
import secrets
import subprocess
import tempfile
from collections.abc import Callable

TOKEN = "SERVICE_TOKEN"  # the variable that rows about the environment are about
SEARCH_PATH = "/usr/local/bin:/usr/bin:/bin"


@dataclasses.dataclass(frozen=True)
class Place:
    """One cell's home, with a repository in it; made anew for every start."""

    home: pathlib.Path
    project: pathlib.Path
    secret: str  # what must not be read
    ordinary: str  # what must be read, or the box does not work
    end: str  # the attack's last line

    def write(self, name, text=None):
        path = self.project / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text or f"API_KEY={self.secret}\n", encoding="utf-8")

    def git(self, *arguments):
        subprocess.run(("git", "-c", "user.name=bench", "-c", "user.email=bench@example.com",
                        *arguments), cwd=self.project, check=True, stdout=subprocess.DEVNULL,
                       env={"HOME": str(self.home), "PATH": SEARCH_PATH})


def make_place(directory):
    home = pathlib.Path(tempfile.mkdtemp(dir=directory))
    place = Place(home, home / "project", *(secrets.token_hex(12) for _ in range(3)))
    place.project.mkdir()
    (home / ".ssh").mkdir(mode=0o700)
    (home / ".ssh/id_ed25519").write_text("another key\n", encoding="utf-8")
    place.git("init", "-q")
    place.write("README", place.ordinary)
    place.write(".gitignore", ".env*\n")
    place.git("add", "README", ".gitignore")
    place.git("commit", "-q", "-m", "start")
    place.write(".env", "API_KEY=another value\n")
    return place


def nothing(_place):
    pass


@dataclasses.dataclass(frozen=True)
class Case:
    """`before` prepares the place; `meanwhile` is done outside once the box runs."""

    title: str
    attack: str  # bash, in the project's directory
    before: Callable[[Place], object] = nothing
    meanwhile: Callable[[Place], object] = nothing
    environment: bool = False  # TOKEN is set for the launcher
    written: str = ""  # the attack succeeds if this file holds the secret afterwards
    unlisted: str = ""  # this name was not listed; a leak is tried again with it


def save(place, name):  # as editors do
    place.write(f"{name}.new")
    os.rename(place.project / f"{name}.new", place.project / name)


def link(place):
    os.link(place.project / ".env", place.project / "settings.txt")


def commit_and_remove(place):
    place.write(".env")
    place.git("add", "-f", ".env")
    place.git("commit", "-q", "-m", "oops")
    place.git("rm", "-q", "--cached", ".env")
    place.git("commit", "-q", "-m", "remove it")
    place.write(".env", "API_KEY=another value\n")


def again_and_again(command):  # what changes outside may be seen a moment later
    return f"for _ in 1 2 3 4 5 6; do {command}; sleep 0.25; done"


FILTER = '{"version": 1, "history": "filter"}\n'
HOOK = ".git/hooks/pre-commit"
CASES = (
    Case("`.env` itself", "cat .env", before=lambda place: place.write(".env")),
    Case("`mv .env.new .env` outside while it runs", again_and_again("cat .env"),
         meanwhile=lambda place: save(place, ".env")),
    Case("new `.env.local` while it runs", again_and_again("cat .env.local"),
         meanwhile=lambda place: save(place, ".env.local"), unlisted=".env.local"),
    Case("hard link to `.env`, made before", "cat settings.txt",
         before=lambda place: (place.write(".env"), link(place))),
    Case("hard link to `.env`, made outside while it runs", again_and_again("cat settings.txt"),
         before=lambda place: place.write(".env"), meanwhile=link),
    Case("copy of `.env` under an innocent name", "cat notes.txt",
         before=lambda place: (place.write(".env"), place.write("notes.txt"))),
    Case("`.env.local.sample` with values", "cat .env.local.sample",
         before=lambda place: place.write(".env.local.sample"), unlisted=".env.local.sample"),
    Case("`.env.example` with real values", "cat .env.example", unlisted=".env.example",
         before=lambda place: place.write(".env.example")),
    Case("`config.bak` with a cloud key", "cat config.bak", unlisted="config.bak",
         before=lambda place: place.write("config.bak", f"aws_secret_access_key={place.secret}\n")),
    Case("secret in git's history", "git show HEAD~1:.env", before=commit_and_remove),
    Case("the same, with agentbox's `\"history\": \"filter\"`", "git show HEAD~1:.env",
         before=lambda place: (commit_and_remove(place), place.write("agentbox.json", FILTER))),
    Case("launcher's environment, by `/proc/*/environ`", "cat /proc/[0-9]*/environ",
         environment=True),
    Case("token in the caller's environment", f"printenv {TOKEN}", environment=True),
    Case("`~/.ssh/id_ed25519`", 'cat "$OUTER_HOME/.ssh/id_ed25519"',
         before=lambda place: place.write("../.ssh/id_ed25519")),
    Case(f"writing `{HOOK}`", f"echo $WORD >{HOOK}", written=HOOK),
    Case("the same, after `mv .git git2; cp -r git2 .git`",
         f"mv .git git2; cp -r git2 .git; echo $WORD >{HOOK}", written=HOOK),
)
