// What an attacker in a box tries. probe SUBCOMMAND [ARGUMENT…] prints a line NAME=RESULT for each
// attempt, RESULT being an errno name or a value, and ends with status 0 whatever came of it.
//
// Calls are made with harmless bad arguments: EFAULT, EBADF or EINVAL mean that the kernel itself
// answered. Only `hold` and `stand` do anything that lasts.
#include "tests/escape/probe.h"

#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

namespace agentbox::escape {

void report(const std::string& name, long result) {
  const char* text = result >= 0 ? "ok" : ::strerrorname_np(errno);
  std::printf("%s=%s\n", name.c_str(), text != nullptr ? text : "?");
  std::fflush(stdout);
}

void value(const std::string& name, const std::string& text) {
  std::printf("%s=%s\n", name.c_str(), text.c_str());
  std::fflush(stdout);
}

namespace {

std::string first_bytes(int fd) {
  char buffer[256];
  const ssize_t size = ::read(fd, buffer, sizeof buffer);
  return size > 0 ? std::string(buffer, static_cast<std::size_t>(size)) : "";
}

// --- files -----------------------------------------------------------------------------------

// NAME=empty, NAME=data or an errno for each path.
void read_paths(const Arguments& paths) {
  for (const std::string& path : paths) {
    const int fd = ::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0) {
      report(path, -1);
      continue;
    }
    struct stat status = {};
    ::fstat(fd, &status);
    if (S_ISDIR(status.st_mode)) {
      DIR* directory = ::fdopendir(fd);
      int count = -2;  // "." and ".."
      while (::readdir(directory) != nullptr) {
        ++count;
      }
      ::closedir(directory);
      value(path, count > 0 ? "entries" : "empty");
      continue;
    }
    char byte = 0;
    const ssize_t size = ::read(fd, &byte, 1);
    if (size < 0) {
      report(path, -1);
    } else {
      value(path, size > 0 ? "data" : "empty");
    }
    ::close(fd);
  }
}

void show(const Arguments& paths) {
  for (const std::string& path : paths) {
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
      report(path, -1);
    } else {
      value(path, first_bytes(fd));
    }
  }
}

