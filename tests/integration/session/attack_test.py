"""What a box does to get at more than it was given, and what a repository does to the one who runs it.
Each attack has a control that shows the way to be open where it is meant to be."""
import json
import os
import pathlib
import re
import socket
import subprocess
import threading
import time
import unittest

from sandbox import AGENTBOX, SessionTest

CANARY = "canary-8e1d4c2b7a"


class Links(SessionTest):
    """Symbolic links, which the supervisor must never follow for the box."""

    def test_no_link_is_planted_where_the_home_is_listed(self):
        self.write(".ssh/id_rsa", CANARY, base=self.home)
        self.write(".claude.json", "{}", base=self.home)
        self.write(".bashrc", "own", base=self.home)
        # What a box does to each of its ways to make a link there.
        self.run_box("""cd ~; rm .claude.json
            ln -s .ssh/id_rsa .claude.json; ln -s .bashrc .claude.json.a; ln -s . .claude/plans
            ln -s .bashrc l && mv -T l .claude.json.b; ln -s .bashrc m && ln -P m .claude.json.c
            echo x >.claude.json.d && python3 -c 'import ctypes
ctypes.CDLL(None).renameat2(-100, b"m", -100, b".claude.json.d", 2)'
            sleep 1.2; for f in .claude.json*; do echo evil >>$f; done; true""",
                     "--profile", "claude")
        links = [p for p in self.home.rglob("*") if p.is_symlink()]
        self.assertEqual([p for p in links if ".local/state" not in str(p)], [])
        self.assertEqual((self.home / ".bashrc").read_text(), "own")
        seen = self.run_box("cat ~/.claude.json* ~/.claude/plans/.ssh/id_rsa 2>&1; true", "--profile", "claude")
        self.assertNotIn("canary", seen)
        # The control: a link that the user has there is followed.
        self.write("dotfiles/claude.json", "kept elsewhere", base=self.home)
        (self.home / ".claude.json").unlink(missing_ok=True)
        (self.home / ".claude.json").symlink_to("dotfiles/claude.json")
        self.assertEqual(self.run_box("cat ~/.claude.json", "--profile", "claude"), "kept elsewhere")

    def test_a_link_of_the_user_into_the_project_is_not_bent(self):
        self.project = self.home / "dotfiles"
        self.project.mkdir()
        self.write(".ssh/id_rsa", CANARY, base=self.home)
        self.write("claude.json", "kept elsewhere")
        (self.home / ".claude.json").symlink_to("dotfiles/claude.json")
        self.assertEqual(self.run_box("cat ~/.claude.json", "--profile", "claude"), "kept elsewhere")
        self.run_box("ln -sf ../.ssh/id_rsa claude.json")
        self.assertNotIn("canary", self.run_box("cat ~/.claude.json 2>&1; true", "--profile", "claude"))

    def test_links_in_the_project_end_in_the_box(self):
        outside = self.write("outside.txt", CANARY, base=self.place)
        self.write(".env", CANARY)
        self.write("plain.txt", "plain")
        for name, target in (("a", outside), ("b", ".env"), ("c", "/proc/1/environ"), ("d", "/proc/1/root/etc/shadow"),
                             ("e", self.home / ".ssh")):
            (self.project / name).symlink_to(target)
        (self.project / "good").symlink_to("plain.txt")
        seen = self.run_box("cat a b c d e/* 2>/dev/null; cat good")
        self.assertEqual(seen, "plain")

    def test_what_a_box_leaves_in_its_home_cannot_stop_or_lead_the_next(self):
        self.project = self.home / "src/project"
        self.project.mkdir(parents=True)
        self.write("file", "fine")
        self.run_box("cd /; mv ~/src ~/elsewhere && ln -s /tmp ~/src; ln -s / ~/.config; ln -s /etc ~/.ssh")
        self.assertEqual(self.run_box("pwd; cat file"), f"{self.project}\nfine")
        self.run_box("cd /; mv ~/src ~/elsewhere2 && echo x >~/src")
        self.assertEqual(self.run_box("cat file"), "fine")


