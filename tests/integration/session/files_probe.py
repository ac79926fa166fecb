"""What a program can try on a file of which it knows the name: a line `FORM=RESULT` for each.

    files_probe.py read PATH…      every way to its bytes, its attributes or another name for it
    files_probe.py change PREFIX   one way to change it for each of PREFIX0, PREFIX1, …
"""
import ctypes
import errno
import fcntl
import mmap
import os
import struct
import subprocess
import sys

libc = ctypes.CDLL(None, use_errno=True)
AT_FDCWD, AT_SYMLINK_FOLLOW, AT_EMPTY_PATH, O_PATH = -100, 0x400, 0x1000, 0o10000000
FICLONE, FIDEDUPERANGE = 0x40049409, 0xC0189436


def call(function, *arguments):
    result = function(*arguments)
    if result < 0:
        raise OSError(ctypes.get_errno(), "failed")
    return result


def attempt(form, action):
    try:
        print(f"{form}={action()!r}")
    except OSError as error:
        print(f"{form}={errno.errorcode.get(error.errno, error.errno)}")
    except ValueError:  # an empty file cannot be mapped
        print(f"{form}=empty")


def opened(path, action, flags=os.O_RDONLY):
    descriptor = os.open(path, flags)
    try:
        return action(descriptor)
    finally:
        os.close(descriptor)


def content(descriptor):
    return os.read(descriptor, 4096)


def openat2(path):
    how = struct.pack("QQQ", os.O_RDONLY, 0, 0)
    descriptor = call(libc.syscall, 437, AT_FDCWD, path.encode(), how, len(how))
    return content(descriptor)


def below(path):
    return opened(os.path.dirname(path) or ".", lambda d: content(
        os.open(os.path.basename(path), os.O_RDONLY, dir_fd=d)), os.O_DIRECTORY)


def into_scratch(transfer):
    """What `transfer(from)` leaves in a new file of the directory."""
    def action(descriptor):
        with open("probe-scratch", "w+b") as scratch:
            try:
                transfer(descriptor, scratch.fileno())
                return os.pread(scratch.fileno(), 4096, 0)
            finally:
                os.unlink("probe-scratch")
    return action


def dedupe(descriptor, other):
    """Equal bytes are shared, so that a guess can be tested."""
    os.write(other, b"guess")
    fcntl.ioctl(descriptor, FIDEDUPERANGE, bytearray(struct.pack("QQHHIqQQiI", 0, 5, 1, 0, 0, other, 0, 0, 0, 0)))


def link(make):
    def action(path):
        make(path, "probe-link")
        try:
            return opened("probe-link", content)
        finally:
            os.unlink("probe-link")
    return action


def link_of_descriptor(path, new):
    opened(path, lambda d: call(libc.linkat, d, b"", AT_FDCWD, new.encode(), AT_EMPTY_PATH), O_PATH)


def link_of_proc(path, new):
    opened(path, lambda d: call(libc.linkat, AT_FDCWD, b"/proc/self/fd/%d" % d, AT_FDCWD, new.encode(),
                                AT_SYMLINK_FOLLOW), O_PATH)


def symlinks(path):
    """A chain as long as the kernel follows."""
    names = [f"probe-chain{number}" for number in range(39)]
    try:
        for number, name in enumerate(names):
            os.symlink(os.path.abspath(path) if number == 0 else names[number - 1], name)
        return opened(names[-1], content)
    finally:
        for name in names:
            os.unlink(name)


def handle(path):
    buffer = bytearray(struct.pack("Ii", 128, 0) + bytes(128))
    array = (ctypes.c_char * len(buffer)).from_buffer(buffer)
    number = ctypes.c_int()
    call(libc.name_to_handle_at, AT_FDCWD, path.encode(), array, ctypes.byref(number), 0)
    return "handle"


READ = {
    "open": lambda p: opened(p, content),
    "openat": below,
    "openat2": openat2,
    "O_PATH": lambda p: opened(p, lambda d: opened(f"/proc/self/fd/{d}", content), O_PATH),
    "O_RDWR": lambda p: opened(p, content, os.O_RDWR),
    "mmap": lambda p: opened(p, lambda d: mmap.mmap(d, 0, prot=mmap.PROT_READ)[:]),
    "sendfile": lambda p: opened(p, into_scratch(lambda d, s: os.sendfile(s, d, 0, 4096))),
    "copy_file_range": lambda p: opened(p, into_scratch(lambda d, s: os.copy_file_range(d, s, 4096))),
    "FICLONE": lambda p: opened(p, into_scratch(lambda d, s: fcntl.ioctl(s, FICLONE, d))),
    "FIDEDUPERANGE": lambda p: opened(p, into_scratch(dedupe)),
    "link": link(os.link),
    "linkat(AT_EMPTY_PATH)": link(link_of_descriptor),
    "linkat(/proc/self/fd)": link(link_of_proc),
    "symlink": link(lambda p, n: os.symlink(p, n)),
    "symlinks": symlinks,
    "sh": lambda p: subprocess.run(["sh", p], capture_output=True, check=False).stderr,
    "stat": lambda p: os.stat(p).st_size,
    "lstat": lambda p: os.lstat(p).st_size,
    "statvfs": lambda p: os.statvfs(p).f_namemax,
    "access": lambda p: os.access(p, os.F_OK),
    "readlink": os.readlink,
    "getxattr": lambda p: os.getxattr(p, "user.note"),
    "name_to_handle_at": handle,
}

CHANGE = {
    "truncate": lambda p: os.truncate(p, 0),
    "append": lambda p: opened(p, lambda d: os.write(d, b"evil"), os.O_WRONLY | os.O_APPEND),
    "O_TRUNC": lambda p: opened(p, lambda d: 0, os.O_WRONLY | os.O_TRUNC),
    "rename": lambda p: os.rename(p, "probe-moved"),
    "exchange": lambda p: call(libc.renameat2, AT_FDCWD, p.encode(), AT_FDCWD, b"probe-own", 2),
    "rename over": lambda p: os.rename("probe-own", p),
    "unlink": os.unlink,
    "chmod": lambda p: os.chmod(p, 0o666),
    "utime": lambda p: os.utime(p, (1, 1)),
    "setxattr": lambda p: os.setxattr(p, "user.note", b"evil"),
}


def main():
    if sys.argv[1] == "read":
        for path in sys.argv[2:]:
            for form, action in READ.items():
                attempt(f"{form} {path}", lambda: action(path))
        return
    for number, (form, action) in enumerate(CHANGE.items()):
        with open("probe-own", "wb") as file:
            file.write(b"evil")
        attempt(form, lambda: action(f"{sys.argv[2]}{number}"))
        for name in ("probe-own", "probe-moved"):
            if os.path.exists(name):
                print(f"{form} {name}={opened(name, content)!r}")
                os.unlink(name)


main()
