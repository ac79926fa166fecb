"""A plain model of a project: what stands where, what an operation makes of it, what of it a box may see."""
import copy
import errno
import fnmatch
import functools
import os
import stat

HIDDEN = (".env", ".env.*", "*.pem", "*.key", "secrets.json", ".env~")
HIDDEN_DIRECTORIES = (".aws", ".ssh")


class Refused(Exception):
    """What the operation answers, by errno."""


class Node:
    def __init__(self, kind, mode=0o644, data=b"", identity=None):
        self.kind, self.mode, self.data, self.identity = kind, mode, data, identity

    def same(self, other):
        return (self.kind, self.data) == (other.kind, other.data) and (
            self.kind == "l" or self.mode == other.mode) and (
            None in (self.identity, other.identity) or self.identity == other.identity)


class Tree:
    def __init__(self):
        self.nodes = {"": Node("d", 0o755)}  # by path; one Node for all links of a file

    @staticmethod
    def on_disk(root):
        tree, files = Tree(), {}

        def walk(directory):
            for entry in os.scandir(os.path.join(root, directory)):
                path = os.path.join(directory, entry.name)
                info = entry.stat(follow_symlinks=False)
                identity, mode = info.st_ino, info.st_mode & 0o7777
                if stat.S_ISDIR(info.st_mode):
                    tree.nodes[path] = Node("d", mode, identity=identity)
                    walk(path)
                elif stat.S_ISLNK(info.st_mode):
                    tree.nodes[path] = Node("l", 0o777, os.readlink(entry.path).encode(), identity)
                else:
                    if identity not in files:
                        with open(entry.path, "rb") as file:
                            files[identity] = Node("f", mode, file.read(), identity)
                    tree.nodes[path] = files[identity]
        walk("")
        return tree

    def difference(self, other):
        """One path at which the two differ, and how; None if they are the same."""
        for path in sorted(self.nodes.keys() | other.nodes.keys()):
            mine, its = self.nodes.get(path), other.nodes.get(path)
            if mine is None or its is None or not mine.same(its):
                told = lambda node: node and (node.kind, oct(node.mode), node.identity, len(node.data), node.data[:200])
                return f"{path}: {told(mine)} against {told(its)}"
        return None

    # What may be seen.

    def hidden(self, path):
        node = self.nodes[path]
        return self.hidden_name(path, node.kind == "d") or (
            node.kind == "f" and any(self.hidden_name(other, False) for other, its in self.nodes.items()
                                     if its is node))

    @staticmethod
    @functools.cache
    def hidden_name(path, directory):
        parts = path.split("/")
        return any(part in HIDDEN_DIRECTORIES for part in (parts if directory else parts[:-1])) or any(
            fnmatch.fnmatchcase(part.lower(), pattern) for part in parts for pattern in HIDDEN)

    def links(self, node):
        return [path for path, its in self.nodes.items() if its is node]

    def through_link(self, path):
        """Whether a symbolic link stands in the path, so that it is about another one."""
        parts = path.split("/")
        return any(node is not None and node.kind == "l"
                   for node in (self.nodes.get("/".join(parts[:i])) for i in range(1, len(parts) + 1)))

    # What an operation makes of it. All raise Refused and leave everything as it is, or succeed.

    def copied(self):
        made, nodes = Tree(), {}
        for path, node in self.nodes.items():
            made.nodes[path] = nodes.setdefault(id(node), None) or copy.copy(node)
            nodes[id(node)] = made.nodes[path]  # what is one Node stays one
        return made

    def get(self, path):
        parts = path.split("/")
        for i in range(1, len(parts)):
            above = self.nodes.get("/".join(parts[:i]))
            if above is None:
                raise Refused(errno.ENOENT)
            if above.kind != "d":
                raise Refused(errno.ENOTDIR)
        return self.nodes.get(path)

    def file(self, path):
        node = self.get(path)
        if node is None:
            raise Refused(errno.ENOENT)
        if node.kind != "f":
            raise Refused(errno.EISDIR if node.kind == "d" else errno.ELOOP)
        return node

    def absent(self, path):
        if self.get(path) is not None:
            raise Refused(errno.EEXIST)

    def below(self, path):
        return [other for other in self.nodes if other.startswith(path + "/")]

    def apply(self, what, arguments):
        getattr(self, what)(*arguments)

    def write(self, path, flags, offset, data):
        node = self.get(path)
        if node is not None and flags & os.O_CREAT and flags & os.O_EXCL:
            raise Refused(errno.EEXIST)
        if node is None and flags & os.O_CREAT:
            node = self.nodes[path] = Node("f")
        node = self.file(path)
        if flags & os.O_TRUNC:
            node.data = b""
        self.put(node, len(node.data) if flags & os.O_APPEND else offset, data.encode())

    @staticmethod
    def put(node, offset, data):
        if data:
            node.data = node.data.ljust(offset, b"\0")
        node.data = node.data[:offset] + data + node.data[offset + len(data):]

    def truncate(self, path, size):
        self.resize(self.file(path), size)

    @staticmethod
    def resize(node, size):
        node.data = node.data[:size].ljust(size, b"\0")

    def punch(self, path, offset, length):
        node = self.file(path)
        end = min(offset + length, len(node.data))
        if end > offset:
            self.put(node, offset, b"\0" * (end - offset))

    def rename(self, old, new, flags):
        source, target = self.get(old), self.get(new)
        if source is None:
            raise Refused(errno.ENOENT)
        if flags & 1 and target is not None:
            raise Refused(errno.EEXIST)
        if flags & 2 and target is None:
            raise Refused(errno.ENOENT)
        if (new + "/").startswith(old + "/") and new != old or (
                flags & 2 and (old + "/").startswith(new + "/") and new != old):
            raise Refused(errno.EINVAL)
        if source is target:
            return
        if target is not None and not flags & 2:
            if source.kind == "d" and target.kind != "d":
                raise Refused(errno.ENOTDIR)
            if target.kind == "d" and (source.kind != "d" or self.below(new)):
                raise Refused(errno.ENOTEMPTY)
        moved = {new + path[len(old):]: self.nodes.pop(path) for path in [old, *self.below(old)]}
        if flags & 2:
            moved |= {old + path[len(new):]: self.nodes.pop(path) for path in [new, *self.below(new)]}
        self.nodes |= moved

    def link(self, old, new):
        node = self.get(old)
        if node is None:
            raise Refused(errno.ENOENT)
        if node.kind == "d":
            raise Refused(errno.EPERM)
        self.absent(new)
        self.nodes[new] = node

    def symlink(self, text, path):
        self.absent(path)
        self.nodes[path] = Node("l", 0o777, text.encode())

    def unlink(self, path):
        node = self.get(path)
        if node is None or node.kind == "d":
            raise Refused(errno.ENOENT if node is None else errno.EISDIR)
        del self.nodes[path]

    def mkdir(self, path, mode):
        self.absent(path)
        self.nodes[path] = Node("d", mode)

    def rmdir(self, path):
        node = self.get(path)
        if node is None or node.kind != "d" or self.below(path):
            raise Refused(errno.ENOENT if node is None else errno.ENOTEMPTY)
        del self.nodes[path]

    def chmod(self, path, mode):
        node = self.get(path)
        if node is None:
            raise Refused(errno.ENOENT)
        if node.kind == "l":
            raise Refused(errno.ELOOP)
        node.mode = mode