class Repository(SessionTest):
    """What git would run later, wherever it stands."""

    def git(self, *arguments, cwd=None):
        subprocess.run(["git", *arguments], cwd=cwd or self.project, check=True, capture_output=True)

    def refused(self, *paths):
        for path in paths:
            self.run_box(f"mkdir -p $(dirname {path}) 2>/dev/null; ! echo evil >>{path}")
            target = self.project / path
            self.assertFalse(target.is_file() and "evil" in target.read_text(), path)

    def test_a_git_directory_under_another_name(self):
        self.git("init", "-q", "--bare", ".bare")
        self.write(".git", "gitdir: ./.bare\n")
        self.refused(".bare/config", ".bare/hooks/pre-commit", ".bare/worktrees/x/commondir",
                     ".bare/modules/m/config", ".git")
        self.run_box("git hash-object -w --stdin </dev/null && cp .bare/HEAD .bare/ORIG_HEAD &&"
                     " echo 'ref: refs/heads/x' >.bare/HEAD")  # the control: git still works

    def test_a_bare_repository_as_the_project(self):
        self.git("init", "-q", "--bare", ".")
        self.refused("config", "hooks/post-receive", "modules/m/hooks/post-checkout")
        self.run_box("git symbolic-ref HEAD refs/heads/other")

    def test_no_directory_becomes_a_repository(self):
        self.git("init", "-q", ".")
        self.run_box("""mkdir -p docs/objects docs/refs && echo '[core] fsmonitor = touch ran' >docs/config
            echo 'ref: refs/heads/x' >docs/HEAD; ln -s ../.git/HEAD docs/HEAD; ln .git/HEAD docs/HEAD
            cp .git/HEAD h; mv h docs/HEAD
            mkdir -p x.git/objects x.git/refs && cp .git/HEAD x.git/HEAD && mv x.git y
            mkdir -p .git/y/objects .git/y/refs; cp .git/HEAD .git/y/HEAD; mv .git/y z; true""")
        found = [str(p.relative_to(self.project)) for p in self.project.rglob("HEAD")]
        self.assertEqual(sorted(f for f in found if not f.startswith(".git/")), ["x.git/HEAD"])
        self.run_box("git symbolic-ref HEAD refs/heads/b && git symbolic-ref refs/remotes/o/HEAD refs/remotes/o/x")

    def test_what_the_configuration_names_in_the_tree(self):
        self.git("init", "-q", ".")
        self.write("scripts/hooks/pre-commit", "#!/bin/sh\n")
        self.write("tools/filter.sh", "#!/bin/sh\n")
        self.write("tools/other.sh", "#!/bin/sh\n")
        self.write("shared.gitconfig", "")
        self.git("config", "core.hooksPath", "scripts/hooks")
        self.git("config", "filter.x.clean", "sh ./tools/filter.sh %f")
        self.git("config", "include.path", "../shared.gitconfig")
        self.refused("scripts/hooks/pre-commit", "scripts/hooks/post-checkout", "tools/filter.sh", "shared.gitconfig")
        self.run_box("! mv scripts s && ! mv tools t; echo more >>tools/other.sh")

    def test_other_version_control_and_editors(self):
        self.refused(".hg/hgrc", ".jj/repo/config.toml", "sub/.hg/hgrc", ".helix/languages.toml",
                     ".vim/coc-settings.json", ".envrc.local", "lefthook-local.yml")

    def test_agentboxs_own_directories_are_no_project(self):
        for name in (".config", ".local", ".local/state/agentbox"):
            directory = self.home / name
            directory.mkdir(parents=True, exist_ok=True)
            result = self.agentbox("run", "--", "true", cwd=directory)
            self.assertEqual(result.returncode, 77, name)
        beside = self.home / ".config/editor"
        beside.mkdir()
        self.run_box("true", cwd=beside)


    def test_the_home_list_reaches_nothing_of_agentboxs_own(self):
        self.secret("db", CANARY)
        for listed in (".local", ".local/state", ".local/state/agentbox/local", ".config", ".l*", ".config/agentbox"):
            for access in ("read", "write"):
                self.write("own.json", json.dumps({"version": 1, "home": {access: [listed]}}), base=self.place)
                result = self.agentbox("run", "--policy", str(self.place / "own.json"), "--", "true")
                harmless = listed.startswith(".config") and access == "read"
                self.assertEqual(result.returncode, 0 if harmless else 77, (listed, access))

    def test_somebody_elses_repository_above_is_not_the_project(self):
        if os.getuid() != 0:
            self.skipTest("needs root to make a file of another user")
        shared = self.place / "shared"
        (shared / ".git").mkdir(parents=True)
        (shared / "mine").mkdir()
        (shared / "neighbour").write_text(CANARY)
        self.assertEqual(self.run_box("cat ../neighbour", cwd=shared / "mine"), CANARY)
        os.chown(shared / ".git", 33, 33)
        self.assertEqual(self.run_box("cat ../neighbour 2>/dev/null || true", cwd=shared / "mine"), "")

    def test_no_directory_is_renamed_to_where_its_name_decides(self):
        # Two sessions of a project do not wait for each other: while one renames, the other could put a
        # "config" into the directory. The control is the rename to a name that decides nothing.
        seen = self.run_box("/usr/bin/python3 -c \"\nimport os\nos.mkdir('d')\nos.rename('d', 'e')\n"
                            "for name in ('.git', 'x.git', '.claude'):\n"
                            "  try: os.rename('e', name); print('renamed', name)\n"
                            "  except OSError as error: print(error.errno)\n\"")
        self.assertNotIn("renamed", seen)
        self.assertTrue((self.project / "e").is_dir())


