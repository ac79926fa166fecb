// The probe's attempts through the system call surface.
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/netlink.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "tests/escape/probe.h"

namespace agentbox::escape {

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

static long clone_with(unsigned long flags) {
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

}  // namespace agentbox::escape
