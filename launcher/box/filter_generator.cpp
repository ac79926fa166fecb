// Build-time program: prints the seccomp filters as C++ arrays, so that a launch does not pay for
// libseccomp's compilation.
#include <fcntl.h>
#include <linux/btrfs.h>
#include <linux/filter.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <vector>

#include "launcher/box/filter_rules.h"

namespace agentbox::box {

namespace {

constexpr std::uint64_t kLow = 0xffffffff;  // the kernel looks at 32 bits, so must the filter

[[noreturn]] void fail(const char* what, int error) {
  std::fprintf(stderr, "filter_generator: %s: %s\n", what, std::strerror(error));
  std::exit(1);
}

class Filter {
 public:
  explicit Filter(std::uint32_t standard) : context_(seccomp_init(standard)) {
    if (context_ == nullptr) {
      fail("seccomp_init", ENOMEM);
    }
    // int $0x80 and the x32 numbers: no such call.
    set(SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_ERRNO(ENOSYS));
    set(SCMP_FLTATR_CTL_OPTIMIZE, 2);  // a binary tree: the kernel evaluates it for every number
  }
  Filter(const Filter&) = delete;
  Filter& operator=(const Filter&) = delete;
  ~Filter() { seccomp_release(context_); }

  void rule(std::uint32_t action, const char* name, std::vector<scmp_arg_cmp> arguments = {}) {
    const int number = seccomp_syscall_resolve_name(name);
    if (number == __NR_SCMP_ERROR) {
      fail(name, ENOENT);
    }
    // Pseudo numbers: the call does not exist on this architecture.
    if (number >= 0) {
      rule(action, number, name, arguments);
    }
  }

  void rule(std::uint32_t action, int number, const char* name,
            const std::vector<scmp_arg_cmp>& arguments = {}) {
    const int result =
        seccomp_rule_add_array(context_, action, number, static_cast<unsigned>(arguments.size()),
                               arguments.empty() ? nullptr : arguments.data());
    if (result < 0) {
      fail(name, -result);
    }
  }

  void print(const char* name) {
    const int file = ::memfd_create("filter", 0);
    if (file < 0) {
      fail("memfd_create", errno);
    }
    const int result = seccomp_export_bpf(context_, file);
    if (result < 0) {
      fail("seccomp_export_bpf", -result);
    }
    ::lseek(file, 0, SEEK_SET);
    std::printf("constexpr sock_filter %s[] = {\n", name);
    sock_filter instruction = {};
    while (::read(file, &instruction, sizeof instruction) ==
           static_cast<ssize_t>(sizeof instruction)) {
      std::printf("    {0x%02x, %u, %u, 0x%08x},\n", instruction.code, instruction.jt,
                  instruction.jf, instruction.k);
    }
    std::printf("};\n");
    ::close(file);
  }

 private:
  void set(scmp_filter_attr attribute, std::uint32_t value) {
    const int result = seccomp_attr_set(context_, attribute, value);
    if (result < 0) {
      fail("seccomp_attr_set", -result);
    }
  }

