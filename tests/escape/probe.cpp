// What an attacker in a box tries. probe SUBCOMMAND [ARGUMENT…] prints a line NAME=RESULT for each
// attempt, RESULT being an errno name or a value, and ends with status 0 whatever came of it.
//
// Calls are made with harmless bad arguments: EFAULT, EBADF or EINVAL mean that the kernel itself
// answered. Only `hold` and `stand` do anything that lasts.
#include <dirent.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/netlink.h>
#include <linux/securebits.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
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

namespace {

using Arguments = std::vector<std::string>;

// NAME=ok or NAME=errno.
void report(const std::string& name, long result) {
  const char* text = result >= 0 ? "ok" : ::strerrorname_np(errno);
  std::printf("%s=%s\n", name.c_str(), text != nullptr ? text : "?");
  std::fflush(stdout);
}

void value(const std::string& name, const std::string& text) {
  std::printf("%s=%s\n", name.c_str(), text.c_str());
  std::fflush(stdout);
}

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

// --- system calls ------------------------------------------------------------------------------

void system_calls(const Arguments&) {
  const struct {
    const char* name;
    long number;
  } calls[] = {{"mount", SYS_mount},
               {"umount2", SYS_umount2},
               {"pivot_root", SYS_pivot_root},
               {"chroot", SYS_chroot},
               {"open_tree", SYS_open_tree},
               {"move_mount", SYS_move_mount},
               {"fsopen", SYS_fsopen},
               {"fsconfig", SYS_fsconfig},
               {"fsmount", SYS_fsmount},
               {"fspick", SYS_fspick},
               {"mount_setattr", SYS_mount_setattr},
               {"setns", SYS_setns},
               {"ptrace", SYS_ptrace},
               {"process_vm_readv", SYS_process_vm_readv},
               {"process_vm_writev", SYS_process_vm_writev},
               {"process_madvise", SYS_process_madvise},
               {"kcmp", SYS_kcmp},
               {"pidfd_getfd", SYS_pidfd_getfd},
               {"add_key", SYS_add_key},
               {"request_key", SYS_request_key},
               {"keyctl", SYS_keyctl},
               {"bpf", SYS_bpf},
               {"perf_event_open", SYS_perf_event_open},
               {"userfaultfd", SYS_userfaultfd},
               {"io_uring_setup", SYS_io_uring_setup},
               {"io_uring_enter", SYS_io_uring_enter},
               {"io_uring_register", SYS_io_uring_register},
               {"fanotify_init", SYS_fanotify_init},
               {"name_to_handle_at", SYS_name_to_handle_at},
               {"open_by_handle_at", SYS_open_by_handle_at},
               {"init_module", SYS_init_module},
               {"finit_module", SYS_finit_module},
               {"delete_module", SYS_delete_module},
               {"kexec_load", SYS_kexec_load},
               {"swapon", SYS_swapon},
               {"swapoff", SYS_swapoff},
               {"acct", SYS_acct},
               {"quotactl", SYS_quotactl},
               {"settimeofday", SYS_settimeofday},
               {"clock_settime", SYS_clock_settime},
               {"sethostname", SYS_sethostname},
               {"syslog", SYS_syslog},
#ifdef SYS_iopl
               {"iopl", SYS_iopl},
               {"ioperm", SYS_ioperm},
               {"modify_ldt", SYS_modify_ldt},
#endif
               {"reboot", SYS_reboot}};
  for (const auto& call : calls) {
    // -1 is a bad pointer, a bad descriptor and an unknown command alike.
    report(call.name, ::syscall(call.number, -1L, -1L, -1L, -1L, -1L, -1L));
  }
}

// Numbers that no kernel or no filter knows.
void unknown_calls(const Arguments&) {
  std::vector<long> numbers = {-1, INT_MAX, 0x3fffffff, 1000};
  for (long number = 470; number < 600; ++number) {
    numbers.push_back(number);
  }
  for (long number : numbers) {
    report(std::to_string(number), ::syscall(number, -1L, -1L, -1L, -1L, -1L, -1L));
  }
}

// getpid by the other doors of an x86-64 kernel: a filter that forgets them allows everything.
void other_abis(const Arguments&) {
#ifdef __x86_64__
  long result = 20;  // getpid of i386
  asm volatile("int $0x80" : "+a"(result) : : "memory", "r8", "r9", "r10", "r11");
  if (result < 0) {
    errno = static_cast<int>(-result);
    result = -1;
  }
  report("i386 getpid", result);
  report("x32 getpid", ::syscall(0x40000000L + SYS_getpid));
  report("x32 ptrace", ::syscall(0x40000000L + 521, -1L, -1L, -1L, -1L));
#endif
}

long clone_with(unsigned long flags) {
  const long child = ::syscall(SYS_clone, flags | SIGCHLD, 0, 0, 0, 0);
  if (child == 0) {
    ::_exit(0);
  }
  if (child > 0) {
    ::waitpid(static_cast<pid_t>(child), nullptr, 0);
  }
  return child;
}

void namespaces(const Arguments&) {
  const struct {
    const char* name;
    int flag;
  } kinds[] = {{"user", CLONE_NEWUSER}, {"mount", CLONE_NEWNS},     {"pid", CLONE_NEWPID},
               {"net", CLONE_NEWNET},   {"ipc", CLONE_NEWIPC},      {"uts", CLONE_NEWUTS},
               {"time", 0x80},          {"cgroup", CLONE_NEWCGROUP}};
  report("unshare nothing", ::unshare(0));
  for (const auto& kind : kinds) {
    // In a child, so that one success does not pave the way of the next.
    const pid_t child = ::fork();
    if (child == 0) {
      report(std::string("unshare ") + kind.name, ::unshare(kind.flag | CLONE_NEWUSER));
      ::_exit(0);
    }
    ::waitpid(child, nullptr, 0);
    if (kind.flag != 0x80) {
      report(std::string("clone ") + kind.name,
             clone_with(static_cast<unsigned long>(kind.flag | CLONE_NEWUSER)));
    }
  }
  report("clone plain", clone_with(0));
  struct {
    std::uint64_t words[11];
  } request = {};
  request.words[0] = CLONE_NEWUSER;
  request.words[4] = SIGCHLD;
  const long child = ::syscall(SYS_clone3, &request, sizeof request);
  if (child == 0) {
    ::_exit(0);
  }
  report("clone3", child);
}

void families(const Arguments&) {
  for (int family = 0; family < 46; ++family) {
    const int fd = ::socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    report("family " + std::to_string(family), fd);
    ::close(fd);
  }
  report("unix high bits", ::syscall(SYS_socket, (1L << 32) | AF_PACKET, SOCK_RAW, 0));
  for (int protocol : {NETLINK_ROUTE, NETLINK_AUDIT, NETLINK_XFRM, NETLINK_NETFILTER,
                       NETLINK_KOBJECT_UEVENT, NETLINK_GENERIC, NETLINK_SOCK_DIAG}) {
    const int fd = ::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);
    report("netlink " + std::to_string(protocol), fd);
    ::close(fd);
  }
}

