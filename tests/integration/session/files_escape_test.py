"""Ways to a hidden file: for the live view, the masks and a session that writes into a layer. The controls are the
same ways outside a box, where they are open."""
import base64
import ctypes
import os
import pathlib
import shutil
import stat
import subprocess
import threading
import unicodedata
import unittest

from sandbox import AGENTBOX, SessionTest

CANARY = "canary-5b7e09c1d4"
PROBE = pathlib.Path(__file__).with_name("files_probe.py").read_text(encoding="utf-8")
# What a line of the probe may say of a file that does not exist for the box.
ABSENT = {"ENOENT", "False", "EPERM"}  # EPERM: file handles are refused for every name
KINDS = (("--view", "live"), ("--view", "masks"), ("--view", "live", "--review"))
CHANGES = 10
ROUNDS = int(os.environ.get("AGENTBOX_ESCAPE_ROUNDS", "25"))


def shows(text):
    """Whether `text` has the canary, in any form that a probe prints."""
    canary = CANARY.encode()
    encoded = {canary.hex(), canary.hex().upper(), CANARY}
    for shift in range(3):  # base64 of a longer text: what does not depend on its neighbours
        encoded.add(base64.b64encode(b"\0" * shift + canary).decode()[4:-4])
    return any(one in text for one in encoded)


class HiddenTest(SessionTest):
    def setUp(self):
        super().setUp()
        self.policy()
        self.write("probe.py", PROBE)

    def outside(self, *command, cwd=None):
        return subprocess.run(command, cwd=cwd or self.project, env=self.environment, capture_output=True,
                              check=False).stdout.decode(errors="replace")

    def box(self, kind, script, **keywords):
        result = self.agentbox("run", *kind, "--", "sh", "-c", script, **keywords)
        if b"overlay" in result.stderr and result.returncode != 0 and "--review" in kind:
            self.skipTest(result.stderr.decode())  # says which file system cannot be below a layer
        return (result.stdout + result.stderr).decode(errors="replace")



class Forms(HiddenTest):
    NAMES = (".env", "deep/er/.env.local", ".aws/credentials", "id_rsa", "other-name.txt")

    def setUp(self):
        super().setUp()
        for name in self.NAMES[:-1]:
            self.write(name, f"A={CANARY}\n")
        os.link(self.project / ".env", self.project / self.NAMES[-1])
        for number in range(CHANGES):
            self.write(f".env.{number}", f"A={CANARY}\n")

    def results(self, output):
        return dict(line.rsplit("=", 1) if "b'" not in line else line.split("=", 1)
                    for line in output.splitlines() if "=" in line)

    def test_control_outside_all_ways_are_open(self):
        for name in self.NAMES:
            for line in self.outside("python3", "probe.py", "read", name).splitlines():
                form = line.split(" ")[0]
                if form in ("open", "openat", "openat2", "O_PATH", "O_RDWR", "mmap", "sendfile", "copy_file_range",
                            "link", "linkat(/proc/self/fd)", "symlink", "symlinks"):
                    self.assertTrue(shows(line), line)
        changed = self.outside("python3", "probe.py", "change", ".env.")
        self.assertTrue(shows(changed), changed)
        left = [self.project / f".env.{n}" for n in range(CHANGES)]
        same = [p for p in left if p.exists() and p.read_text() == f"A={CANARY}\n"]
        self.assertLessEqual(len(same), 3, "only mode, times and attributes leave the bytes")

    def test_no_way_leads_to_its_bytes(self):
        for kind in KINDS:
            with self.subTest(" ".join(kind)):
                output = self.box(kind, f"python3 probe.py read {' '.join(self.NAMES)}; python3 probe.py read probe.py")
                self.assertFalse(shows(output), output)
                # The control: the probe does reach what may be seen.
                self.assertIn("import ctypes", output)
                if "masks" not in kind:
                    for name in self.NAMES:
                        for form, result in self.results(output).items():
                            if form.endswith(" " + name) and not form.startswith("sh "):
                                self.assertIn(result, ABSENT, form)

    def test_no_way_changes_it(self):
        before = {n: (self.project / f".env.{n}").stat() for n in range(CHANGES)}
        for kind in KINDS:
            with self.subTest(" ".join(kind)):
                output = self.box(kind, "python3 probe.py change .env.")
                self.assertFalse(shows(output), output)
                for number, status in before.items():
                    path = self.project / f".env.{number}"
                    self.assertEqual(path.read_text(), f"A={CANARY}\n", output)
                    now = path.stat()
                    self.assertEqual((now.st_ino, now.st_mode, now.st_mtime_ns),
                                     (status.st_ino, status.st_mode, status.st_mtime_ns), output)

    def test_no_spelling_of_its_path(self):
        spellings = ("//.env", "./.env", "deep/../.env", ".env/", "./deep//er/.././er/.env.local",
                     "/proc/self/cwd/.env", "/proc/self/root" + str(self.project / ".env"),
                     "/proc/thread-self/cwd/.env", "/dev/fd/9/.env", str(self.project) + "//./.env")
        script = "exec 9<.; for f in %s; do cat $f; done 2>&1; cat /dev/fd/9/probe.py /proc/self/cwd/probe.py"
        for kind in KINDS:
            with self.subTest(" ".join(kind)):
                output = self.box(kind, script % " ".join(spellings))
                self.assertFalse(shows(output), output)
                self.assertEqual(output.count("import ctypes\n"), 2)
        # The control; "//.env" and ".env/" lead nowhere for anybody.
        self.assertEqual(self.outside("sh", "-c", script % " ".join(spellings)).count(CANARY), len(spellings) - 2)

    def test_one_name_in_two_spellings_of_unicode(self):
        names = [unicodedata.normalize(form, "café.key") for form in ("NFC", "NFD")] + ["ke\u200dy.pem", "\uff4bey.pem"]
        for name in names:
            self.write(name, f"{CANARY}\n")
        self.assertEqual(self.outside("sh", "-c", "cat *.key *.pem").count(CANARY), len(names))
        for kind in KINDS:
            with self.subTest(" ".join(kind)):
                self.assertFalse(shows(self.box(kind, "cat *.key *.pem; " + "; ".join(f"cat '{n}'" for n in names))))

    def test_directories_of_it_that_are_renamed(self):
        """With what lies in it: neither does it become readable, nor is something put in its place."""
        for kind in KINDS:
            with self.subTest(" ".join(kind)):
                output = self.box(kind, "mv deep x; cat x/er/.env.local; mv deep/er deep/y; cat deep/y/.env.local;"
                                  " mkdir -p deep/er; echo evil >deep/er/.env.local; mv x deep; mv deep/y deep/er; ls -R deep")
                self.assertFalse(shows(output), output)
                kept = [p for p in self.project.rglob(".env.local") if p.read_text() == f"A={CANARY}\n"]
                self.assertEqual(len(kept), 1, output)
                for path in self.project.rglob(".env.local"):
                    if path not in kept:
                        path.unlink()
                if kept[0] != self.project / "deep/er/.env.local":
                    kept[0].rename(self.place / "kept")
                    shutil.rmtree(self.project / "deep", ignore_errors=True)
                    shutil.rmtree(self.project / "x", ignore_errors=True)
                    (self.project / "deep/er").mkdir(parents=True)
                    (self.place / "kept").rename(self.project / "deep/er/.env.local")


