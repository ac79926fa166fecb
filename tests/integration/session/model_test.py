"""Random operations outside and in the box, and after each of them: no byte of a secret can be read in the box by
any name or by anything that it has open; nothing of the user's is lost; what is no secret is what stands outside.
AGENTBOX_MODEL_SEED repeats one run, AGENTBOX_MODEL_STEPS makes it longer."""
import base64
import ctypes
import json
import os
import pathlib
import random
import string
import subprocess
import threading
import time
import unittest

from sandbox import AGENTBOX, SessionTest
from tree_model import HIDDEN, HIDDEN_DIRECTORIES, Refused, Tree

ACTOR = pathlib.Path(__file__).with_name("box_actor.py").read_text()
STEPS = int(os.environ.get("AGENTBOX_MODEL_STEPS", "600"))
SEED = int(os.environ.get("AGENTBOX_MODEL_SEED", "0")) or random.SystemRandom().randrange(1, 1 << 32)

DIRECTORIES = ["", "src/", "src/deep/", "docs/", "docs/old/", ".aws/", "data/"]
NAMES = ["a.txt", "b.md", "c.log", "d.csv", "e", ".env", ".Env.local", "server.pem", "x.key", "secrets.json", ".env~"]
LIMIT = 60  # names in the project
PATIENCE = 30  # seconds; far longer than a change takes to be seen
NEEDLE = 12  # so many bytes of a secret are a leak


class Leak(AssertionError):
    pass


class Loss(AssertionError):
    pass


class Difference(AssertionError):
    pass


class Secret:
    def __init__(self, number, text, value):
        self.number = number
        self.text, self.value = text.encode(), value.encode()  # as it is written, and the secret bytes in it
        lines = self.value.split(b"\n")
        lines += [base64.b64encode(b"\0" * shift + line)[4:-4] for line in lines for shift in range(3)]
        self.needles = [line[at:at + NEEDLE] for line in lines for at in range(0, len(line) - NEEDLE + 1, 4)]