class Consent(SessionTest):
    """The repository against the one who is asked to trust it."""

    def template(self, text):
        self.write("token.tpl", text)
        self.policy(secrets={"token": {"template": "token.tpl", "as": {"env": "TOKEN_TEXT"}}})

    def test_a_template_shows_what_it_takes_from_the_user(self):
        key = self.write("own-key", CANARY, base=self.home)
        self.template("{{ file://%s }}" % key)
        shown = self.agentbox("trust").stdout.decode()
        self.assertIn(f"file://{key}", shown)
        self.trust()  # the control: a user who wants it has it
        self.assertEqual(self.run_box(f"test $TOKEN_TEXT = {CANARY} && echo same"), "same\n")

    def test_a_template_is_a_file_of_the_repository(self):
        outside = self.write("notes", "{{ local://db }}", base=self.home)
        self.template("x")
        (self.project / "token.tpl").unlink()
        (self.project / "token.tpl").symlink_to(outside)
        self.assertNotEqual(self.agentbox("trust", "--yes").returncode, 0)
        (self.project / "token.tpl").unlink()
        os.mkfifo(self.project / "token.tpl")
        self.assertEqual(self.agentbox("run", "--", "true", timeout=20).returncode, 77)

    def test_a_template_that_changes_between_check_and_use_gives_what_was_agreed(self):
        self.secret("db", "agreed-" + CANARY)
        key = self.write("own-key", "stolen-" + CANARY, base=self.home)
        good, bad = "{{ local://db }}", "{{ file://%s }}" % key
        self.template(good)
        self.trust()
        going = True

        def flip():
            turn = 0
            while going:
                turn += 1
                (self.project / "t").write_text(bad if turn % 2 else good)
                os.rename(self.project / "t", self.project / "token.tpl")

        thread = threading.Thread(target=flip)
        thread.start()
        statuses = set()
        try:
            for _ in range(40):
                result = self.agentbox("run", "--no-masking", "--", "sh", "-c", "echo $TOKEN_TEXT")
                self.assertNotIn(b"stolen", result.stdout)
                statuses.add(result.returncode)
        finally:
            going = False
            thread.join()
        self.assertIn(0, statuses)

    def test_an_env_file_of_the_project_by_another_path(self):
        key = self.write("own-key", CANARY, base=self.home)
        self.write(".env", f"KEY=file://{key}\n")
        (self.place / "shortcut").symlink_to(self.project)
        result = self.agentbox("run", "--env-file", str(self.place / "shortcut/.env"), "--", "true")
        self.assertEqual(result.returncode, 77)