class Places(HiddenTest):
    """What leads to a hidden file from elsewhere, and where a launcher could be led."""

    def test_a_link_above_a_hidden_name(self):
        other = self.place / "other"
        self.write("key", CANARY, base=other)
        (self.project / "conf").symlink_to("../other")
        (self.project / ".ssh").symlink_to("/proc")
        self.policy(files={"hide": ["conf/key", ".ssh"]})
        before = sorted(os.listdir(other))
        self.assertTrue(shows(self.outside("cat", "conf/key")))  # the control
        for kind in KINDS:
            with self.subTest(" ".join(kind)):
                output = self.box(kind, "cat conf/key .ssh/1/environ; echo done")
                self.assertFalse(shows(output), output)
                self.assertEqual(sorted(os.listdir(other)), before)
                self.assertTrue((self.project / ".ssh").is_symlink())
        self.assertEqual((other / "key").read_text(), CANARY)

    def test_links_where_a_launcher_makes_devices(self):
        outside = self.place / "outside"
        outside.mkdir()
        for name in ("dev", "proc", "sys", "tmp", "run", "etc"):
            (self.project / name).symlink_to(outside)
        for kind in KINDS:
            with self.subTest(" ".join(kind)):
                self.assertIn("null", self.box(kind, "ls /dev; ls dev/"))  # the control: devices were made
                self.assertEqual(list(outside.iterdir()), [])

    def test_a_second_mount_of_it(self):
        if os.getuid() != 0:
            self.skipTest("needs root for a mount of the test's own")
        self.write("secrets/.env", f"A={CANARY}\n")
        self.write("secrets/plain", "plain\n")
        for name in ("mnt", "deeper/mnt"):
            (self.project / name).mkdir(parents=True)
        script = ("mount --bind secrets mnt; mount --bind . deeper/mnt; "
                  'if [ -n "$1" ]; then exec "$@"; else exec cat mnt/.env deeper/mnt/secrets/.env; fi')
        inside = "cat mnt/.env deeper/mnt/secrets/.env deeper/mnt/mnt/.env; cat mnt/plain"
        shown = self.outside("unshare", "-m", "sh", "-c", script, "sh")
        self.assertEqual(shown.count(CANARY), 2)  # the control
        for kind in KINDS[:2]:
            with self.subTest(" ".join(kind)):
                shown = self.outside("unshare", "-m", "sh", "-c", script, "sh", AGENTBOX, "run", *kind, "--", "sh",
                                     "-c", inside)
                self.assertFalse(shows(shown), shown)

    def test_names_of_hidden_files_are_not_in_the_mounts_of_a_live_view(self):
        self.write(".env", CANARY)
        self.write("private/token-store", CANARY)
        self.policy(files={"hide": ["private"]})
        output = self.box(KINDS[0], "cat /proc/self/mountinfo /proc/mounts")
        self.assertIn(str(self.project), output)  # the control
        for name in (".env", "private", "token-store"):
            self.assertNotIn(name, output.replace(str(self.place), ""))

    def test_events_tell_no_hidden_name(self):
        script = """python3 -c "
import ctypes, os, select, time
libc = ctypes.CDLL(None)
fd = libc.inotify_init1(os.O_NONBLOCK)
libc.inotify_add_watch(fd, b'.', 0xfff)
open('ready', 'w').close()
while not os.path.exists('go'): time.sleep(0.01)
open('own-file', 'w').close()
time.sleep(0.3)
print(os.read(fd, 65536))
" """
        process = subprocess.Popen([AGENTBOX, "run", "--view", "live", "--", "sh", "-c", script], cwd=self.project,
                                   env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        while not (self.project / "ready").exists():
            self.assertIsNone(process.poll(), "ended early")
        for number in range(20):
            self.write(".env.hidden-name", f"A={CANARY}{number}\n")
            os.rename(self.project / ".env.hidden-name", self.project / ".env")
        self.write("go", "")
        output, errors = process.communicate(timeout=30)
        self.assertIn(b"own-file", output, errors)  # the control
        self.assertNotIn(b".env", output)

    def test_the_mounts_keep_their_flags(self):
        for kind in KINDS:
            with self.subTest(" ".join(kind)):
                lines = [line.split() for line in self.box(kind, "cat /proc/self/mountinfo").splitlines()]
                mounts = {line[4]: line[5].split(",") for line in lines if len(line) > 6}
                self.assertIn(str(self.project), mounts)
                for place, options in mounts.items():
                    self.assertIn("nosuid", options, place)
                self.assertIn("nodev", mounts[str(self.project)])

    def test_no_program_with_more_rights_is_left(self):
        script = """cp /bin/true made; chmod 6755 made; install -m 4755 /bin/true other; mkdir d; chmod 2755 d
            setcap cap_sys_admin+ep made; python3 -c "
import ctypes, os, struct
libc = ctypes.CDLL(None)
os.umask(0)
os.close(os.open('by-open', os.O_CREAT | os.O_WRONLY, 0o6755))
" ; python3 -c "
import ctypes, os, struct
how = struct.pack('QQQ', os.O_CREAT | os.O_WRONLY, 0o6755, 0)
ctypes.CDLL(None).syscall(437, -100, b'by-openat2', how, len(how))
" ; python3 -c "
import ctypes
ctypes.CDLL(None).syscall(452, -100, b'made', 0o6755, 0)
" ; python3 -c "
import os, stat
os.mknod('by-mknod', 0o6755 | stat.S_IFREG)
" ; python3 -c "
import os
fd = os.open('.', os.O_TMPFILE | os.O_RDWR, 0o6755)
os.link('/proc/self/fd/%d' % fd, 'by-tmpfile', follow_symlinks=True)
" """
        made = ("made", "other", "by-open", "by-openat2", "by-mknod", "by-tmpfile")
        self.outside("sh", "-c", script)  # the control
        for name in made[:5]:
            self.assertTrue((self.project / name).stat().st_mode & stat.S_ISUID, name)
        for kind in KINDS[:2]:
            with self.subTest(" ".join(kind)):
                for name in made:
                    (self.project / name).unlink(missing_ok=True)
                shutil.rmtree(self.project / "d")
                output = self.box(kind, script + "; echo fine >plain; chmod 755 made; cp made sub-made")
                self.assertTrue((self.project / "sub-made").exists(), output)
                (self.project / "sub-made").unlink()
                for path in (p for p in self.project.iterdir() if p.is_file()):
                    self.assertFalse(path.stat().st_mode & (stat.S_ISUID | stat.S_ISGID), (path, output))
                    self.assertNotIn("security.capability", os.listxattr(path))


class Race(HiddenTest):
    def test_names_exchanged_while_boxes_start(self):
        """The name counts at the time of the look: under a hidden one nothing is ever read."""
        self.write(".env", f"A={CANARY}\n")
        self.write(".env.local", "A=decoy\n")
        libc = ctypes.CDLL(None, use_errno=True)
        names = [os.fsencode(self.project / name) for name in (".env", ".env.local")]
        going, count = True, 0

        def exchange():
            nonlocal count
            while going:
                if libc.renameat2(-100, names[0], -100, names[1], 2) == 0:
                    count += 1

        thread = threading.Thread(target=exchange)
        thread.start()
        read = "i=0; while [ $i -lt 20 ]; do cat .env .env.local; i=$((i+1)); done 2>&1; cat probe.py"
        try:
            self.assertTrue(shows(self.outside("sh", "-c", read)))  # the control
            for _ in range(ROUNDS):
                output = self.box(KINDS[0], read)
                self.assertFalse(shows(output))
                self.assertIn("import ctypes", output)
        finally:
            going = False
            thread.join()
        self.assertGreater(count, ROUNDS)


if __name__ == "__main__":
    unittest.main()