class Model:
    """One run. The truth is what stands on the disk; what the box says is held against it."""

    def __init__(self, project, seed):
        self.project, self.random = project, random.Random(seed)
        self.ways = random.Random(seed)  # of reading, as often as the box takes to see a change
        self.secrets = []  # never to be read in the box
        self.added = 0
        self.ever = set()  # texts and values of these, and of those that were taken off the list
        self.stars = set()  # texts in whose place stars may stand
        self.own = set()  # files that the box made and that nobody else has touched
        self.was_own = set()
        self.was_hidden = set()  # what stood in one is looked for: the more of it there is, the more may be starred
        self.emptied = set()  # files of the user's that the box emptied: the view may take them for the box's own
        self.second_names = set()  # files that were hidden for another of their names
        self.marked = set()  # paths and files at which a secret has stood: the box may not change them any more
        self.held = {}
        self.known = {}  # digest: bytes
        self.clean = {}  # digest: as many secrets were looked for in it and not found
        self.history = []
        self.clock = time.time_ns()

    # What is written.

    def word(self, length, letters=string.ascii_letters + string.digits):
        return "".join(self.random.choice(letters) for _ in range(length))

    def text(self):
        lines = [" ".join(self.word(self.random.randint(1, 6)) for _ in range(self.random.randint(1, 9)))
                 for _ in range(self.random.choice((0, 1, 3, 10, 10, 200)))]
        return "".join(line + "\n" for line in lines)

    def add(self, secret):
        self.added += 1
        self.secrets.append(secret)
        self.ever |= {secret.text, secret.value}

    def secret(self):
        """One that is found by what it looks like."""
        w = self.word
        text, value = self.random.choice([
            lambda: ("token = {}", "ghp" + "_" + w(36)),
            lambda: ('"key": "{}",', "AKIA" + w(16, string.ascii_uppercase + "234567")),
            lambda: ("{}", "glpat" + "-" + w(20)),
            lambda: ("see {} there", "npm" + "_" + w(36)),
            lambda: ("DATABASE_URL=postgres://app:{}@db.example.org:5432/app", w(24)),
            lambda: ("-----BEGIN PRIVATE " + "KEY-----\n{}\n-----END PRIVATE KEY-----",
                     "\n".join("MIIEv" + w(59) for _ in range(5))),
        ])()
        made = Secret(self.added, text.format(value), value)
        self.add(made)
        return made.text.decode() + "\n"

    def word_of_hidden_file(self):
        """One that only the name of its file tells."""
        # A digit at least: a word of letters alone may be one of a language.
        value = self.word(23) + self.word(1, string.digits)
        made = Secret(self.added, f"WORD_{self.added}={value}", value)
        self.add(made)
        return made.text.decode() + "\n"

    def copy_of_known(self):
        value = self.random.choice(self.launched)
        plain = self.random.choice((value, f"user:{value}"))
        encoded = base64.b64encode(plain.encode()).decode()
        self.stars.add(encoded.encode())
        return self.random.choice((f"say {value} twice\n", f"Basic {encoded}\n"))

    def content(self, path):
        """As a user writes it: secrets are whole."""
        if Tree.hidden_name(path, False):
            return "".join(self.word_of_hidden_file() for _ in range(3)) + self.random.choice(("", self.secret()))
        filler = self.text() if self.random.random() < 0.9 else self.text() * self.random.randint(1, 60)
        if self.random.random() < 0.5:
            return filler
        return filler + self.random.choice((self.secret, self.copy_of_known))() + self.text()

    # Operations.

    def path(self):
        return self.random.choice(DIRECTORIES) + self.random.choice(NAMES)

    def existing(self, tree, directories=False):
        """A path, more often than not one at which something stands."""
        there = [path for path in tree.nodes if path and (directories or tree.nodes[path].kind != "d")]
        return self.random.choice(there) if there and self.random.random() < 0.8 else self.path()

    def operation(self, tree, content):
        """One that either side can do, and the paths that it names."""
        r = self.random
        path, other = self.existing(tree, True), self.path()
        kind = r.choices(
            ("create", "replace", "append", "rename", "rename_directory", "exchange", "link", "symlink", "unlink",
             "mkdir", "rmdir", "chmod", "truncate"),
            (9, 6, 5, 7, 3, 3, 4, 3, 4 if len(tree.nodes) < LIMIT else 40, 4, 2, 2, 2))[0]
        if kind == "create":
            return "write", [other, os.O_CREAT | os.O_EXCL, 0, content(other)]
        if kind == "replace":
            path = self.existing(tree)
            return "write", [path, os.O_CREAT | os.O_TRUNC, 0, content(path)]
        if kind == "append":
            path = self.existing(tree)
            # A line of its own: a key that is glued to a word is none.
            return "write", [path, os.O_APPEND, 0, "\n" + content(path)]
        if kind == "rename":
            return "rename", [self.existing(tree), self.existing(tree) if r.random() < 0.3 else other, r.choice((0, 0, 1))]
        if kind == "rename_directory":
            a, b = r.choice(DIRECTORIES[1:])[:-1], r.choice(DIRECTORIES[1:] + ["elsewhere/"])[:-1]
            return "rename", [a, b, 0]
        if kind == "exchange":
            return "rename", [path, self.existing(tree, True), 2]
        if kind == "link":
            return "link", [self.existing(tree), other]
        if kind == "symlink":
            text = os.path.relpath(path, os.path.dirname(other) or ".")
            return "symlink", [r.choice((text, str(self.project / path))), other]
        if kind == "unlink":
            return "unlink", [self.existing(tree)]
        if kind == "mkdir":
            return "mkdir", [r.choice(DIRECTORIES[1:])[:-1], 0o755]
        if kind == "rmdir":
            return "rmdir", [r.choice(DIRECTORIES[1:])[:-1]]
        path = self.existing(tree)
        if kind == "truncate" or (path in tree.nodes and tree.nodes[path].kind != "f"):
            return "truncate", [path, 0]
        return "chmod", [path, r.choice((0o644, 0o600, 0o755, 0o640))]

    def inside_only(self, tree):
        r = self.random
        path = self.existing(tree)
        name = f"h{r.randrange(6)}"
        at = r.randrange(3000)
        choice = r.randrange(8)
        if choice == 0 and name in self.held:
            del self.held[name]
            return "release", [name]
        if choice <= 3 and name not in self.held:
            path = self.existing(tree, True)
            node = tree.nodes.get(path)
            return "hold", [name, path, os.O_RDONLY if node and node.kind == "d" else
                            r.choice((os.O_RDONLY, os.O_RDWR))]
        if choice == 4 and name in self.held:
            return "held_write", [name, at, self.text()]
        if choice == 5 and name in self.held:
            return r.choice((("held_truncate", [name, at]), ("link_of_held", [name, self.path()])))
        if choice == 6:
            return "write", [path, 0, at, self.text()]
        return r.choice((("truncate", [path, at]), ("punch", [path, at, 1 + r.randrange(500)])))

    def outside(self):
        before = Tree.on_disk(self.project)
        what, arguments = self.operation(before, self.content)
        self.history.append(("outside", what, arguments))
        after = before.copied()
        try:
            after.apply(what, arguments)
        except Refused:
            return
        place = lambda path: self.project / path
        if what == "write":
            path, flags, _, data = arguments
            with open(os.open(place(path), flags | os.O_WRONLY | os.O_NOFOLLOW, 0o644), "w") as file:
                file.write(data)
        elif what == "rename":
            rename_outside(place(arguments[0]), place(arguments[1]), arguments[2])
        elif what == "symlink":
            os.symlink(arguments[0], place(arguments[1]))
        elif what == "link":
            os.link(*map(place, arguments), follow_symlinks=False)
        else:
            getattr(os, what)(place(arguments[0]), *arguments[1:])
        now = Tree.on_disk(self.project)
        for path, node in now.nodes.items():
            old = before.nodes.get(path)
            if old is None or not old.same(node) or len(now.links(node)) != len(before.links(old)):
                self.own.discard(node.identity)
                self.emptied.discard(node.identity)
                if node.kind == "f":
                    # Else two changes within a tick of the clock are one where nothing tells of them.
                    self.clock += 1_000_000
                    os.utime(place(path), ns=(self.clock, self.clock))
        self.follow(before, now)

    def follow(self, before, now):
        """Notes what follows from where things stand now."""
        alive = {node.identity for node in now.nodes.values()}
        self.own &= alive
        self.marked -= {node.identity for node in before.nodes.values()} - alive
        for path, node in now.nodes.items():
            if node.kind != "f":
                continue
            if now.hidden(path):
                self.was_hidden.add(node.identity)
                # What stands in a hidden file is looked for everywhere from then on; what stands in one of the box's
                # own may be, as the view may not know it for that any more.
                self.stars.update(line for line in node.data.splitlines() if len(line) >= 8)
            elif node.identity not in self.own:
                # A word that the user has moved to a name that does not hide is none any more.
                self.secrets = [s for s in self.secrets
                                if not s.text.startswith(b"WORD_") or s.value.decode() in self.launched
                                or s.value not in node.data]
            if now.hidden(path):
                self.marked |= {path, node.identity}
                if not Tree.hidden_name(path, False):
                    self.second_names.add(node.identity)
            elif (old := before.nodes.get(path)) is None or old is node or old.data != node.data:
                if any(s.value in node.data for s in self.secrets) or any(s in node.data for s in self.stars):
                    self.marked |= {path, node.identity}

    def inside(self):
        before = Tree.on_disk(self.project)
        what, arguments = (self.operation(before, lambda path: self.text()) if self.random.random() < 0.6 else
                           self.inside_only(before))
        end = time.monotonic() + PATIENCE
        while True:
            answer = self.actor.ask(what, arguments)
            self.history.append(("inside", what, arguments, answer))
            now = Tree.on_disk(self.project)
            wanted = self.after(before, what, arguments, answer)
            if wanted is not None and (difference := wanted.difference(now)):
                raise Loss(f"{what} {arguments} in the box, which was told {answer}: {difference}")
            if answer is None or not self.ordinary(before, what, arguments):
                break
            # The box may know an old state still; not for ever.
            if time.monotonic() > end:
                raise Difference(f"{what} {arguments}: {answer} in the box; nothing speaks against it outside")
            time.sleep(0.02)
        if answer is None:
            if what == "rename":  # a path at which there was a secret goes along
                for a, b in (arguments[:2], arguments[1::-1]):
                    self.marked |= {b + path[len(a):] for path in self.marked
                                    if isinstance(path, str) and path.startswith(a + "/")}
            if what == "hold":
                self.held[arguments[0]] = self.at(before, arguments[1])
            if what == "write" and arguments[1] & os.O_CREAT:
                made = self.at(now, arguments[0]).identity
                if all(node.identity != made for node in before.nodes.values()):
                    self.own.add(made)
                    self.was_own.add(made)
            self.emptied |= {node.identity for node in now.nodes.values()
                             if node.kind == "f" and self.empties(what, arguments, node, now)}
        self.follow(before, now)

    def at(self, tree, path):
        """The file at a path, in which a directory may be a link."""
        identity = (self.project / path).lstat().st_ino
        return next(node for node in tree.nodes.values() if node.identity == identity)

    def empties(self, what, arguments, node, now):
        """Whether that left nothing in the file but what the box has written."""
        if what == "held_truncate":
            return arguments[1] == 0 and node.identity == self.held[arguments[0]].identity
        emptying = what == "write" and arguments[1] & os.O_TRUNC or what == "truncate" and arguments[1] == 0
        return emptying and (self.project / arguments[0]).stat().st_ino == node.identity

    def after(self, before, what, arguments, answer):
        """What stands outside after what the box did; None if that cannot be told."""
        after = before.copied()
        if answer is not None or what in ("hold", "release"):
            return after
        if what.startswith("held_"):
            node = self.held[arguments[0]]
            mine = next((n for n in after.nodes.values() if n.identity == node.identity), None)
            if mine is None:
                return after
            if what == "held_truncate":
                after.resize(mine, arguments[1])
            else:
                after.put(mine, arguments[1], arguments[2].encode())
            return after
        if what == "link_of_held":
            if before.through_link(os.path.dirname(arguments[1])):
                return None
            mine = next(n for n in after.nodes.values() if n.identity == self.held[arguments[0]].identity)
            after.nodes[arguments[1]] = mine
            return after
        if any(before.through_link(a if what in ("chmod", "truncate") else os.path.dirname(a)) for a in self.paths(what, arguments)):
            return None
        try:
            after.apply(what, arguments)
        except Refused as refused:
            raise Loss(f"{what} {arguments} succeeded in the box; on the disk it is {refused}") from None
        return after

    @staticmethod
    def paths(what, arguments):
        return arguments[:2] if what in ("rename", "link") else arguments[1:] if what == "symlink" else arguments[:1]

    def ordinary(self, before, what, arguments):
        """Whether the box may do it without a doubt: all that it names is seen, and no secret is near."""
        if what in ("hold", "release", "held_write", "held_truncate", "link_of_held"):
            return False
        try:
            before.copied().apply(what, arguments)
        except Refused:
            return False
        for path in self.paths(what, arguments):
            if Tree.hidden_name(path, True) or Tree.hidden_name(path, False):
                return False
            node = before.nodes.get(path)
            if path in self.marked or (node is not None and (
                    node.identity in self.marked or node.kind != "f" or len(before.links(node)) > 1)):
                return False
        return True

    # What the box reads.

    def bytes_of(self, digest):
        if digest not in self.known:
            self.known[digest] = base64.b64decode(self.actor.ask("bytes", [digest]))
        return self.known[digest]

    def require_no_leak(self, digest, where):
        looked_for = self.clean.get(digest, 0)
        if looked_for < self.added:
            data = self.bytes_of(digest)
            for secret in self.secrets:
                if secret.number >= looked_for and any(needle in data for needle in secret.needles):
                    raise Leak(f"{where}: a part of {secret.text!r}")
            self.clean[digest] = self.added

    def masked(self, data, real):
        """`data` with stars in all the places where they may stand in the box's view of `real`."""
        if len(data) != len(real):
            return None
        data = bytearray(data)
        for text in self.stars | self.ever:
            at = real.find(text)
            while at >= 0:
                data[at:at + len(text)] = b"*" * len(text)
                at = real.find(text, at + 1)
        return data

    def difference(self, tree, view):
        """One thing that the box sees otherwise than it should; None if there is none."""
        for path, node in tree.nodes.items():
            if not path:
                continue
            its = view["tree"].get(path)
            if tree.hidden(path) and node.identity not in self.own:
                # A second name of a hidden file, or one that was the box's own, may stand in an older listing, and is
                # nothing.
                listed = node.identity in self.was_own or not Tree.hidden_name(path, node.kind == "d")
                if its is not None and node.identity not in self.emptied and not (listed and its == ["e", "ENOENT"]):
                    return f"{path} is hidden and seen as {its}"
            elif node.identity in self.own and its in (None, ["e", "ENOENT"]):
                # With a name that hides it is shown as long as the view is sure that it is the box's own.
                if not any(Tree.hidden_name(name, False) for name in tree.links(node)):
                    return f"{path} is the box's own and not there"
            elif its is None and node.identity in self.second_names:
                pass  # an older listing may lack it
            elif its is None or its[0] != node.kind:
                return f"{path} is {node.kind} and is seen as {its}"
            elif node.kind == "l" and its[1].encode() != node.data:
                return f"{path} leads to {node.data}, not {its[1]}"
            elif node.kind == "f":
                seen = self.bytes_of(its[2])
                if node.identity in self.was_hidden and len(seen) == len(node.data) and all(
                        a in (b, ord("*")) for a, b in zip(seen, node.data)):
                    continue
                if seen != node.data and self.masked(seen, node.data) != self.masked(node.data, node.data):
                    return f"{path}: {seen[:300]!r} is seen, not {node.data[:300]!r}"
                if its[1] != node.mode and its[1] != node.mode & 0o555:
                    return f"{path} has the mode {its[1]:o}, not {node.mode:o}"
        for path in view["tree"]:
            if path not in tree.nodes:
                return f"{path} is not there any more"
        return None

    def look(self, paths):
        view = self.actor.ask("look", [self.ways.randrange(4), paths])
        for place in ("direct", "held"):
            for name, digest in view[place].items():
                self.require_no_leak(digest, f"{place} {name}")
        for path, its in view["tree"].items():
            if its[0] == "f":
                self.require_no_leak(its[2], path)
        return view

    def agree(self):
        end = time.monotonic() + PATIENCE
        paths = [directory + name for directory in DIRECTORIES for name in NAMES]
        while True:
            tree = Tree.on_disk(self.project)
            difference = self.difference(tree, self.look(paths))
            if difference is None:
                return
            if time.monotonic() > end:
                raise Difference(difference)
            time.sleep(0.1)

    def prepare(self):
        """What stands there before the box is started."""
        for directory in ("src/deep", "docs/old", ".aws", "data"):
            (self.project / directory).mkdir(parents=True)
        for name in (".env", "src/server.pem", ".aws/a.txt", "data/secrets.json"):
            (self.project / name).write_text("".join(self.word_of_hidden_file() for _ in range(4)))
        self.launched = [s.value.decode() for s in self.secrets]
        for name in ("src/a.txt", "docs/b.md", "docs/old/c.log", "e"):
            (self.project / name).write_text(self.content(name))
        tree = Tree.on_disk(self.project)
        self.follow(tree, tree)

    def run(self, steps):
        self.agree()
        for step in range(1, steps + 1):
            (self.outside if self.random.random() < 0.5 else self.inside)()
            self.look([self.path() for _ in range(8)])
            if step % 60 == 0:
                self.agree()


