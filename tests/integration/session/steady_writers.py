"""Programs that change files for ever, each in its own way, and say on standard output what is done: run in a box
(python3 -c), imported outside by who judges what they left. Each content follows from a file's name and a number."""
import hashlib
import mmap
import os
import sys

LINE = 100
VALUE_AT = 40  # in each line
BLOCKS, BLOCK = 12, 5000
PAGES, PAGE = 8, 4096
RECORD = 3000
SPLIT = 10 * LINE + VALUE_AT + 7  # in the middle of a value
CUT, CUT_LEAST = 60 * LINE, 10 * LINE
SIZES = {"replaced": 20_000, "emptied": 21_000, "appended": RECORD, "placed": BLOCK, "mapped": PAGE, "cut": CUT}


def choice(name, number, among):
    return hashlib.sha256(f"{name} {number}".encode()).digest()[0] % among


def text(name, number, value):
    """What operation `number` on that file writes, with the value that the box was given in each line."""
    size = SIZES[name]
    lines = b"".join(f"{name:8} {number:08d} line {line:04d} ".encode().ljust(VALUE_AT, b".") + value.ljust(LINE - 1 - VALUE_AT)
                     .encode() + b"\n" for line in range(size // LINE))
    return lines + b"." * (size - len(lines))


def first(name, value):
    """What is in the file before."""
    if name == "placed":
        return text(name, 0, value) * BLOCKS
    if name == "mapped":
        return text(name, 0, value) * PAGES
    return b"" if name == "appended" else text(name, 0, value)


class Writer:
    def __init__(self, name, value, always_sync):
        self.name, self.value, self.always_sync = name, value, always_sync
        self.number = 0

    def run(self):
        self.fd = os.open(self.name, os.O_RDWR | (os.O_APPEND if self.name == "appended" else 0))
        if self.name == "mapped":
            self.pages = mmap.mmap(self.fd, 0)
        self.directory = os.open(".", os.O_RDONLY)
        while True:
            self.number += 1
            getattr(self, self.name)(text(self.name, self.number, self.value))
            os.write(1, f"{self.name} {self.number}\n".encode())

    def sync(self, fd):
        if self.always_sync or self.number % 5 == 0:
            os.fsync(fd)

    def rewrite(self, path, flags, data):
        fd = os.open(path, os.O_WRONLY | flags, 0o644)
        for start in range(0, len(data), 70 * LINE):
            os.write(fd, data[start:start + 70 * LINE])
        self.sync(fd)
        os.close(fd)

    def replaced(self, data):
        self.rewrite("replaced.new", os.O_CREAT | os.O_TRUNC, data)
        os.rename("replaced.new", "replaced")
        self.sync(self.directory)

    def emptied(self, data):
        self.rewrite("emptied", os.O_TRUNC, data)

    def appended(self, data):
        os.write(self.fd, data[:SPLIT])
        os.write(self.fd, data[SPLIT:])
        self.sync(self.fd)

    def placed(self, data):
        os.pwrite(self.fd, data, choice("placed", self.number, BLOCKS) * BLOCK)
        self.sync(self.fd)

    def mapped(self, data):
        start = choice("mapped", self.number, PAGES) * PAGE
        self.pages[start:start + PAGE] = data
        self.pages.flush()

    def cut(self, _):
        data = text("cut", 0, self.value)
        keep = CUT_LEAST + choice("cut", self.number, 40) * LINE
        os.ftruncate(self.fd, keep)
        os.ftruncate(self.fd, CUT)
        os.pwrite(self.fd, data[keep:], keep)
        self.sync(self.fd)


def main():
    value = os.environ.get("DB_PASSWORD", "")
    for name in SIZES:
        if os.fork() == 0:
            Writer(name, value, "sync" in sys.argv).run()
    for _ in SIZES:
        os.wait()


if __name__ == "__main__":
    main()
