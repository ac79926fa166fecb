"""Tricks by which a box could make a command of the policy give up its token.

Each is first played on the program itself, with the token, on the host: there it has to work.
"""
import json
import os
import secrets
import shutil
import subprocess
import unittest

from sandbox import AGENTBOX, SessionTest
from shims_test import hash_of

# Obeys whatever tells it to: runs programs, reads orders, "sends" its token to a host.
GULLIBLE = r"""#!/bin/bash
for v in PAGER EDITOR VISUAL BROWSER GH_PAGER GH_EDITOR GH_BROWSER GIT_SSH_COMMAND \
         GIT_EXTERNAL_DIFF GIT_ASKPASS SSH_ASKPASS; do
  [ -n "${!v}" ] && "${!v}"
done
for v in GH_CONFIG_DIR XDG_CONFIG_HOME XDG_DATA_HOME HOME CURL_HOME TMPDIR GCONV_PATH LOCPATH \
         TERMINFO NLSPATH; do
  [ -r "${!v}/orders" ] && . "${!v}/orders"
done
for v in GH_HOST GH_REPO HTTPS_PROXY https_proxy ALL_PROXY SSL_CERT_FILE SSL_CERT_DIR; do
  [ "${!v}" = evil ] && . PROJECT/evil
done
[ -r "$HOME/.config/gh/gh.yml" ] && . "$HOME/.config/gh/gh.yml"
sed -n 1p /dev/null
printf "ran %s\n" ${#GH_TOKEN}
[ "$2" = long ] && sleep 100
exit 0
"""
EVIL = """#!/bin/bash
/usr/bin/printf %s "$GH_TOKEN" | /usr/bin/sha256sum | /usr/bin/cut -c1-16 >PROJECT/loot
"""
LIBRARY = """#include <stdlib.h>
int helpful(void) { return 0; }
unsigned la_version(unsigned v) { return v; }
__attribute__((constructor)) static void start(void) {
  unsetenv("LD_PRELOAD"); unsetenv("LD_AUDIT"); unsetenv("LD_LIBRARY_PATH");
  if (system("PROJECT/evil") != 0) abort();
}
"""
RUNS = ("PAGER", "EDITOR", "VISUAL", "BROWSER", "GH_PAGER", "GH_EDITOR", "GH_BROWSER",
        "GIT_SSH_COMMAND", "GIT_EXTERNAL_DIFF", "GIT_ASKPASS", "SSH_ASKPASS")
READS = ("GH_CONFIG_DIR", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "HOME", "CURL_HOME", "TMPDIR",
         "GCONV_PATH", "LOCPATH", "TERMINFO", "NLSPATH")
SENDS = ("GH_HOST", "GH_REPO", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "SSL_CERT_FILE",
         "SSL_CERT_DIR")