  scmp_filter_ctx context_;
};

bool is_nested(const char* name) {
  return std::any_of(std::begin(kNested), std::end(kNested),
                     [&](const char* nested) { return std::strcmp(name, nested) == 0; });
}

void syscalls(bool nested, const char* name) {
  Filter filter(SCMP_ACT_ERRNO(ENOSYS));
  for (const char* allowed : kAllowed) {
    filter.rule(SCMP_ACT_ALLOW, allowed);
  }
  for (int number : kAllowedNumbers) {
    filter.rule(SCMP_ACT_ALLOW, number, "a numbered call");
  }
  for (const char* refused : kRefused) {
    filter.rule(nested && is_nested(refused) ? SCMP_ACT_ALLOW : SCMP_ACT_ERRNO(EPERM), refused);
  }
  filter.print(name);
}

void arguments(bool nested, const char* name) {
  Filter filter(SCMP_ACT_ALLOW);
  // Typing into, or reprogramming, a terminal. TIOCCONS takes the console's output away.
  for (std::uint64_t command : {TIOCSTI, TIOCLINUX, TIOCCONS, TIOCSETD}) {
    filter.rule(SCMP_ACT_ERRNO(EPERM), "ioctl", {SCMP_A1(SCMP_CMP_MASKED_EQ, kLow, command)});
  }
  // A copy of a directory with all that is in it, also of what is covered in the original.
  constexpr std::uint64_t kBcachefsSubvolume = _IOC(_IOC_WRITE, 0xbc, 16, 32);  // bcachefs_ioctl.h
  for (std::uint64_t command : {std::uint64_t{BTRFS_IOC_SNAP_CREATE},
                                std::uint64_t{BTRFS_IOC_SNAP_CREATE_V2}, kBcachefsSubvolume}) {
    filter.rule(SCMP_ACT_ERRNO(EPERM), "ioctl", {SCMP_A1(SCMP_CMP_MASKED_EQ, kLow, command)});
  }
  // clone3 hides its flags behind a pointer; libc falls back to clone on ENOSYS.
  filter.rule(SCMP_ACT_ERRNO(ENOSYS), "clone3");
  if (!nested) {
    for (std::uint64_t flag : {CLONE_NEWUSER, CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWNET, CLONE_NEWIPC,
                               CLONE_NEWUTS, CLONE_NEWCGROUP}) {
      filter.rule(SCMP_ACT_ERRNO(EPERM), "clone", {SCMP_A0(SCMP_CMP_MASKED_EQ, flag, flag)});
      filter.rule(SCMP_ACT_ERRNO(EPERM), "unshare", {SCMP_A0(SCMP_CMP_MASKED_EQ, flag, flag)});
    }
    constexpr std::uint64_t kNewTime = 0x80;  // CLONE_NEWTIME; part of the signal in clone(2)
    filter.rule(SCMP_ACT_ERRNO(EPERM), "unshare",
                {SCMP_A0(SCMP_CMP_MASKED_EQ, kNewTime, kNewTime)});
  }
  // Sockets: UNIX, INET, INET6 and NETLINK_ROUTE.
  for (const char* call : {"socket", "socketpair"}) {
    for (std::uint64_t family = 0; family < AF_NETLINK; ++family) {
      if (family != AF_UNIX && family != AF_INET && family != AF_INET6) {
        filter.rule(SCMP_ACT_ERRNO(EAFNOSUPPORT), call, {SCMP_A0(SCMP_CMP_EQ, family)});
      }
    }
    filter.rule(SCMP_ACT_ERRNO(EAFNOSUPPORT), call, {SCMP_A0(SCMP_CMP_GT, AF_NETLINK)});
    filter.rule(SCMP_ACT_ERRNO(EPROTONOSUPPORT), call,
                {SCMP_A0(SCMP_CMP_EQ, AF_NETLINK), SCMP_A2(SCMP_CMP_NE, 0)});
  }
  // personality(2): 0 is PER_LINUX and all ones asks. Every other word has a bit that is set below
  // one that is not.
  for (unsigned bit = 0; bit < 32; ++bit) {
    const std::uint64_t set = std::uint64_t{1} << bit;
    const std::uint64_t clear = std::uint64_t{1} << ((bit + 1) % 32);
    filter.rule(SCMP_ACT_ERRNO(EPERM), "personality",
                {SCMP_A0(SCMP_CMP_MASKED_EQ, set | clear, set)});
  }
  filter.print(name);
}

void set_id(const char* name) {
  constexpr int kFchmodat2 = 452;  // newer than libseccomp 2.5.4
  Filter filter(SCMP_ACT_ALLOW);
  for (std::uint64_t bit : {S_ISUID, S_ISGID}) {
    const auto mode = [bit](unsigned argument) {
      return scmp_arg_cmp{argument, SCMP_CMP_MASKED_EQ, bit, bit};
    };
    filter.rule(SCMP_ACT_ERRNO(EPERM), "chmod", {mode(1)});
    filter.rule(SCMP_ACT_ERRNO(EPERM), "fchmod", {mode(1)});
    filter.rule(SCMP_ACT_ERRNO(EPERM), "fchmodat", {mode(2)});
    filter.rule(SCMP_ACT_ERRNO(EPERM), kFchmodat2, "fchmodat2", {mode(2)});
    filter.rule(SCMP_ACT_ERRNO(EPERM), "creat", {mode(1)});
    filter.rule(SCMP_ACT_ERRNO(EPERM), "mknod", {mode(1)});
    filter.rule(SCMP_ACT_ERRNO(EPERM), "mknodat", {mode(2)});
    // A mode only where a file is made: else the register holds anything.
    for (std::uint64_t makes : {O_CREAT, O_TMPFILE & ~O_DIRECTORY}) {
      filter.rule(SCMP_ACT_ERRNO(EPERM), "open",
                  {SCMP_A1(SCMP_CMP_MASKED_EQ, makes, makes), mode(2)});
      filter.rule(SCMP_ACT_ERRNO(EPERM), "openat",
                  {SCMP_A2(SCMP_CMP_MASKED_EQ, makes, makes), mode(3)});
    }
  }
  // Its mode is behind a pointer; programs fall back to openat.
  filter.rule(SCMP_ACT_ERRNO(ENOSYS), "openat2");
  filter.print(name);
}

}  // namespace

void print_all() {
  syscalls(false, "kSyscalls");
  syscalls(true, "kSyscallsNested");
  arguments(false, "kArguments");
  arguments(true, "kArgumentsNested");
  set_id("kSetId");
}

}  // namespace agentbox::box

int main() {
  agentbox::box::print_all();
  return 0;
}