class Files(SessionTest):
    def test_names_and_their_disguises(self):
        names = (".env", ".ENV", ".Env.Local", ".env~", ".#.env", ".env.2024-01-01", "#.env#", ".env.swp", "SECRETS.JSON",
                 "id_rsa", "ID_RSA")
        for name in names:
            self.write(name, CANARY)
        self.write("plain", "plain")
        script = """import os, sys
for name in sys.argv[1:]:
    for path in (name, './' + name, 'plain/../' + name, '//proc/self/cwd/' + name, os.getcwd() + '/' + name):
        for call in (lambda: open(path).read(), lambda: os.open(path, os.O_PATH), lambda: os.stat(path),
                     lambda: os.readlink(path), lambda: os.rename(path, 'got'), lambda: os.link(path, 'got'),
                     lambda: os.chmod(path, 0o644), lambda: os.truncate(path, 0), lambda: os.unlink(path),
                     lambda: open(path, 'x'), lambda: os.mkdir(path), lambda: os.symlink('x', path),
                     lambda: os.rename('plain', path), lambda: os.mkfifo(path)):
            try:
                call()
                print('REACHED', path)
            except OSError:
                pass
print(sorted(os.listdir('.')))"""
        self.write("probe.py", script)
        seen = self.run_box("python3 probe.py " + " ".join(f"'{n}'" for n in names))
        self.assertEqual(seen, "['plain', 'probe.py']\n")
        for name in names:
            self.assertEqual((self.project / name).read_text(), CANARY)

    def test_descriptors_and_working_directories_do_not_outlive_a_rule(self):
        self.write("d/visible", "before")
        process = subprocess.Popen(
            [AGENTBOX, "run", "--", "python3", "-c", """
import os, mmap, sys
fd = os.open('d/visible', os.O_RDWR); dfd = os.open('d', os.O_DIRECTORY); os.chdir('d')
print(os.read(fd, 99)); sys.stdout.flush(); input()
def attempt(f):
    try: print(f())
    except (OSError, ValueError) as e: print('refused', type(e).__name__)
attempt(lambda: os.listdir(dfd)); attempt(lambda: open('visible').read())
attempt(lambda: os.listdir('.')); attempt(lambda: open('/proc/self/fd/%d' % fd).read())
attempt(lambda: os.pread(fd, 999, 0)); attempt(lambda: mmap.mmap(fd, 0).read())
attempt(lambda: os.write(fd, b'evil'))"""],
            cwd=self.project, env=self.environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.assertEqual(process.stdout.readline(), b"b'before'\n")
        os.rename(self.project / "d", self.project / ".aws")
        (self.project / ".aws/visible").write_text(CANARY)
        time.sleep(1.5)  # what the box's kernel was told holds for a second
        out, _ = process.communicate(b"go\n", timeout=30)
        self.assertNotIn(b"canary", out)
        self.assertEqual((self.project / ".aws/visible").read_text(), CANARY)

    def test_supervisor_is_out_of_reach(self):
        self.secret("db", CANARY)
        self.policy(secrets={"database": {"from": "local://db", "as": {"env": "DB"}}},
                    scopes={"main": {}, "other": {"secrets": ["database"]}})
        self.trust()
        probe = """
for p in /proc/[0-9]*; do for f in environ mem maps root cwd exe fd map_files stack syscall; do
  cat $p/$f 2>/dev/null; ls $p/$f/ 2>/dev/null; done; done | grep -a -o canary-[0-9a-f]*
ls /proc | grep -c '^[0-9]'; kill -9 1; kill -9 -1; kill -STOP 1; echo alive"""
        # "kill -1" ends the shell too in some; what counts is that nothing but the box is met.
        seen = self.agentbox("run", "--", "sh", "-c", probe, env={"MY_NOTE": CANARY}).stdout.decode()
        self.assertNotIn("canary", seen)
        self.assertLess(int(seen.split()[0]), 12)


class Network(SessionTest):
    PROBE = r"""
import socket, sys
def attempt(name, f):
    try: f(); print('OUT', name)
    except OSError: pass
def tcp(family, address, name=None):
    def go():
        s = socket.socket(family, socket.SOCK_STREAM); s.settimeout(2); s.connect(address)
        s.sendall(b'x'); assert_data(s)
    attempt(name or str(address), go)
def assert_data(s):
    if s.recv(1) == b'': raise OSError('closed')
def udp(family, address):
    def go():
        s = socket.socket(family, socket.SOCK_DGRAM); s.settimeout(0.1); s.sendto(b'x', address); s.recv(9)
    attempt('udp ' + str(address), go)
port = int(sys.argv[1])
for host in ('127.0.0.1', '127.1.2.3', '0.0.0.0', '169.254.169.254', '10.0.0.1', '198.18.0.1', '192.168.0.1'):
    tcp(socket.AF_INET, (host, port)); udp(socket.AF_INET, (host, port))
for host in ('::1', '::', '::ffff:127.0.0.1', 'fe80::1', 'fd00::1', '2001:db8::1'):
    tcp(socket.AF_INET6, (host, port)); udp(socket.AF_INET6, (host, port))
def abstract():
    s = socket.socket(socket.AF_UNIX); s.connect('\0' + sys.argv[2])
attempt('abstract socket', abstract)
def path():
    s = socket.socket(socket.AF_UNIX); s.connect('host.socket')
attempt('socket in the project', path)
for family, kind, protocol in ((socket.AF_PACKET, socket.SOCK_RAW, 0), (socket.AF_INET, socket.SOCK_RAW, 1),
                               (socket.AF_VSOCK, socket.SOCK_STREAM, 0), (socket.AF_NETLINK, socket.SOCK_RAW, 9)):
    attempt('family %d' % family, lambda: socket.socket(family, kind, protocol))
"""

    def test_the_machines_own_services_are_not_there(self):
        listener = socket.socket()
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        abstract = f"agentbox-{os.getpid()}"
        unix = socket.socket(socket.AF_UNIX)
        unix.bind("\0" + abstract)
        unix.listen()
        named = socket.socket(socket.AF_UNIX)
        named.bind(str(self.project / "host.socket"))
        named.listen()
        served = []

        def serve():
            while True:
                try:
                    peer, _ = listener.accept()
                except OSError:
                    return
                served.append(1)
                peer.sendall(b"y")
                peer.close()

        threading.Thread(target=serve, daemon=True).start()
        self.write("probe.py", self.PROBE)
        command = ["python3", "probe.py", str(port), abstract]
        for options in (["--profile", "strict"], ["--profile", "shell"]):
            result = self.agentbox("run", *options, "--", *command)
            self.assertEqual(result.stdout, b"", result.stderr)
        self.assertEqual(served, [])
        # The control: outside, all four are there; and in the box what a policy names.
        plain = subprocess.run(command, cwd=self.project, capture_output=True)
        for name in (b"127.0.0.1", b"abstract socket", b"socket in the project"):
            self.assertIn(b"OUT", plain.stdout)
            self.assertIn(name, plain.stdout)
        self.policy(network=[f"localhost:{port}"])
        self.trust()
        self.assertIn(b"127.0.0.1", self.agentbox("run", "--", *command).stdout)
        for one in (listener, unix, named):
            one.close()

    def test_names_carry_nothing_out(self):
        self.policy(network=["example.invalid:443"])
        self.trust()
        self.write("probe.py", """
import socket, os
for i in range(500):
    try: print('OUT', socket.getaddrinfo('%s.tunnel.example' % os.urandom(20).hex(), 443))
    except OSError: pass
print(socket.getaddrinfo('example.invalid', 443, socket.AF_INET)[0][4][0])""")
        self.assertRegex(self.run_box("python3 probe.py"), r"\A198\.1[89]\.")
        refused = [r for r in self.records() if r["event"] == "connect"]
        self.assertLess(len(refused), 200)
        self.verify()


class Exhaustion(SessionTest):
    """The supervisor and its log under what a box can throw at them."""

    def session(self, script):
        process = subprocess.Popen([AGENTBOX, "run", "--", "python3", "-c", script], cwd=self.project,
                                   env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.memory = 0  # KiB, the most that the supervisor has had
        reader = threading.Thread(target=lambda: setattr(self, "out", process.communicate()))
        reader.start()
        while reader.is_alive():
            try:
                status = (pathlib.Path("/proc") / str(process.pid) / "status").read_text()
                self.memory = max([self.memory, *map(int, re.findall(r"VmHWM:\s+(\d+)", status))])
            except OSError:
                pass
            reader.join(0.05)
        out, err = self.out
        self.assertEqual(process.returncode, 0, err.decode() + out.decode())
        return out.decode()

    def test_begun_listings_of_a_large_directory_cost_the_supervisor_little(self):
        self.session("""
import ctypes, os
os.mkdir('d')
for i in range(20000): os.close(os.open('d/%05d' % i + 'n' * 240, os.O_CREAT | os.O_WRONLY))
buffer = ctypes.create_string_buffer(4096)
held = [os.open('d', os.O_RDONLY | os.O_DIRECTORY) for i in range(64)]
print(min(ctypes.CDLL(None).syscall(217, fd, buffer, 4096) for fd in held) > 0, len(os.listdir('d')))""")
        self.assertEqual(self.out[0], b"True 20000\n")
        self.assertLess(self.memory, 200 * 1024)

    def test_a_flood_of_hidden_names_fills_neither_memory_nor_log(self):
        self.write("visible", "still here")
        out = self.session("""
import os
for i in range(30000):
    try: os.stat('%s%d.env' % ('n' * 200, i))
    except FileNotFoundError: pass
    try: open('f%d.env' % i, 'x')
    except OSError: pass
print(open('visible').read())""")
        self.assertEqual(out, "still here\n")
        self.verify()
        self.assertLess(len(self.records()), 25_000)

    def test_a_flood_of_refused_connections_is_counted_not_listed(self):
        self.policy(network=["localhost:9"])
        self.trust()
        self.session("""
import socket
for i in range(5000):
    s = socket.socket(); s.settimeout(5)
    try: s.connect(('127.0.0.1', 9)); s.recv(1)
    except OSError: pass
    s.close()""")
        self.assertLess(len([r for r in self.records() if r["event"] == "connect"]), 100)
        self.verify()

    def test_open_files_of_the_box_are_not_the_supervisors(self):
        out = self.session("""
import os, resource
resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
held = []
for i in range(3000):
    try:
        held.append(os.open('f%d' % i, os.O_RDWR | os.O_CREAT, 0o444)); os.unlink('f%d' % i)
    except OSError as e: print(e); break
print(len(held) > 900); open('last', 'w').write('x')""")
        self.assertIn("True", out)
        self.assertEqual((self.project / "last").read_text(), "x")

    def test_the_broker_under_a_flood_answers_the_next(self):
        self.session("""
import os, socket, struct
path = os.environ['AGENTBOX_SOCKET']
held = []
def connect():
    s = socket.socket(socket.AF_UNIX); s.connect(path); s.settimeout(10); return s
for junk in (b'', b'\\0' * 4, b'\\xff' * 8, struct.pack('>I', 65536) + b'[' * 65536, struct.pack('>I', 2) + b'{}',
             struct.pack('>I', 4) + b'null', struct.pack('>I', 60000) + b'x'):
    for i in range(8):
        s = connect(); s.send(junk); s.close()
request = b'{"v":1,"id":1,"method":"status"}'
import time; time.sleep(2)
s = connect(); s.send(struct.pack('>I', len(request)) + request)
assert b'session' in s.recv(4096)""")
        self.verify()


class Broker(SessionTest):
    def test_its_answers_do_not_tell_what_exists(self):
        names = ("secrets.json", "notes.env", ".aws", ".ssh/id_rsa", "config.bak", "id_rsa")
        ask = '''
import json, os, socket, struct, sys
def explain(kind, subject):
    s = socket.socket(socket.AF_UNIX); s.connect(os.environ['AGENTBOX_SOCKET'])
    text = json.dumps({'v': 1, 'id': 1, 'method': 'explain', 'params': {kind: subject}}).encode()
    s.send(struct.pack('>I', len(text)) + text)
    return s.recv(65536)[4:]
for name in sys.argv[1:]:
    for kind in ('path', 'host'):
        for subject in (name, './' + name, name + '/', os.getcwd() + '/' + name):
            print(explain(kind, subject))'''
        self.write("ask.py", ask)
        command = "python3 ask.py " + " ".join(names)
        before = self.run_box(command)
        self.assertIn("hidden", before)  # the control: it does answer
        (self.project / ".aws").mkdir()
        for name in (n for n in names if n != ".aws"):
            self.write(name, CANARY)
        self.assertEqual(self.run_box(command), before)


class Endings(SessionTest):
    def test_two_sessions_in_one_project(self):
        first = subprocess.Popen([AGENTBOX, "run", "--", "sh", "-c", "echo up; read go; cat shared"],
                                 cwd=self.project, env=self.environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.assertEqual(first.stdout.readline(), b"up\n")
        self.run_box("echo from the other >shared; echo home >~/note; ls /proc | grep -c '^[0-9]'")
        out, _ = first.communicate(b"\n", timeout=30)
        self.assertEqual(out, b"from the other\n")
        self.verify()

    def test_a_stopped_or_killed_supervisor_frees_no_box(self):
        process = subprocess.Popen(
            [AGENTBOX, "run", "--", "sh", "-c", "(trap '' TERM HUP INT; sleep 0.2; echo late >late; sleep 3; echo x >later) &"
             " echo up; wait"],
            cwd=self.project, env=self.environment, stdout=subprocess.PIPE)
        self.assertEqual(process.stdout.readline(), b"up\n")
        while not (self.project / "late").exists():
            time.sleep(0.05)
        process.kill()
        process.wait()
        time.sleep(4)
        self.assertFalse((self.project / "later").exists())

    def test_names_do_not_speak_to_the_terminal(self):
        evil = b".env\x1b]0;evil\x07\x9b31m"
        self.write("probe.py", "import os\ntry: os.stat(%r)\nexcept OSError: pass\n" % (b"x.bak/" + evil))
        (self.project / os.fsdecode(b"n\x1b[31m.env")).write_text("x")
        self.run_box("ls -la; cat ./*.env; python3 probe.py; stat \"$(printf 'n\\033[31m.env')\"; true")
        for arguments in (["log"], ["explain", "n\x1b[31m.env"], ["run", "--", "\x1b[31mno-such"]):
            result = self.agentbox(*arguments)
            self.assertNotIn(b"\x1b", result.stdout + result.stderr, arguments)
        self.assertTrue(any("\x1b" in r["subject"] or "033" in r["subject"] or "1b" in r["subject"]
                            for r in self.records() if r["event"] == "hide"))


if __name__ == "__main__":
    unittest.main()