class DeputyTest(SessionTest):
    def setUp(self):
        super().setUp()
        self.token = "ghx-" + secrets.token_hex(20)
        self.tools = self.place / "tools"
        self.tools.mkdir()
        self.program("gh", GULLIBLE)
        # What a program says that had the token, and that nobody else can: it is masked, not this.
        self.ran = f"ran {len(self.token)}".encode()
        self.program("shtool", "#!/bin/sh -i\necho ran ${#GH_TOKEN}\nexit 0\n")
        self.program("pytool", "#!/usr/bin/python3\nimport json, os\n"
                     "print('ran', len(os.environ['GH_TOKEN']))\n")
        self.program("pyshell", "#!/bin/sh\necho ran ${#GH_TOKEN}\nexec /usr/bin/python3 -i\n")
        self.program("perltool", "#!/usr/bin/perl\nuse strict;\n"
                     "print 'ran ', length $ENV{GH_TOKEN}, \"\\n\";\n")
        self.program("nodetool", "#!/usr/bin/node\n"
                     "console.log('ran', process.env.GH_TOKEN.length);\n")
        self.write("evil", EVIL.replace("PROJECT", str(self.project))).chmod(0o755)
        self.write("orders", f". {self.project}/evil\n")
        self.environment["PATH"] = f"{self.tools}:/usr/local/bin:/usr/bin:/bin"
        self.secret("gh", self.token)
        self.commands = {name: {"scope": "github"} for name in
                         ("gh", "shtool", "pytool", "pyshell", "perltool") + (
                             ("nodetool",) if shutil.which("node", path="/usr/bin") else ())}

    def program(self, name, text):
        path = self.tools / name
        path.write_text(text.replace("PROJECT", str(self.project)))
        path.chmod(0o755)

    def start(self, **commands):
        self.write_policy(commands={**self.commands, **commands})

    def write_policy(self, **members):
        self.policy(**{
            "system": [str(self.tools)],
            "secrets": {"gh": {"from": "local://gh", "as": {"env": "GH_TOKEN"}}},
            "scopes": {"main": {"secrets": []}, "github": {"secrets": ["gh"]}},
            "commands": self.commands, **members})
        self.trust()

    def loot(self):
        path = self.project / "loot"
        text = path.read_text().strip() if path.exists() else ""
        path.unlink(missing_ok=True)
        return text

    def play(self, name, command, environment, answer=None):
        """`answer`: what the box gets to see; that the command ran with its token, if not given."""
        with self.subTest(name):
            result = subprocess.run(
                command, cwd=self.project, capture_output=True, stdin=subprocess.DEVNULL,
                env={**self.environment, "GH_TOKEN": self.token, **environment}, timeout=60)
            self.assertEqual(self.loot(), hash_of(self.token), f"no trick: {result}")
            result = self.agentbox(
                "run", "--", "python3", "-c",
                "import json, os, subprocess, sys\n"
                "command, environment = json.loads(sys.argv[1])\n"
                # The shim itself is the box's to mislead: it has no token.
                "sys.exit(subprocess.run(command, env={**os.environ, **environment}).returncode)",
                json.dumps([command, environment]))
            self.assertNotEqual(self.loot(), hash_of(self.token), result.stderr.decode())
            self.assertNotIn(self.token.encode(), result.stdout + result.stderr)
            self.assertIn(answer or self.ran, result.stdout + result.stderr)

    def test_the_environment(self):
        self.start()
        evil = str(self.project / "evil")
        for variable in RUNS:
            self.play(variable, ["gh", "pr"], {variable: evil})
        for variable in READS:
            self.play(variable, ["gh", "pr"], {variable: str(self.project)})
        for variable in SENDS:
            self.play(variable, ["gh", "pr"], {variable: "evil"})
        self.play("BASH_ENV", ["gh"], {"BASH_ENV": evil})
        self.play("BASH_FUNC", ["gh"], {"BASH_FUNC_printf%%": f"() {{ {evil}; }}"})
        if os.geteuid() != 0:  # root's bash takes no PS4 from the environment
            self.play("PS4", ["gh"], {"SHELLOPTS": "xtrace", "PS4": f"$({evil})"})
        self.play("ENV", ["shtool"], {"ENV": evil})
        self.write("startup.py", f"import os\nos.system('{evil}')\n")
        self.play("PYTHONSTARTUP", ["pyshell"],
                  {"PYTHONSTARTUP": str(self.project / "startup.py")})
        (self.project / "bin").mkdir()
        (self.project / "bin/sed").symlink_to("../evil")
        self.play("PATH", ["gh"], {"PATH": f"{self.project}/bin:/run/agentbox/bin:"
                                   + self.environment["PATH"]})
        self.write("lib/json.py", f"import os\nos.system('{evil}')\n")
        self.play("PYTHONPATH", ["pytool"], {"PYTHONPATH": str(self.project / "lib")})
        self.write("lib/strict.pm", f"system('{evil}'); 1;\n")
        self.play("PERL5LIB", ["perltool"], {"PERL5LIB": str(self.project / "lib")})
        self.write("lib/Evil.pm", f"system('{evil}'); 1;\n")
        self.play("PERL5OPT", ["perltool"], {"PERL5OPT": f"-I{self.project}/lib -MEvil"})
        if "nodetool" in self.commands:
            self.write("evil.js", f"require('child_process').execSync('{evil}')\n")
            self.play("NODE_OPTIONS", ["nodetool"],
                      {"NODE_OPTIONS": f"--require {self.project}/evil.js"})

    def test_no_variable_of_the_box_arrives(self):
        # Also those that no program here obeys.
        names = ("IFS", "PS4", "SHELLOPTS", "BASHOPTS", "CDPATH", "GLOBIGNORE", "PYTHONBREAKPOINT",
                 "RUBYOPT", "JAVA_TOOL_OPTIONS", "GIT_DIR", "TMPDIR", "LC_TIME", "TERM",
                 "AGENTBOX_SOCKET", "GH_TOKEN", "GH_HOST", "MALLOC_TRACE", "TZ", "x")
        self.program("gh", "#!/usr/bin/python3\nimport os\n"
                     "print('ran', len(os.environ['GH_TOKEN']), *[n for n in os.environ "
                     "if 'of the box' in os.environ[n]])\n")
        self.start()
        play = ("import os, sys\n"
                f"for name in {names}: os.environ[name] = 'of the box' + 'x' * 34\n"
                "os.execvp('gh', ['gh'])")
        said = subprocess.run(["python3", "-c", play], env=self.environment, capture_output=True)
        self.assertEqual(set(said.stdout.decode().split()[2:]), set(names))
        result = self.agentbox("run", "--", "python3", "-c", play)
        self.assertEqual(result.stdout.strip(), self.ran, result.stderr.decode())

    def test_configuration_that_the_box_plants(self):
        self.write_policy(home={"write": [".config/gh"]})
        planted = self.home / ".config/gh/gh.yml"
        planted.parent.mkdir(parents=True)
        for place in ("the home that it may write", "a private home"):
            with self.subTest(place):
                script = "mkdir -p ~/.config/gh; cp orders ~/.config/gh/gh.yml && gh pr"
                self.assertIn(self.ran, self.box(script).stdout)
                if planted.exists():
                    subprocess.run(["gh", "pr"], cwd=self.project, check=True, capture_output=True,
                                   env={**self.environment, "GH_TOKEN": self.token})
                    self.assertEqual(self.loot(), hash_of(self.token))  # there it works
                    planted.unlink()
                else:
                    self.assertEqual(place, "a private home")
            self.write_policy()

    def test_arguments_of_all_kinds(self):
        self.program("gh", "#!/usr/bin/python3\nimport os, sys\n"
                     "print('ran', len(os.environ['GH_TOKEN']), [len(a) for a in sys.argv[1:]])\n")
        self.start()
        long = "import os, sys; os.execvp('gh', ['gh', 'pr', sys.argv[1] * int(sys.argv[2])])"
        for text, times, lengths in (("a", 60000, "[2, 60000]"), ("\n", 3, "[2, 3]"),
                                     ("\x1b", 3, "[2, 3]")):
            with self.subTest(repr(text)):
                result = self.agentbox("run", "--", "python3", "-c", long, text, str(times))
                self.assertEqual(result.stdout.strip(), self.ran + b" " + lengths.encode(),
                                 result.stderr.decode())
        for text, times in (("a", 70000), ("\n", 40000)):  # the second one, once it is in JSON
            with self.subTest(repr(text)):
                result = self.agentbox("run", "--", "python3", "-c", long, text, str(times))
                self.assertEqual(result.stdout, b"")
                self.assertIn(b"64 KiB", result.stderr)

    def test_another_box_at_the_same_time(self):
        hunt = r'''
import glob, os
seen = 0
for place in glob.glob("/proc/[0-9]*"):
    try:
        seen += "GH_TOKEN=" in open(f"{place}/environ", errors="replace").read()
    except OSError:
        pass
print("seen", seen)
'''
        self.write("hunt.py", hunt)
        self.write_policy(scopes={"main": {"secrets": [], "spawn": ["below"]}, "below": {},
                                  "github": {"secrets": ["gh"]}})
        here = subprocess.Popen(["gh", "pr", "long"], cwd=self.project, stdout=subprocess.PIPE,
                                env={**self.environment, "GH_TOKEN": self.token})
        self.addCleanup(here.wait)
        self.addCleanup(here.kill)
        self.assertEqual(here.stdout.readline().strip(), self.ran)
        said = subprocess.run(["python3", "hunt.py"], cwd=self.project, capture_output=True,
                              env=self.environment, check=True)
        self.assertNotEqual(said.stdout, b"seen 0\n")
        result = self.box(
            "gh pr long >out & command=$!; until grep -q ran out; do sleep 0.1; done\n"
            "python3 hunt.py; agentbox spawn --scope below -- sh -c '"
            "python3 hunt.py; gh pr; agentbox spawn --scope github -- env'\n"
            "kill $command; wait $command; echo status $?; cat out")
        lines = result.stdout.splitlines()
        self.assertEqual(lines, [b"seen 0", b"seen 0", self.ran, b"status 143", self.ran],
                         result.stderr.decode())
        self.assertIn(b"does not let", result.stderr)

    def test_the_loader(self):
        if shutil.which("cc") is None:
            self.skipTest("no C compiler")
        self.write("evil.c", LIBRARY.replace("PROJECT", str(self.project)))
        self.write("good.c", "int helpful(void) { return 0; }\n")
        self.write("tool.c", "int helpful(void); char *getenv(const char *);\n"
                   "unsigned long strlen(const char *);\nint printf(const char *, ...);\n"
                   "int main(void) { printf(\"ran %lu\\n\", strlen(getenv(\"GH_TOKEN\"))); "
                   "return helpful(); }\n")
        (self.project / "lib").mkdir()
        for line in (f"-shared -fPIC -o {self.project}/lib/libhelpful.so evil.c",
                     f"-shared -fPIC -o {self.tools}/libhelpful.so good.c",
                     f"-o {self.tools}/ctool tool.c -L{self.tools} -lhelpful "
                     f"-Wl,--enable-new-dtags,-rpath,{self.tools}"):
            subprocess.run(["cc", *line.split()], cwd=self.project, check=True)
        self.start(ctool={"scope": "github"})
        library = str(self.project / "lib/libhelpful.so")
        self.play("LD_PRELOAD", ["ctool"], {"LD_PRELOAD": library})
        self.play("LD_AUDIT", ["ctool"], {"LD_AUDIT": library})
        self.play("LD_LIBRARY_PATH", ["ctool"], {"LD_LIBRARY_PATH": str(self.project / "lib")})

    def test_git(self):
        evil = str(self.project / "evil")
        git = ["git", "-c", "safe.directory=*"]
        subprocess.run([*git, "init", "-q", "."], cwd=self.project, check=True,
                       env=self.environment)
        self.start(git={"scope": "github", "args": ["status"]})
        status = ["git", "status"]
        branch, refused = b"On branch", b"not among what the policy lets git be given"
        self.play("GIT_CONFIG_COUNT", status, {
            "GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "core.fsmonitor",
            "GIT_CONFIG_VALUE_0": evil}, branch)
        self.play("GIT_CONFIG_PARAMETERS", status,
                  {"GIT_CONFIG_PARAMETERS": f"'core.fsmonitor={evil}'"}, branch)
        self.write("planted", f"[core]\n\tfsmonitor = {evil}\n")
        self.play("GIT_CONFIG_GLOBAL", status,
                  {"GIT_CONFIG_GLOBAL": str(self.project / "planted")}, branch)
        self.play("GIT_CONFIG_SYSTEM", status,
                  {"GIT_CONFIG_SYSTEM": str(self.project / "planted")}, branch)
        self.write("xdg/git/config", f"[core]\n\tfsmonitor = {evil}\n")
        self.play("XDG", status, {"XDG_CONFIG_HOME": str(self.project / "xdg")}, branch)
        self.play("-c", ["git", "-c", f"core.fsmonitor={evil}", "status"], {}, refused)
        self.play("alias", ["git", "-c", f"alias.x=!{evil}", "x"], {}, refused)
        self.play("sshCommand", ["git", "-c", f"core.sshCommand={evil}", "ls-remote", "ssh://x/y"],
                  {}, refused)
        # Planted by the box, in the repository and in the home: then the scoped git looks.
        for plant in (f"git config core.fsmonitor {evil}",
                      f"git config --global core.fsmonitor {evil}",
                      f"printf '[core]\\n\\tfsmonitor = {evil}\\n' >>.git/config"):
            with self.subTest(plant):
                # By a git of the box's own: the command is refused this anyway.
                script = (f"cp /usr/lib/git-core/git own 2>/dev/null; PATH=$PWD:$PATH; {plant} || "
                          f"./own {plant[4:]}; git status")
                result = self.agentbox("run", "--", "sh", "-c", script)
                self.assertIn(b"On branch", result.stdout, result.stderr.decode())
                self.assertNotEqual(self.loot(), hash_of(self.token))
        subprocess.run(["git", "config", "core.fsmonitor", evil], cwd=self.project, check=True,
                       env=self.environment)
        subprocess.run(status, cwd=self.project, env={**self.environment, "GH_TOKEN": self.token},
                       capture_output=True)
        self.assertEqual(self.loot(), hash_of(self.token))  # the same, planted, works

    def box(self, script):
        result = self.agentbox("run", "--", "sh", "-c", script)
        self.assertNotIn(self.token.encode(), result.stdout + result.stderr)
        self.assertNotEqual(self.loot(), hash_of(self.token), result.stderr.decode())
        return result

    def test_the_shim_and_the_program(self):
        self.start()
        for script in ("cp evil /run/agentbox/bin/gh", "ln -sf $PWD/evil /run/agentbox/bin/gh",
                       "rm -f /run/agentbox/bin/gh", f"cp evil {self.tools}/gh",
                       f"ln {self.tools}/gh hard", "mount --bind evil /run/agentbox/bin/gh",
                       f"mv evil {self.tools}/gh"):
            with self.subTest(script):
                result = self.box(f"({script}) 2>&1 && echo done; gh pr")
                self.assertNotIn(b"done", result.stdout)
                self.assertIn(self.ran, result.stdout, result.stderr.decode())
        for script in ("gh pr <.", "gh pr <&-", "gh pr <&- >&- 2>&-", "gh pr 0<>/dev/null"):
            with self.subTest(script):
                self.box(script)
        self.assertIn(b"not in the project", self.box("cd /tmp; gh pr").stderr)
        self.assertNotIn(b"ran", self.box("ln -s /etc out; cd -P out; gh pr").stdout)

    def test_a_program_that_is_swapped_is_refused(self):
        self.start()
        for swap in ("replace", "write"):
            with self.subTest(swap):
                process = subprocess.Popen(
                    [AGENTBOX, "run", "--", "sh",
                     "-c", "gh pr; echo ready; read go; gh pr; echo $?"], cwd=self.project,
                    env=self.environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE)
                self.assertEqual(process.stdout.readline(), self.ran + b"\n")
                self.assertEqual(process.stdout.readline(), b"ready\n")
                if swap == "replace":
                    (self.tools / "gh").unlink()
                self.program("gh", EVIL)
                out, error = process.communicate(b"go\n", timeout=60)
                self.assertIn(b"126", out)
                self.assertIn(b"no longer the program", error)
                self.assertNotEqual(self.loot(), hash_of(self.token))
                self.program("gh", GULLIBLE)

    def test_requests_that_no_shim_makes(self):
        self.start()
        ask = r'''
import array, json, os, socket, struct, sys
for extra in ({"command": "gh"}, {"command": "gh", "scope": "main"}, {"command": "gh", "scope": "github"},
              {"scope": "github"}, {"command": "nonsense"}, {"command": ""}, {"command": ["gh"]},
              {"command": "gh\0x"}, {"command": "../gh"}, {"command": "gh", "env": {"A": "b"}},
              {"command": "gh", "program": "/bin/sh"}, {"command": "gh", "cwd": "/project/../etc"},
              {"command": "gh", "detach": True}, {"command": "gh", "argv": []},
              {"command": "gh", "argv": ["gh", "a\0b"]}):
    s = socket.socket(socket.AF_UNIX)
    s.connect("/run/agentbox/secrets/broker.sock")
    params = {"argv": ["gh", "pr"], "cwd": os.getcwd(), **extra}
    text = json.dumps({"v": 1, "id": 1, "method": "spawn", "params": params}).encode()
    i, o = os.pipe(), os.pipe()
    given = [] if params.get("detach") else [i[0], o[1], o[1]]
    socket.send_fds(s, [struct.pack(">I", len(text)) + text], given)
    size, = struct.unpack(">I", s.recv(4, socket.MSG_WAITALL))
    print("error" in json.loads(s.recv(size, socket.MSG_WAITALL)), extra)
'''
        self.write("ask.py", ask)
        out = self.box("python3 ask.py").stdout.decode().splitlines()
        self.assertEqual(len(out), 15, out)
        self.assertEqual([line for line in out if not line.startswith("True")],
                         ["False {'command': 'gh'}"])  # which is the shim's own

    def test_another_session_has_no_right_to_it(self):
        self.start()
        self.commands = {}
        self.start()
        result = self.box("gh pr; ls /run/agentbox/bin")
        self.assertIn(b"ran 0", result.stdout)  # here, without a token


if __name__ == "__main__":
    unittest.main()