void terminal_controls(const Arguments&) {
  const char letter = 'x';
  const char paste[] = {3, 0};
  const int discipline = 0;
  report("TIOCSTI", ::syscall(SYS_ioctl, 0, TIOCSTI, &letter));
  report("TIOCSTI high bits", ::syscall(SYS_ioctl, 0, (0x123L << 32) | TIOCSTI, &letter));
  report("TIOCLINUX", ::syscall(SYS_ioctl, 0, TIOCLINUX, paste));
  report("TIOCLINUX high bits", ::syscall(SYS_ioctl, 0, (1L << 63) | TIOCLINUX, paste));
  report("TIOCSETD", ::syscall(SYS_ioctl, 0, TIOCSETD, &discipline));
  int bytes = 0;
  report("FIONREAD", ::ioctl(0, FIONREAD, &bytes));
}

void personalities(const Arguments&) {
  report("query", ::personality(0xffffffff));
  report("linux", ::personality(PER_LINUX));
  report("read-implies-exec", ::personality(READ_IMPLIES_EXEC));
  report("no-randomize", ::personality(ADDR_NO_RANDOMIZE));
  report("linux32", ::personality(PER_LINUX32));
}

void capabilities(const Arguments&) {
  FILE* file = std::fopen("/proc/self/status", "re");
  char line[256];
  while (std::fgets(line, sizeof line, file) != nullptr) {
    for (const char* name : {"CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs"}) {
      if (std::strncmp(line, name, std::strlen(name)) == 0) {
        char* text = std::strchr(line, '\t') + 1;
        text[std::strcspn(text, "\n")] = 0;
        value(name, text);
      }
    }
  }
  std::fclose(file);
  value("securebits", std::to_string(::prctl(PR_GET_SECUREBITS)));
  report("raise ambient", ::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_NET_RAW, 0, 0));
  report("sethostname", ::syscall(SYS_sethostname, "x", 1));
  report("setuid 0", ::setuid(0));
  value("euid", std::to_string(::geteuid()));
}

void limits(const Arguments&) {
  rlimit limit = {};
  ::getrlimit(RLIMIT_CORE, &limit);
  value("core", std::to_string(limit.rlim_max));
  const rlimit more = {1024, 1024};
  report("raise core", ::setrlimit(RLIMIT_CORE, &more));
  ::getrlimit(RLIMIT_NOFILE, &limit);
  value("files", std::to_string(limit.rlim_max));
}

// Forks until it fails, or `arguments[0]` times.
void fork_bomb(const Arguments& arguments) {
  const int most = std::atoi(arguments.at(0).c_str());
  int made = 0;
  for (; made < most; ++made) {
    const pid_t child = ::fork();
    if (child < 0) {
      break;
    }
    if (child == 0) {
      ::pause();
    }
  }
  value("forked", std::to_string(made));
  ::signal(SIGTERM, SIG_IGN);
  ::kill(0, SIGTERM);
}

// The kernel stacks 16 Landlock domains: how many more fit tells how many there are.
void landlock_layers(const Arguments&) {
  ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  const std::uint64_t handled = 1;  // LANDLOCK_ACCESS_FS_EXECUTE
  int layers = 0;
  for (; layers < 20; ++layers) {
    const long ruleset = ::syscall(SYS_landlock_create_ruleset, &handled, sizeof handled, 0);
    const long result = ::syscall(SYS_landlock_restrict_self, ruleset, 0);
    ::close(static_cast<int>(ruleset));
    if (result < 0) {
      report("end", result);
      break;
    }
  }
  value("layers", std::to_string(layers));
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

}  // namespace

int main(int argc, char** argv) {
  for (const auto& command : kCommands) {
    if (argc > 1 && std::strcmp(argv[1], command.name) == 0) {
      command.run(Arguments(argv + 2, argv + argc));
      return 0;
    }
  }
  std::fprintf(stderr, "probe: unknown subcommand\n");
  return 2;
}
