"""agentbox and its peers, each configured as a careful user would, and no box at all.

Of each: `version()`, which raises Missing where it cannot be measured; `command(place, names)`, the
words to put before the attack so that the files `names` of the project are hidden; `takes_names`,
whether it is given any names at all.
"""

import glob
import json
import shutil
import subprocess

from attacks import SEARCH_PATH, TOKEN



class Missing(Exception):
    """A tool that cannot be measured here; the text says why."""


def first_line(*command):
    if shutil.which(command[0]) is None:
        raise Missing(f"{command[0]} is not installed")
    return subprocess.run(command, check=True, capture_output=True,
                          text=True).stdout.splitlines()[0]


class NoBox:
    name = "no box"
    takes_names = False

    def version(self):
        return "the positive control"

    def command(self, place, names):
        return []


class Agentbox:
    """Its defaults and the profile for any command: no file is named to it."""

    name = "agentbox"
    takes_names = False

    def __init__(self, program):
        self.program = str(program)

    def version(self):
        return first_line(self.program, "--version")

    def command(self, place, names):
        return [self.program, "run", "--profile", "shell", "--"]


class Bubblewrap:
    """All namespaces, an empty environment, only the project writable; each listed file is covered
    by /dev/null, ~/.ssh by an empty directory; git's hooks and configuration are read-only."""

    name = "bubblewrap"
    takes_names = True

    def version(self):
        return first_line("bwrap", "--version")

    def command(self, place, names):
        project = str(place.project)
        masks = [word for name in names if (place.project / name).exists()
                 for word in ("--ro-bind", "/dev/null", f"{project}/{name}")]
        kept = [word for name in (".git/hooks", ".git/config")
                for word in ("--ro-bind", f"{project}/{name}", f"{project}/{name}")]
        return ["bwrap", "--unshare-all", "--die-with-parent", "--new-session", "--cap-drop", "ALL",
                "--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc", "--tmpfs", "/tmp",
                "--bind", project, project, *masks, *kept, "--tmpfs", f"{place.home}/.ssh",
                "--chdir", project, "--clearenv", "--setenv", "HOME", str(place.home),
                "--setenv", "PATH", SEARCH_PATH]


class Firejail:
    """Its default profile; --blacklist for the listed names, for .env.* and for ~/.ssh; the token
    removed from the environment; git's hooks and configuration read-only. (/var is read-only by
    default and /var/tmp empty; the bench's project is there, so both are lifted for it.)"""

    name = "firejail"
    takes_names = True

    def version(self):
        return first_line("firejail", "--version")

    def command(self, place, names):
        hidden = [place.project / name for name in (*names, ".env.*")] + [place.home / ".ssh"]
        git = place.project / ".git"
        return ["firejail", "--quiet", "--keep-var-tmp", f"--read-write={place.project}",
                f"--read-only={git}/hooks", f"--read-only={git}/config",
                f"--rmenv={TOKEN}", *(f"--blacklist={path}" for path in hidden)]


class SandboxRuntime:
    """No network, the project writable, denyRead for ~/.ssh and for the listed paths or globs, the
    token denied by credentials.envVars; its own rules keep git's hooks."""

    takes_names = True

    def __init__(self, modules, name, patterns):
        self.name, self.patterns = name, patterns
        self.package = modules / "@anthropic-ai/sandbox-runtime"
        self.node = glob.glob(str(modules / "node-linux-*/bin/node"))

    def version(self):
        if not self.package.exists() or not self.node:
            raise Missing("its package or its node is not in the agents' directory")
        for program in ("bwrap", "socat", "rg"):
            first_line(program, "-V" if program == "socat" else "--version")
        return json.loads((self.package / "package.json").read_text(encoding="utf-8"))["version"]

    def command(self, place, names):
        settings = place.home / "srt.json"
        denied = [str(place.project / name) for name in names]
        settings.write_text(json.dumps({
            "network": {"allowedDomains": [], "deniedDomains": []},
            "filesystem": {"denyRead": [*denied, *self.patterns, f"{place.home}/.ssh"],
                           "allowWrite": ["."], "denyWrite": []},
            "credentials": {"envVars": [{"name": TOKEN, "mode": "deny"}]}}), encoding="utf-8")
        return [self.node[0], str(self.package / "dist/cli.js"), "--settings", str(settings)]


class Codex:
    """A permission profile on top of :workspace that denies the listed names, **/.env, **/.env.*
    and ~/.ssh; shell_environment_policy keeps the core variables."""

    name = "codex sandbox"
    takes_names = True

    def __init__(self, modules):
        # The launcher script in front of it needs a node; this is what it starts.
        self.program = glob.glob(str(modules / "@openai/codex-linux-*/vendor/*/bin/codex"))

    def version(self):
        if not self.program:
            raise Missing("its package is not in the agents' directory")
        return first_line(self.program[0], "--version")

    def command(self, place, names):
        denied = "".join(f'"{name}" = "deny"\n' for name in (*names, "**/.env", "**/.env.*"))
        (place.home / ".codex").mkdir()
        (place.home / ".codex/config.toml").write_text(
            'default_permissions = "bench"\n'
            '[shell_environment_policy]\ninherit = "core"\n'
            '[permissions.bench]\nextends = ":workspace"\n'
            '[permissions.bench.filesystem]\nglob_scan_max_depth = 8\n'
            f'"{place.home}/.ssh" = "deny"\n'
            '[permissions.bench.filesystem.":workspace_roots"]\n' + denied, encoding="utf-8")
        return [self.program[0], "sandbox", "--"]