def rename_outside(old, new, flags):
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.renameat2(-100, os.fsencode(old), -100, os.fsencode(new), flags) != 0:
        raise OSError(ctypes.get_errno(), "renameat2")


class Actor:
    def __init__(self, project, environment):
        self.project = project
        self.process = subprocess.Popen(
            [AGENTBOX, "run", "--no-masking", "--", "python3", "-u", "-c", ACTOR], cwd=project, env=environment,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.watchdog = threading.Timer(900, self.process.kill)
        self.watchdog.start()

    def ask(self, what, arguments):
        self.process.stdin.write(json.dumps([what, arguments]) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"the box is gone after {what} {arguments}: {self.process.stderr.read()}")
        return json.loads(line)

    def end(self):
        self.watchdog.cancel()
        self.process.kill()
        self.process.communicate()


class ModelTest(SessionTest):
    def walk(self, seed, steps, actor=Actor):
        model = Model(self.project, seed)
        model.prepare()
        model.actor = actor(self.project, self.environment)
        self.addCleanup(model.actor.end)
        try:
            model.run(steps)
        except AssertionError as error:
            last = "\n".join(str(entry)[:300] for entry in model.history[-12:])
            raise type(error)(f"AGENTBOX_MODEL_SEED={seed}, step {len(model.history)}: {error}\n{last}") from None

    def test_a_random_walk(self):
        print(f"model: AGENTBOX_MODEL_SEED={SEED}, {STEPS} steps")
        self.walk(SEED, STEPS)

    def test_control_names_that_are_not_judged_leak(self):
        self.policy(files={"show": list(HIDDEN) + [name + "/" for name in HIDDEN_DIRECTORIES]})
        self.trust()
        with self.assertRaises(Leak):
            self.walk(1, 100)

    def test_control_contents_that_are_not_judged_leak(self):
        self.policy(files={"detect": "off"})
        self.trust()
        with self.assertRaises(Leak):
            self.walk(1, 100)

    def test_control_what_is_lost_is_noticed(self):
        class Careless(Actor):
            def ask(self, what, arguments):
                answer = super().ask(what, arguments)
                if what == "truncate":
                    os.truncate(self.project / "e", 1)
                return answer

        with self.assertRaises(Loss):
            self.walk(1, 100, Careless)


if __name__ == "__main__":
    unittest.main()