void open_for_writing(const Arguments& paths) {
  for (const std::string& path : paths) {
    report(path, ::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  }
}

void create(const Arguments& paths) {
  for (const std::string& path : paths) {
    report(path, ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  }
}

void change_mode(const Arguments& paths) {
  for (const std::string& path : paths) {
    struct stat status = {};
    report(path,
           ::stat(path.c_str(), &status) < 0 ? -1 : ::chmod(path.c_str(), status.st_mode & 07777));
  }
}

void list(const Arguments& paths) {
  for (const std::string& path : paths) {
    DIR* directory = ::opendir(path.c_str());
    if (directory == nullptr) {
      report(path, -1);
      continue;
    }
    while (const dirent* entry = ::readdir(directory)) {
      if (std::strcmp(entry->d_name, ".") != 0 && std::strcmp(entry->d_name, "..") != 0) {
        value("entry", entry->d_name);
      }
    }
    ::closedir(directory);
  }
}

void descriptors(const Arguments&) {
  DIR* directory = ::opendir("/proc/self/fd");
  while (const dirent* entry = directory != nullptr ? ::readdir(directory) : nullptr) {
    if (entry->d_name[0] != '.' && std::atoi(entry->d_name) != ::dirfd(directory)) {
      char target[PATH_MAX] = {};
      const std::string path = std::string("/proc/self/fd/") + entry->d_name;
      if (::readlink(path.c_str(), target, sizeof target - 1) > 0) {
        value(std::string("fd") + entry->d_name, target);
      }
    }
  }
  ::closedir(directory);
}

// Climbs out by "..", chroot(2) and the working directory.
void climb(const Arguments&) {
  struct stat root = {}, top = {};
  ::stat("/", &root);
  for (int i = 0; i < 64; ++i) {
    (void)!::chdir("..");
  }
  ::stat(".", &top);
  value("parents", root.st_dev == top.st_dev && root.st_ino == top.st_ino ? "inside" : "outside");
  report("chroot", ::chroot("/tmp"));
  for (const char* name : {"/oldroot", "/newroot", "/.oldroot", "/put_old"}) {
    report(name, ::access(name, F_OK));
  }
}

// Directories whose mount keeps setuid bits or device nodes working.
void mount_flags(const Arguments& paths) {
  for (const std::string& path : paths) {
    struct statvfs status = {};
    if (::statvfs(path.c_str(), &status) < 0) {
      report(path, -1);
      continue;
    }
    std::string flags = (status.f_flag & ST_RDONLY) != 0 ? "ro" : "rw";
    flags += (status.f_flag & ST_NOSUID) != 0 ? ",nosuid" : "";
    flags += (status.f_flag & ST_NODEV) != 0 ? ",nodev" : "";
    value(path, flags);
  }
}

void handles(const Arguments&) {
  struct {
    file_handle head;
    unsigned char bytes[128];
  } handle = {};
  handle.head.handle_bytes = sizeof handle.bytes;
  int mount = 0;
  report("name_to_handle_at", ::name_to_handle_at(AT_FDCWD, "/tmp", &handle.head, &mount, 0));
  const int here = ::open("/tmp", O_RDONLY | O_DIRECTORY);
  int opened = 0;
  handle.head.handle_type = 1;  // FILEID_INO32_GEN
  handle.head.handle_bytes = 8;
  for (std::uint32_t inode = 2; inode < 2000; ++inode) {
    std::memcpy(handle.bytes, &inode, sizeof inode);
    opened += ::open_by_handle_at(here, &handle.head, O_RDONLY) >= 0 ? 1 : 0;
  }
  report("open_by_handle_at", -1);
  value("opened", std::to_string(opened));
}

void devices(const Arguments&) {
  report("mknod", ::mknod("/tmp/probe-disk", S_IFBLK | 0600, 8 << 8));
  for (const char* path : {"/dev/fuse", "/dev/kvm", "/dev/uinput", "/dev/loop-control", "/dev/sda",
                           "/dev/vda", "/dev/dm-0", "/dev/mem", "/dev/kmsg", "/dev/tty0"}) {
    report(path, ::open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC));
  }
}

// --- other processes ---------------------------------------------------------------------------

void processes(const Arguments&) {
  DIR* directory = ::opendir("/proc");
  int count = 0;
  while (const dirent* entry = ::readdir(directory)) {
    count += std::atoi(entry->d_name) > 0 ? 1 : 0;
  }
  ::closedir(directory);
  value("count", std::to_string(count));
  value("self", std::to_string(::getpid()));
}

void send_signal(const Arguments& numbers) {
  for (const std::string& number : numbers) {
    report("kill " + number, ::kill(std::atoi(number.c_str()), 0));
  }
}

// Everything that would reach the memory or descriptors of another process.
void attack_process(const Arguments& arguments) {
  const pid_t process = std::atoi(arguments.at(0).c_str());
  const std::string base = "/proc/" + arguments[0];
  for (const char* name : {"environ", "mem", "maps", "auxv", "stack", "syscall"}) {
    const int fd = ::open((base + "/" + name).c_str(), O_RDONLY | O_CLOEXEC);
    char byte = 0;
    const ssize_t size =
        fd < 0 ? -1 : ::pread(fd, &byte, 1, std::strcmp(name, "mem") == 0 ? 4096 : 0);
    report(name, size);
  }
  char text[PATH_MAX];
  for (const char* name : {"exe", "root", "cwd", "ns/mnt", "ns/user", "ns/net", "fd/3"}) {
    report(name, ::readlink((base + "/" + name).c_str(), text, sizeof text));
  }
  report("fd", ::open((base + "/fd").c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  report("map_files", ::open((base + "/map_files").c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  const int ns = ::open((base + "/ns/mnt").c_str(), O_RDONLY | O_CLOEXEC);
  report("open ns", ns);
  report("ptrace", ::ptrace(PTRACE_SEIZE, process, nullptr, nullptr));
  const long pidfd = ::syscall(SYS_pidfd_open, process, 0);
  report("pidfd_getfd", ::syscall(SYS_pidfd_getfd, pidfd, 3, 0));
  char byte = 0;
  iovec local = {&byte, 1}, remote = {&byte, 1};
  report("process_vm_readv", ::syscall(SYS_process_vm_readv, process, &local, 1, &remote, 1, 0));
  report("process_vm_writev", ::syscall(SYS_process_vm_writev, process, &local, 1, &remote, 1, 0));
}

// --- mounts ------------------------------------------------------------------------------------

// In a namespace of its own, if `nested`: what may root there undo?
void undo_mounts(const Arguments& paths) {
  report("unshare", ::unshare(CLONE_NEWUSER | CLONE_NEWNS));
  for (const std::string& path : paths) {
    report("umount " + path, ::umount2(path.c_str(), 0));
    report("umount -l " + path, ::umount2(path.c_str(), MNT_DETACH));
    report("remount " + path,
           ::mount(nullptr, path.c_str(), nullptr, MS_REMOUNT | MS_BIND, nullptr));
    report("move " + path, ::mount(path.c_str(), "/tmp", nullptr, MS_MOVE, nullptr));
  }
  report("bind /", ::mount("/", "/tmp", nullptr, MS_BIND, nullptr));
  report("bind /proc", ::mount("/proc", "/tmp", nullptr, MS_BIND, nullptr));
  report("rbind /", ::mount("/", "/tmp", nullptr, MS_BIND | MS_REC, nullptr));
}

void mount_proc(const Arguments&) {
  report("unshare", ::unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID));
  const pid_t child = ::fork();
  if (child == 0) {
    report("mount proc", ::mount("proc", "/tmp", "proc", 0, nullptr));
    ::_exit(0);
  }
  ::waitpid(child, nullptr, 0);
}

// --- sockets -----------------------------------------------------------------------------------

// Connects to each path; one that begins with '@' is an abstract name.
void connect_to(const Arguments& paths) {
  for (const std::string& path : paths) {
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path.data(), std::min(path.size(), sizeof address.sun_path - 1));
    socklen_t size = sizeof address;
    if (path[0] == '@') {
      address.sun_path[0] = 0;
      size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size());
    }
    const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    report(path, ::connect(fd, reinterpret_cast<sockaddr*>(&address), size));
    ::close(fd);
  }
}

void environment(const Arguments&) {
  for (char** variable = environ; *variable != nullptr; ++variable) {
    std::printf("%s\n", *variable);
  }
}

// --- things that last ----------------------------------------------------------------------------

// A process that detaches itself and lives on: prints its word when it stands.
void stand(const Arguments&) {
  if (::fork() == 0) {
    ::setsid();
    ::signal(SIGHUP, SIG_IGN);
    ::signal(SIGTERM, SIG_IGN);
    if (::fork() == 0) {
      value("standing", "yes");
      for (;;) {
        ::pause();
      }
    }
    ::_exit(0);
  }
  ::wait(nullptr);
}

// Stays until it is killed.
void hold(const Arguments&) {
  value("holding", "yes");
  for (;;) {
    ::pause();
  }
}

const struct {
  const char* name;
  void (*run)(const Arguments&);
} kCommands[] = {{"read", read_paths},
                 {"show", show},
                 {"write", open_for_writing},
                 {"create", create},
                 {"chmod", change_mode},
                 {"list", list},
                 {"descriptors", descriptors},
                 {"climb", climb},
                 {"mount-flags", mount_flags},
                 {"handles", handles},
                 {"devices", devices},
                 {"processes", processes},
                 {"signal", send_signal},
                 {"attack-process", attack_process},
                 {"system-calls", system_calls},
                 {"unknown-calls", unknown_calls},
                 {"other-abis", other_abis},
                 {"namespaces", namespaces},
                 {"families", families},
                 {"terminal-controls", terminal_controls},
                 {"personalities", personalities},
                 {"capabilities", capabilities},
                 {"limits", limits},
                 {"fork-bomb", fork_bomb},
                 {"landlock-layers", landlock_layers},
                 {"undo-mounts", undo_mounts},
                 {"mount-proc", mount_proc},
                 {"connect", connect_to},
                 {"environment", environment},
                 {"stand", stand},
                 {"hold", hold}};

// Runs the subcommand; false if there is none of the name.
bool run(const std::string& name, const Arguments& arguments) {
  for (const auto& command : kCommands) {
    if (name == command.name) {
      command.run(arguments);
      return true;
    }
  }
  return false;
}

}  // namespace

}  // namespace agentbox::escape

int main(int argc, char** argv) {
  if (argc > 1 && agentbox::escape::run(argv[1], {argv + 2, argv + argc})) {
    return 0;
  }
  std::fprintf(stderr, "probe: unknown subcommand\n");
  return 2;
}
