// The compiled filters, evaluated here as the kernel would: a truth table.
#include "launcher/box/filter.h"

#include <gtest/gtest.h>
#include <linux/btrfs.h>
#include <linux/audit.h>
#include <linux/netlink.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/personality.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <stdexcept>
#include <string>

namespace agentbox::box {
namespace {

#ifdef __x86_64__
constexpr std::uint32_t kNative = AUDIT_ARCH_X86_64;
#else
constexpr std::uint32_t kNative = AUDIT_ARCH_AARCH64;
#endif

// Classic BPF as far as seccomp(2) allows it (net/core/filter.c, seccomp_check_filter).
std::uint32_t evaluate(const FilterProgram& program, const seccomp_data& data) {
  std::uint32_t accumulator = 0, index = 0, memory[BPF_MEMWORDS] = {};
  for (std::size_t at = 0; at < program.length;) {
    const sock_filter& op = program.instructions[at++];
    const auto jump = [&](bool condition) { at += condition ? op.jt : op.jf; };
    switch (op.code) {
      case BPF_LD | BPF_W | BPF_ABS:
        if (op.k + 4 > sizeof data) {
          throw std::runtime_error("load out of range");
        }
        std::memcpy(&accumulator, reinterpret_cast<const char*>(&data) + op.k, 4);
        break;
      case BPF_LD | BPF_MEM:
        accumulator = memory[op.k];
        break;
      case BPF_LD | BPF_IMM:
        accumulator = op.k;
        break;
      case BPF_ST:
        memory[op.k] = accumulator;
        break;
      case BPF_MISC | BPF_TAX:
        index = accumulator;
        break;
      case BPF_ALU | BPF_AND | BPF_K:
        accumulator &= op.k;
        break;
      case BPF_JMP | BPF_JA:
        at += op.k;
        break;
      case BPF_JMP | BPF_JEQ | BPF_K:
        jump(accumulator == op.k);
        break;
      case BPF_JMP | BPF_JGT | BPF_K:
        jump(accumulator > op.k);
        break;
      case BPF_JMP | BPF_JGE | BPF_K:
        jump(accumulator >= op.k);
        break;
      case BPF_JMP | BPF_JSET | BPF_K:
        jump((accumulator & op.k) != 0);
        break;
      case BPF_RET | BPF_K:
        return op.k;
      default:
        throw std::runtime_error("unknown instruction " + std::to_string(op.code) +
                                 std::to_string(index));
    }
  }
  throw std::runtime_error("fell off the end");
}

// The errno of a call under both filters, 0 if it is allowed. As in the kernel, an errno wins over
// an allowance, and of two the filter installed last (the list of calls).
int verdict(long number, std::initializer_list<std::uint64_t> arguments = {}, bool nested = false,
            std::uint32_t architecture = kNative) {
  seccomp_data data = {};
  data.nr = static_cast<int>(number);
  data.arch = architecture;
  std::size_t i = 0;
  for (std::uint64_t argument : arguments) {
    data.args[i++] = argument;
  }
  for (const FilterProgram& program : {syscall_filter(nested), argument_filter(nested)}) {
    const std::uint32_t result = evaluate(program, data);
    if ((result & SECCOMP_RET_ACTION_FULL) == SECCOMP_RET_ERRNO) {
      return static_cast<int>(result & SECCOMP_RET_DATA);
    }
    if (result != SECCOMP_RET_ALLOW) {
      throw std::runtime_error("neither an errno nor an allowance");
    }
  }
  return 0;
}

TEST(Filter, EverydayCallsPass) {
  for (long number : {SYS_read, SYS_openat, SYS_mmap, SYS_execve, SYS_futex, SYS_wait4, SYS_kill,
                      SYS_connect, SYS_epoll_pwait, SYS_getrandom, SYS_statx, SYS_renameat2,
                      SYS_close_range, SYS_rseq, SYS_memfd_create, SYS_inotify_init1}) {
    EXPECT_EQ(verdict(number), 0) << number;
    EXPECT_EQ(verdict(number, {}, true), 0) << number;
  }
}

TEST(Filter, KnownWaysOutAreRefused) {
  for (long number : {SYS_mount,
                      SYS_umount2,
                      SYS_pivot_root,
                      SYS_chroot,
                      SYS_setns,
                      SYS_ptrace,
                      SYS_process_vm_readv,
                      SYS_process_vm_writev,
                      SYS_kcmp,
                      SYS_pidfd_getfd,
                      SYS_keyctl,
                      SYS_add_key,
                      SYS_request_key,
                      SYS_bpf,
                      SYS_userfaultfd,
                      SYS_perf_event_open,
                      SYS_io_uring_setup,
                      SYS_io_uring_enter,
                      SYS_io_uring_register,
                      SYS_open_tree,
                      SYS_move_mount,
                      SYS_fsopen,
                      SYS_fsconfig,
                      SYS_fsmount,
                      SYS_fspick,
                      SYS_mount_setattr,
                      SYS_name_to_handle_at,
                      SYS_open_by_handle_at,
                      SYS_init_module,
                      SYS_finit_module,
                      SYS_kexec_load,
                      SYS_reboot,
                      SYS_swapon,
                      SYS_acct,
                      SYS_settimeofday,
                      SYS_clock_settime,
                      SYS_syslog,
                      SYS_process_madvise,
                      SYS_quotactl,
                      SYS_fanotify_init}) {
    EXPECT_EQ(verdict(number), EPERM) << number;
  }
}

TEST(Filter, UnknownNumbersDoNotExist) {
  for (long number : {335L, 400L, 457L, 458L, 470L, 1000L, 0x3fffffffL, -1L}) {
    EXPECT_EQ(verdict(number), ENOSYS) << number;
  }
}

TEST(Filter, OtherArchitecturesDoNotExist) {
  for (long number = 0; number < 500; ++number) {
    EXPECT_EQ(verdict(number, {}, false, AUDIT_ARCH_I386), ENOSYS) << number;
    EXPECT_EQ(verdict(number, {}, false, AUDIT_ARCH_ARM), ENOSYS) << number;
#ifdef __x86_64__
    EXPECT_EQ(verdict(0x40000000L + number), ENOSYS) << number;
    EXPECT_EQ(verdict(0x40000000L + number, {}, true), ENOSYS) << number;
#endif
  }
}

TEST(Filter, TerminalCommandsByTheirLow32Bits) {
  for (std::uint64_t command : {TIOCSTI, TIOCLINUX, TIOCCONS, TIOCSETD}) {
    for (std::uint64_t high : {0ULL, 1ULL, 0x80000000ULL, 0xffffffffULL}) {
      EXPECT_EQ(verdict(SYS_ioctl, {0, high << 32 | command}), EPERM) << command;
      EXPECT_EQ(verdict(SYS_ioctl, {0, high << 32 | command}, true), EPERM) << command;
    }
  }
  for (std::uint64_t command : {TCGETS, TIOCGWINSZ, TIOCSWINSZ, TIOCSPGRP, TIOCSCTTY, FIONREAD}) {
    EXPECT_EQ(verdict(SYS_ioctl, {0, command}), 0) << command;
  }
}

TEST(Filter, SnapshotsOfDirectories) {
  for (std::uint64_t command : {std::uint64_t{BTRFS_IOC_SNAP_CREATE},
                                std::uint64_t{BTRFS_IOC_SNAP_CREATE_V2}, 0x4020bc10UL}) {
    EXPECT_EQ(verdict(SYS_ioctl, {0, command}), EPERM) << command;
    EXPECT_EQ(verdict(SYS_ioctl, {0, 1ULL << 32 | command}), EPERM) << command;
  }
  EXPECT_EQ(verdict(SYS_ioctl, {0, BTRFS_IOC_CLONE}), 0);
}

TEST(Filter, CloneAndUnshareByFlags) {
  constexpr std::uint64_t kThread = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND |
                                    CLONE_THREAD | CLONE_SYSVSEM | CLONE_SETTLS;
  EXPECT_EQ(verdict(SYS_clone, {kThread}), 0);
  EXPECT_EQ(verdict(SYS_clone, {SIGCHLD}), 0);
  EXPECT_EQ(verdict(SYS_unshare, {CLONE_FS | CLONE_FILES}), 0);
  for (std::uint64_t flag : {CLONE_NEWUSER, CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWNET, CLONE_NEWIPC,
                             CLONE_NEWUTS, CLONE_NEWCGROUP}) {
    EXPECT_EQ(verdict(SYS_clone, {flag | SIGCHLD}), EPERM) << flag;
    EXPECT_EQ(verdict(SYS_clone, {flag | kThread}), EPERM) << flag;
    EXPECT_EQ(verdict(SYS_clone, {1ULL << 40 | flag}), EPERM) << flag;
    EXPECT_EQ(verdict(SYS_unshare, {flag}), EPERM) << flag;
    EXPECT_EQ(verdict(SYS_clone, {flag | SIGCHLD}, true), 0) << flag;
    EXPECT_EQ(verdict(SYS_unshare, {flag}, true), 0) << flag;
  }
  EXPECT_EQ(verdict(SYS_unshare, {0x80}), EPERM);  // CLONE_NEWTIME
  EXPECT_EQ(verdict(SYS_clone3), ENOSYS);
  EXPECT_EQ(verdict(SYS_clone3, {}, true), ENOSYS);
}

TEST(Filter, SocketFamilies) {
  for (long call : {SYS_socket, SYS_socketpair}) {
    for (std::uint64_t family = 0; family < 64; ++family) {
      const bool allowed =
          family == AF_UNIX || family == AF_INET || family == AF_INET6 || family == AF_NETLINK;
      EXPECT_EQ(verdict(call, {family, SOCK_RAW, 0}), allowed ? 0 : EAFNOSUPPORT) << family;
      EXPECT_EQ(verdict(call, {1ULL << 32 | family, SOCK_RAW, 0}), EAFNOSUPPORT) << family;
    }
    EXPECT_EQ(verdict(call, {~0ULL, SOCK_RAW, 0}), EAFNOSUPPORT);
  }
  for (std::uint64_t protocol = 1; protocol < 32; ++protocol) {
    EXPECT_EQ(verdict(SYS_socket, {AF_NETLINK, SOCK_RAW, protocol}), EPROTONOSUPPORT) << protocol;
  }
}

TEST(Filter, Personality) {
  EXPECT_EQ(verdict(SYS_personality, {0}), 0);
  EXPECT_EQ(verdict(SYS_personality, {0xffffffff}), 0);
  for (std::uint64_t word : {std::uint64_t{READ_IMPLIES_EXEC}, std::uint64_t{ADDR_NO_RANDOMIZE},
                             std::uint64_t{PER_LINUX32}, std::uint64_t{0xfffffffe},
                             std::uint64_t{0x7fffffff}, std::uint64_t{0x80000000}}) {
    EXPECT_EQ(verdict(SYS_personality, {word}), EPERM) << word;
  }
}

TEST(Filter, NestedOpensOnlyWhatNamespacesNeed) {
  for (long number : {SYS_mount, SYS_umount2, SYS_pivot_root, SYS_chroot, SYS_setns}) {
    EXPECT_EQ(verdict(number, {}, true), 0) << number;
  }
  for (long number : {SYS_ptrace, SYS_keyctl, SYS_bpf, SYS_io_uring_setup, SYS_fsopen,
                      SYS_open_tree, SYS_move_mount, SYS_userfaultfd, SYS_open_by_handle_at}) {
    EXPECT_EQ(verdict(number, {}, true), EPERM) << number;
  }
}

}  // namespace
}  // namespace agentbox::box
