// The escape cases that the box itself answers for. Each has its control: the same probe, outside
// or with the permission, does succeed.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "base/unique_fd.h"
#include "tests/escape/attempt.h"

namespace agentbox::escape {
namespace {

namespace fs = std::filesystem;
using base::UniqueFd;

class BoxEscape : public testing::Test {
 protected:
  BoxEscape() {
    char name[] = "/tmp/agentbox-escape-XXXXXX";
    directory_ = ::mkdtemp(name);
  }
  ~BoxEscape() override { fs::remove_all(directory_); }

  void write(const std::string& name, const std::string& text) const {
    std::ofstream(directory_ + "/" + name) << text;
  }

  std::string directory_;
};

bool ran(const Outcome& outcome) {
  return WIFEXITED(outcome.status) && WEXITSTATUS(outcome.status) == 0;
}

// Not what the kernel answers when the call reaches it: EFAULT, EBADF, EINVAL, ok.
bool refused(const std::string& result) {
  return result == "EPERM" || result == "ENOSYS" || result == "EACCES";
}

// --- FD: launcher, descriptors, working directory ------------------------------------------------

TEST_F(BoxEscape, Fd01LauncherProgramIsOutOfReach) {
  const Outcome box = probe_in_box({"attack-process", "1"});
  EXPECT_TRUE(refused(box["exe"])) << box.output;
  const Outcome control = probe_outside({"attack-process", std::to_string(::getpid())});
  EXPECT_EQ(control["exe"], "ok");
}

TEST_F(BoxEscape, Fd02WorkingDirectoryCannotBeADescriptor) {
  UniqueFd leaked(::open("/etc", O_RDONLY | O_DIRECTORY));
  for (int number = 3; number < 32; ++number) {
    box::Plan plan = probe_plan();
    plan.working_directory = "/proc/self/fd/" + std::to_string(number);
    EXPECT_THROW(run_in_box(plan, {"/probe/probe", "hold"}), base::Error) << number;
  }
  EXPECT_TRUE(ran(probe_in_box({"list", "."})));  // control
}

TEST_F(BoxEscape, Fd03OnlyStandardStreamsAreOpen) {
  std::vector<UniqueFd> open;
  for (int i = 0; i < 200; ++i) {
    open.emplace_back(::open("/etc", O_RDONLY | O_DIRECTORY));
  }
  open.emplace_back(::fcntl(open.back().get(), F_DUPFD, 900));
  const Outcome box = probe_in_box({"descriptors"});
  EXPECT_TRUE(ran(box));
  for (const char* name : {"fd0", "fd1", "fd2"}) {
    EXPECT_TRUE(box[name].starts_with("pipe:")) << box.output;
  }
  EXPECT_EQ(std::count(box.output.begin(), box.output.end(), '\n'), 3) << box.output;
  const Outcome control = probe_outside({"descriptors"});
  EXPECT_EQ(control["fd900"], "/etc");
}

TEST_F(BoxEscape, Fd04LowLimitHidesNoDescriptor) {
  rlimit before = {};
  ::getrlimit(RLIMIT_NOFILE, &before);
  UniqueFd high(::fcntl(0, F_DUPFD, 700));
  const rlimit low = {40, before.rlim_max};
  ::setrlimit(RLIMIT_NOFILE, &low);
  const Outcome box = probe_in_box({"descriptors"});
  const Outcome control = probe_outside({"descriptors"});
  ::setrlimit(RLIMIT_NOFILE, &before);
  EXPECT_EQ(box["fd700"], "") << box.output;
  EXPECT_NE(control["fd700"], "");
}

TEST_F(BoxEscape, Fd07WorkingDirectoryOutsideIsRefused) {
  write("canary", "canary");
  box::Plan plan = probe_plan();
  plan.working_directory = directory_;
  EXPECT_THROW(run_in_box(plan, {"/probe/probe", "list", "."}), base::Error);
  plan.binds.push_back({directory_, directory_});
  EXPECT_EQ(run_in_box(plan, {"/probe/probe", "list", "."})["entry"], "canary");  // control
}

TEST_F(BoxEscape, Fd10DescriptorsOfTheFirstProcessStay) {
  const Outcome box = probe_in_box({"attack-process", "1"});
  EXPECT_TRUE(refused(box["pidfd_getfd"])) << box.output;
  EXPECT_TRUE(refused(box["fd/3"])) << box.output;
  // User 0 may list the numbers, but not see or open what they are.
  UniqueFd three(::fcntl(0, F_DUPFD_CLOEXEC, 3));
  EXPECT_EQ(probe_outside({"attack-process", std::to_string(::getpid())})["fd/3"], "ok");
}

TEST_F(BoxEscape, Fd10TheFirstProcessKeepsFewDescriptors) {
  std::vector<UniqueFd> open;
  for (int i = 0; i < 20; ++i) {
    open.emplace_back(::open("/etc", O_RDONLY | O_DIRECTORY));
  }
  const Outcome box = probe_in_box({"list", "/proc/1/fd"});
  if (::geteuid() == 0) {  // /dev/null three times, the control socket and the signals
    EXPECT_EQ(box.all("entry").size(), 5U) << box.output;
  } else {
    EXPECT_EQ(box["/proc/1/fd"], "EACCES") << box.output;
  }
  EXPECT_GT(
      probe_outside({"list", "/proc/" + std::to_string(::getpid()) + "/fd"}).all("entry").size(),
      20U);
}

// --- MF: mounts
// ------------------------------------------------------------------------------------

TEST_F(BoxEscape, Mf22And23FileHandlesAreClosed) {
  const Outcome box = probe_in_box({"handles"});
  EXPECT_EQ(box["name_to_handle_at"], "EPERM") << box.output;
  EXPECT_EQ(box["open_by_handle_at"], "EPERM");
  EXPECT_EQ(box["opened"], "0");
  EXPECT_EQ(probe_outside({"handles"})["name_to_handle_at"], "ok");
}

TEST_F(BoxEscape, Mf27And28MountsCannotBeUndone) {
  const std::vector<std::string> attack = {"undo-mounts", "/proc/sys", "/usr", "/etc/hosts"};
  const Outcome box = probe_in_box(attack);
  EXPECT_EQ(box["unshare"], "EPERM") << box.output;
  EXPECT_EQ(box["umount -l /proc/sys"], "EPERM");
  EXPECT_EQ(box["bind /"], "EPERM");
}

TEST_F(BoxEscape, Mf27And28LockedMountsHoldInNestedNamespaces) {
  box::Plan plan = probe_plan();
  plan.user_namespaces = true;
  const Outcome box =
      probe_in_box({"undo-mounts", "/proc/sys", "/proc/keys", "/usr", "/probe"}, plan);
  EXPECT_EQ(box["unshare"], "ok") << box.output;  // the control: it is really nested
  for (const char* path : {"/proc/sys", "/proc/keys", "/usr", "/probe"}) {
    for (const char* act : {"umount ", "umount -l ", "remount ", "move "}) {
      EXPECT_NE(box[act + std::string(path)], "ok") << act << path << "\n" << box.output;
      EXPECT_NE(box[act + std::string(path)], "") << act << path;
    }
  }
  EXPECT_EQ(box["bind /"], "EINVAL") << box.output;
  EXPECT_EQ(box["bind /proc"], "EINVAL");
  EXPECT_EQ(box["rbind /"], "ok");  // shows nothing new: the masks come along
}

TEST_F(BoxEscape, Mf30OldRootIsGone) {
  const Outcome box = probe_in_box({"climb"});
  EXPECT_EQ(box["parents"], "inside") << box.output;
  EXPECT_TRUE(refused(box["chroot"]));
  EXPECT_EQ(box["/oldroot"], "ENOENT");
  const Outcome mounts = run_in_box(probe_plan(), {"/usr/bin/cat", "/proc/self/mountinfo"});
  EXPECT_TRUE(ran(mounts));
  // Every mount hangs below the new root: none has the outer root or a second one as parent.
  EXPECT_EQ(mounts.output.find(" /sys/fs/cgroup "), std::string::npos);
  EXPECT_EQ(mounts.output.find(" / / "), mounts.output.rfind(" / / ")) << mounts.output;
}

TEST_F(BoxEscape, Mf31ReadOnlyReachesSubmounts) {
  const Outcome box =
      probe_in_box({"mount-flags", "/", "/usr", "/probe", "/tmp", "/run", "/dev/shm", "/proc/sys"});
  for (const char* path : {"/", "/usr", "/probe"}) {
    EXPECT_EQ(box[path], "ro,nosuid,nodev") << box.output;
  }
  for (const char* path : {"/tmp", "/run", "/dev/shm"}) {
    EXPECT_EQ(box[path], "rw,nosuid,nodev") << box.output;
  }
  EXPECT_TRUE(box["/proc/sys"].starts_with("ro")) << box.output;
  EXPECT_EQ(probe_in_box({"create", "/x", "/usr/x", "/probe/x", "/tmp/x"}).output,
            "/x=EROFS\n/usr/x=EROFS\n/probe/x=EROFS\n/tmp/x=ok\n");
}

TEST_F(BoxEscape, Mf31ReadOnlyReachesAHostSubmount) {
  if (::geteuid() != 0) {
    GTEST_SKIP() << "needs root to mount on the host";
  }
  fs::create_directories(directory_ + "/tree/below");
  ASSERT_EQ(::system(("mount -t tmpfs none " + directory_ + "/tree/below").c_str()), 0);
  write("tree/below/old", "old");
  box::Plan plan = probe_plan();
  plan.binds.push_back({directory_ + "/tree", "/tree"});
  const Outcome box = probe_in_box({"mount-flags", "/tree/below"}, plan);
  const Outcome attack = probe_in_box({"create", "/tree/below/new"}, plan);
  plan.binds.back().writable = true;
  const Outcome control = probe_in_box({"create", "/tree/below/new"}, plan);
  ASSERT_EQ(::system(("umount " + directory_ + "/tree/below").c_str()), 0);
  EXPECT_EQ(box["/tree/below"], "ro,nosuid,nodev") << box.output;
  EXPECT_EQ(attack["/tree/below/new"], "EROFS");
  EXPECT_EQ(control["/tree/below/new"], "ok") << control.output;
}

TEST_F(BoxEscape, Mf35And37NoRawDevicesNoMapFiles) {
  const Outcome box = probe_in_box({"devices"});
  for (const char* path : {"/dev/fuse", "/dev/kvm", "/dev/uinput", "/dev/loop-control", "/dev/sda",
                           "/dev/vda", "/dev/mem", "/dev/kmsg", "/dev/tty0"}) {
    EXPECT_EQ(box[path], "ENOENT") << box.output;
  }
  EXPECT_TRUE(refused(box["mknod"])) << box.output;
  EXPECT_EQ(probe_in_box({"list", "/proc/1/map_files"})["entry"], "");
  EXPECT_EQ(probe_outside({"devices"})["/dev/fuse"], "ok");
}

// --- PR: /proc and /sys
// ------------------------------------------------------------------------------

TEST_F(BoxEscape, Pr02To05FirstProcessTellsNothing) {
  ASSERT_EQ(::setenv("AGENTBOX_CANARY", "canary-5f1c", 1), 0);
  const Outcome box = probe_in_box({"attack-process", "1"});
  for (const char* name : {"environ", "mem", "maps", "auxv", "stack", "root", "cwd"}) {
    EXPECT_TRUE(refused(box[name])) << name << "\n" << box.output;
  }
  const Outcome shown = probe_in_box({"show", "/proc/1/cmdline", "/proc/1/comm"});
  EXPECT_TRUE(shown["/proc/1/cmdline"].starts_with("agentbox-init")) << shown.output;
  const Outcome environment = probe_in_box({"environment"});
  EXPECT_EQ(environment.output, "PATH=/usr/bin\nHOME=/tmp\n");
  const Outcome control = probe_outside({"attack-process", std::to_string(::getpid())});
  EXPECT_EQ(control["environ"], "ok") << control.output;
  EXPECT_NE(probe_outside({"environment"}).output.find("canary-5f1c"), std::string::npos);
}

// Seen from outside by who may look: the copy of the supervisor's strings is wiped.
TEST_F(BoxEscape, Pr05EnvironmentCopyIsWiped) {
  const std::string boxed = program_directory() + "/boxed";
  const pid_t supervisor = ::fork();
  if (supervisor == 0) {
    ::setenv("OP_SERVICE_ACCOUNT_TOKEN", "canary-77aa", 1);
    const int null = ::open("/dev/null", O_RDWR);
    ::dup2(null, 1);
    ::execl(boxed.c_str(), boxed.c_str(), "--probe", program_directory().c_str(), "--",
            "/probe/probe", "hold", nullptr);
    ::_exit(127);
  }
  const std::string children =
      "/proc/" + std::to_string(supervisor) + "/task/" + std::to_string(supervisor) + "/children";
  pid_t init = 0;
  std::string name;
  while (name != "agentbox-init\n" && ::waitpid(supervisor, nullptr, WNOHANG) == 0) {
    init = 0;
    std::ifstream(children) >> init;
    std::ifstream comm("/proc/" + std::to_string(init) + "/comm");
    std::getline(comm, name);
    name += '\n';
  }
  std::ifstream file("/proc/" + std::to_string(init) + "/environ");
  const std::string text((std::istreambuf_iterator<char>(file)), {});
  std::ifstream own("/proc/" + std::to_string(supervisor) + "/environ");
  const std::string before((std::istreambuf_iterator<char>(own)), {});
  ::kill(supervisor, SIGKILL);
  ::waitpid(supervisor, nullptr, 0);
  EXPECT_EQ(text.find("canary-77aa"), std::string::npos);
  if (::geteuid() == 0) {  // the control: others may not look, the processes are not dumpable
    EXPECT_NE(before.find("canary-77aa"), std::string::npos);
  }
}

TEST_F(BoxEscape, Pr06OnlyOwnProcessesAreSeen) {
  const Outcome box = probe_in_box({"processes"});
  EXPECT_EQ(box["count"], "2") << box.output;
  EXPECT_EQ(box["self"], "2");
  const std::string me = std::to_string(::getpid());
  EXPECT_EQ(probe_in_box({"signal", me})["kill " + me], "ESRCH");
  EXPECT_EQ(probe_outside({"signal", me})["kill " + me], "ok");
}

TEST_F(BoxEscape, Pr07And08KernelSettingsAreReadOnly) {
  const Outcome box = probe_in_box(
      {"write", "/proc/sys/kernel/core_pattern", "/proc/sys/kernel/modprobe",
       "/proc/sys/kernel/ns_last_pid", "/proc/sys/user/max_user_namespaces",
       "/proc/sys/kernel/hostname", "/proc/sysrq-trigger", "/proc/irq/default_smp_affinity"});
  for (const char* path : {"/proc/sys/kernel/core_pattern", "/proc/sys/kernel/modprobe",
                           "/proc/sys/kernel/ns_last_pid", "/proc/sys/user/max_user_namespaces",
                           "/proc/sys/kernel/hostname"}) {
    EXPECT_TRUE(box[path] == "EROFS" || box[path] == "EACCES" || box[path] == "ENOENT")
        << path << "\n"
        << box.output;
  }
  EXPECT_NE(box["/proc/sysrq-trigger"], "ok");
  EXPECT_NE(box["/proc/irq/default_smp_affinity"], "ok");
  if (::geteuid() == 0) {
    EXPECT_EQ(
        probe_outside({"write", "/proc/sys/kernel/core_pattern"})["/proc/sys/kernel/core_pattern"],
        "ok");
  }
}

TEST_F(BoxEscape, Pr09InformationFilesAreMasked) {
  const std::vector<std::string> names = {
      "kcore",         "kallsyms",  "keys", "key-users",  "timer_list", "sched_debug", "kmsg",
      "latency_stats", "acpi",      "scsi", "interrupts", "bus",        "irq",         "fs",
      "slabinfo",      "kpageflags"};
  std::vector<std::string> arguments = {"read"};
  for (const std::string& name : names) {
    arguments.push_back("/proc/" + name);
  }
  const Outcome box = probe_in_box(arguments);
  EXPECT_TRUE(ran(box));
  for (std::size_t i = 1; i < arguments.size(); ++i) {
    const std::string result = box[arguments[i]];
    EXPECT_TRUE(result == "empty" || result == "EACCES" || result == "ENOENT")
        << arguments[i] << " " << result;
  }
  const Outcome control = probe_outside(arguments);
  EXPECT_EQ(control["/proc/interrupts"], "data");
  EXPECT_EQ(control["/proc/kallsyms"], "data");
  // What programs need is there.
  const Outcome needed =
      probe_in_box({"read", "/proc/cpuinfo", "/proc/meminfo", "/proc/stat", "/proc/self/maps",
                    "/proc/sys/kernel/osrelease", "/sys/devices/system/cpu"});
  EXPECT_EQ(needed.output.find("=E"), std::string::npos) << needed.output;
}

TEST_F(BoxEscape, Pr10SysShowsProcessorsOnly) {
  const Outcome box = probe_in_box({"read", "/sys/fs/cgroup", "/sys/firmware", "/sys/kernel",
                                    "/sys/class", "/sys/kernel/uevent_helper"});
  for (const char* path : {"/sys/fs/cgroup", "/sys/firmware", "/sys/kernel", "/sys/class"}) {
    EXPECT_EQ(box[path], "ENOENT") << box.output;
  }
  EXPECT_EQ(probe_outside({"read", "/sys/kernel"})["/sys/kernel"], "entries");
}

TEST_F(BoxEscape, Pr11FreshProcIsRefused) {
  EXPECT_EQ(probe_in_box({"mount-proc"})["unshare"], "EPERM");
  box::Plan plan = probe_plan();
  plan.user_namespaces = true;
  const Outcome nested = probe_in_box({"mount-proc"}, plan);
  EXPECT_EQ(nested["unshare"], "ok");
  EXPECT_EQ(nested["mount proc"], "EPERM") << nested.output;
}

TEST_F(BoxEscape, Pr13And16NamespaceHandlesAndMaps) {
  const Outcome box = probe_in_box({"attack-process", "1"});
  for (const char* name : {"ns/mnt", "ns/user", "ns/net", "open ns"}) {
    EXPECT_TRUE(refused(box[name])) << box.output;
  }
  const Outcome maps = run_in_box(probe_plan(), {"/usr/bin/sh", "-c",
                                                 "echo 0 0 1 > /proc/self/uid_map; echo uid=$?; "
                                                 "echo 0 0 1 > /proc/self/gid_map; echo gid=$?"});
  EXPECT_NE(maps["uid"], "0") << maps.error;
  EXPECT_NE(maps["gid"], "0") << maps.error;
}

// --- PT: processes
// ---------------------------------------------------------------------------------

TEST_F(BoxEscape, Pt01And02MemoryOfOthersIsOutOfReach) {
  const Outcome box = probe_in_box({"attack-process", "1"});
  for (const char* name : {"ptrace", "process_vm_readv", "process_vm_writev", "pidfd_getfd"}) {
    EXPECT_EQ(box[name], "EPERM") << box.output;
  }
  const Outcome control = probe_outside({"attack-process", std::to_string(::getpid())});
  EXPECT_EQ(control["process_vm_readv"], "EFAULT") << control.output;
}

TEST_F(BoxEscape, Pt05SignalsStayInside) {
  const pid_t bystander = ::fork();
  if (bystander == 0) {
    for (;;) {
      ::pause();
    }
  }
  const Outcome box = run_in_box(
      probe_plan(), {"/usr/bin/sh", "-c", "kill -9 -1; kill -9 $PPID; kill -9 1; echo done=1"});
  EXPECT_EQ(box["done"], "1") << box.error;
  EXPECT_EQ(::waitpid(bystander, nullptr, WNOHANG), 0);  // lives
  ::kill(bystander, SIGKILL);
  ::waitpid(bystander, nullptr, 0);
}

TEST_F(BoxEscape, Pt06NoCoreDump) {
  const Outcome box = probe_in_box({"limits"});
  EXPECT_EQ(box["core"], "0");
  EXPECT_EQ(box["raise core"], "EPERM");
}

TEST_F(BoxEscape, Pt09NothingOutlivesTheBox) {
  const Outcome box = probe_in_box({"stand"});
  // run_in_box has seen the end of the output: no process holds the pipe any more.
  EXPECT_TRUE(ran(box));
}

TEST_F(BoxEscape, Pt10ForkBombIsBounded) {
  const std::string whole = base::read_file("/proc/sys/kernel/pid_max", 64);
  box::Plan plan = probe_plan();
  plan.limits.processes = 320;
  const Outcome box = probe_in_box({"fork-bomb", "600"}, plan);
  if (::geteuid() == 0 && box["forked"] == "600") {
    GTEST_SKIP() << "RLIMIT_NPROC does not bind user 0, and this kernel is older than 6.14";
  }
  EXPECT_LT(std::stoi(box["forked"]), 320) << box.output;
  plan.limits.processes = 2000;
  EXPECT_EQ(probe_in_box({"fork-bomb", "600"}, plan)["forked"], "600");  // control
  EXPECT_EQ(base::read_file("/proc/sys/kernel/pid_max", 64), whole);
}

TEST_F(BoxEscape, Pt14SetuidProgramsGainNothing) {
  if (::geteuid() != 0) {
    GTEST_SKIP() << "needs root to make a setuid file";
  }
  fs::permissions(directory_, fs::perms(0755));
  fs::copy(program_directory() + "/probe", directory_ + "/probe");
  fs::copy(program_directory() + "/boxed", directory_ + "/boxed");
  fs::permissions(directory_ + "/probe", fs::perms(04755));
  const auto as_other = [&](std::vector<std::string> words) {
    std::vector<std::string> all = {"/usr/sbin/runuser", "-u", "www-data", "--"};
    all.insert(all.end(), words.begin(), words.end());
    return run_outside(all);
  };
  const Outcome box = as_other(
      {directory_ + "/boxed", "--probe", directory_, "--", "/probe/probe", "capabilities"});
  EXPECT_EQ(box["euid"], "33") << box.output;
  EXPECT_EQ(box["setuid 0"], "EINVAL") << box.output;  // no such user in the namespace
  const Outcome control = as_other({directory_ + "/probe", "capabilities"});
  EXPECT_EQ(control["euid"], "0") << control.output;
}

// --- SC: system calls
// --------------------------------------------------------------------------------

TEST_F(BoxEscape, Sc01To03TerminalCannotBeTypedInto) {
  box::Plan plan = probe_plan();
  plan.terminal = true;
  Outcome box = probe_in_box({"terminal-controls"}, plan);
  std::erase(box.output, '\r');
  for (const char* name :
       {"TIOCSTI", "TIOCSTI high bits", "TIOCLINUX", "TIOCLINUX high bits", "TIOCSETD"}) {
    EXPECT_EQ(box[name], "EPERM") << box.output;
  }
  EXPECT_EQ(box["FIONREAD"], "ok") << box.output;  // control: other requests pass
  const Outcome control = probe_outside({"terminal-controls"});
  EXPECT_NE(control["TIOCSTI"], "EPERM");
}

TEST_F(BoxEscape, Sc04And05OtherAbisAreClosed) {
#ifndef __x86_64__
  GTEST_SKIP() << "x86-64 only";
#endif
  const Outcome box = probe_in_box({"other-abis"});
  EXPECT_TRUE(ran(box)) << box.status;
  EXPECT_EQ(box["i386 getpid"], "ENOSYS") << box.output;
  EXPECT_EQ(box["x32 getpid"], "ENOSYS");
  EXPECT_EQ(box["x32 ptrace"], "ENOSYS");
  EXPECT_EQ(probe_outside({"other-abis"})["i386 getpid"], "ok");
}

TEST_F(BoxEscape, Sc06And13NamespacesAreClosed) {
  const Outcome box = probe_in_box({"namespaces"});
  for (const char* kind : {"user", "mount", "pid", "net", "ipc", "uts", "time", "cgroup"}) {
    EXPECT_EQ(box[std::string("unshare ") + kind], "EPERM") << kind << "\n" << box.output;
  }
  for (const char* kind : {"user", "mount", "pid", "net", "ipc", "uts", "cgroup"}) {
    EXPECT_EQ(box[std::string("clone ") + kind], "EPERM") << kind;
  }
  EXPECT_EQ(box["clone3"], "ENOSYS");
  EXPECT_EQ(box["unshare nothing"], "ok");
  EXPECT_EQ(box["clone plain"], "ok");
  box::Plan plan = probe_plan();
  plan.user_namespaces = true;
  const Outcome nested = probe_in_box({"namespaces"}, plan);
  EXPECT_EQ(nested["unshare mount"], "ok") << nested.output;
  EXPECT_EQ(nested["clone pid"], "ok");
  EXPECT_EQ(nested["clone3"], "ENOSYS");
}

TEST_F(BoxEscape, Sc08UnknownCallsDoNotExist) {
  const Outcome box = probe_in_box({"unknown-calls"});
  EXPECT_TRUE(ran(box));
  EXPECT_EQ(box["-1"], "ENOSYS");
  EXPECT_EQ(box["2147483647"], "ENOSYS");
  for (int number = 470; number < 600; ++number) {
    EXPECT_EQ(box[std::to_string(number)], "ENOSYS");
  }
}

TEST_F(BoxEscape, Sc09To12And19DangerousCallsAreRefused) {
  const Outcome box = probe_in_box({"system-calls"});
  EXPECT_TRUE(ran(box));
  const Outcome control = probe_outside({"system-calls"});
  int reached = 0;
  std::istringstream lines(box.output);
  for (std::string line; std::getline(lines, line);) {
    const std::string name = line.substr(0, line.find('='));
    EXPECT_EQ(line, name + "=EPERM");
    reached += refused(control[name]) ? 0 : 1;
  }
  // As root nearly all, as another user at least those that need no privilege.
  EXPECT_GE(reached, ::geteuid() == 0 ? 35 : 15) << control.output;
}

TEST_F(BoxEscape, Sc14NoCapabilityIsLeft) {
  const Outcome box = probe_in_box({"capabilities"});
  for (const char* name : {"CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"}) {
    EXPECT_EQ(box[name], "0000000000000000") << box.output;
  }
  EXPECT_EQ(box["NoNewPrivs"], "1");
  EXPECT_EQ(box["raise ambient"], "EPERM");
  EXPECT_NE(box["securebits"], "0");
  EXPECT_EQ(box["sethostname"], "EPERM");
  EXPECT_NE(probe_outside({"capabilities"})["CapBnd"], "0000000000000000");
  // execve(2) takes the command's away; the first process has executed nothing.
  const Outcome first = run_in_box(probe_plan(), {"/usr/bin/grep", "Cap", "/proc/1/status"});
  for (const char* name : {"CapInh:", "CapPrm:", "CapEff:", "CapBnd:", "CapAmb:"}) {
    EXPECT_NE(first.output.find(name + std::string("\t0000000000000000")), std::string::npos)
        << first.output;
  }
}

TEST_F(BoxEscape, Sc15To17OnlyPlainSocketFamilies) {
  const Outcome box = probe_in_box({"families"});
  for (int family = 0; family < 46; ++family) {
    const bool allowed =
        family == AF_UNIX || family == AF_INET || family == AF_INET6 || family == AF_NETLINK;
    EXPECT_EQ(box["family " + std::to_string(family)], allowed ? "ok" : "EAFNOSUPPORT") << family;
  }
  EXPECT_EQ(box["unix high bits"], "EAFNOSUPPORT");
  EXPECT_EQ(box["netlink 0"], "ok");
  for (int protocol : {9, 6, 12, 15, 16, 4}) {
    EXPECT_EQ(box["netlink " + std::to_string(protocol)], "EPROTONOSUPPORT") << protocol;
  }
  EXPECT_EQ(probe_outside({"families"})["netlink 15"], "ok");
}

TEST_F(BoxEscape, Sc18Personality) {
  const Outcome box = probe_in_box({"personalities"});
  EXPECT_EQ(box["query"], "ok") << box.output;
  EXPECT_EQ(box["linux"], "ok");
  EXPECT_EQ(box["read-implies-exec"], "EPERM");
  EXPECT_EQ(box["no-randomize"], "EPERM");
  EXPECT_EQ(box["linux32"], "EPERM");
  EXPECT_EQ(probe_outside({"personalities"})["no-randomize"], "ok");
}

TEST_F(BoxEscape, Sc20DeviceNodesKeepOwnerAndMode) {
  const Outcome box = probe_in_box({"chmod", "/dev/null", "/dev/tty", "/tmp"});
  EXPECT_EQ(box["/dev/null"], "EROFS") << box.output;
  EXPECT_EQ(box["/dev/tty"], "EROFS");
  EXPECT_EQ(box["/tmp"], "ok");
  EXPECT_EQ(run_in_box(probe_plan(), {"/usr/bin/sh", "-c", "echo x > /dev/null"}).error, "");
}

TEST_F(BoxEscape, Sc24MountsOfTheHostDoNotArrive) {
  if (::geteuid() != 0) {
    GTEST_SKIP() << "needs root to mount on the host";
  }
  // Shared, as / is on most machines.
  ASSERT_EQ(::system(("mount --bind " + directory_ + " " + directory_ + " && mount --make-shared " +
                      directory_)
                         .c_str()),
            0);
  fs::create_directories(directory_ + "/sub");
  box::Plan plan = probe_plan();
  plan.binds.push_back({directory_, "/shown"});
  box::Box box = box::Box::start(plan);
  box::Handles handles = box.handles();
  box.wait_ready();
  ASSERT_EQ(::system(("mount -t tmpfs none " + directory_ + "/sub").c_str()), 0);
  write("sub/canary", "canary");
  box::Launch launch;
  launch.program = "/probe/probe";
  launch.arguments = {"probe", "list", "/shown/sub"};
  launch.environment = resolver::Secret(std::string_view("A=\0", 3));
  box.launch(launch);
  char byte = 0;
  EXPECT_EQ(::read(handles.output.get(), &byte, 1), 0);  // an empty list
  const Outcome control = probe_outside({"list", directory_ + "/sub"});
  ASSERT_EQ(::system(("umount " + directory_ + "/sub " + directory_).c_str()), 0);
  EXPECT_EQ(control["entry"], "canary");
}

TEST_F(BoxEscape, Sc25RenameAndLinkAcrossDirectoriesWork) {
  const Outcome box = run_in_box(
      probe_plan(), {"/usr/bin/sh", "-c",
                     "mkdir a b && echo x > a/f && mv a/f b/g && ln b/g a/h && cat a/h && "
                     "truncate -s 0 b/g && rm -r a b"});
  EXPECT_TRUE(ran(box)) << box.error;
  EXPECT_EQ(box.output, "x\n");
}

TEST_F(BoxEscape, Sc25And26LandlockIsOn) {
  const Outcome outside = probe_outside({"landlock-layers"});
  if (outside["layers"] == "0") {
    GTEST_SKIP() << "the kernel has no Landlock";
  }
  EXPECT_EQ(std::stoi(probe_in_box({"landlock-layers"})["layers"]),
            std::stoi(outside["layers"]) - 1);
  box::Plan plan = probe_plan();
  plan.user_namespaces = true;
  EXPECT_EQ(probe_in_box({"landlock-layers"}, plan)["layers"], outside["layers"]);
}

// --- IP: sockets and services of the host
// ------------------------------------------------------------

TEST_F(BoxEscape, Ip01AbstractSocketsOfTheHost) {
  UniqueFd listener(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  const std::string name = "@agentbox-canary-" + std::to_string(::getpid());
  std::memcpy(address.sun_path, name.data(), name.size());
  address.sun_path[0] = 0;
  ASSERT_EQ(::bind(listener.get(), reinterpret_cast<sockaddr*>(&address),
                   static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size())),
            0);
  ASSERT_EQ(::listen(listener.get(), 4), 0);
  EXPECT_EQ(probe_in_box({"connect", name})[name], "ECONNREFUSED");
  EXPECT_EQ(probe_outside({"connect", name})[name], "ok");
}

TEST_F(BoxEscape, Ip02To08ServiceSocketsAreNotThere) {
  std::vector<std::string> arguments = {"connect"};
  for (const char* path :
       {"/var/run/docker.sock", "/run/docker.sock", "/run/podman/podman.sock",
        "/run/containerd/containerd.sock", "/run/snapd.socket", "/run/crio/crio.sock",
        "/run/user/0/keyring/ssh", "/run/user/0/gnupg/S.gpg-agent", "/run/user/0/bus",
        "/run/dbus/system_bus_socket", "/run/systemd/journal/stdout", "/var/run/nscd/socket",
        "/run/systemd/resolve/io.systemd.Resolve", "/tmp/.X11-unix/X0", "/run/user/0/wayland-0",
        "/run/user/0/pipewire-0", "/tmp/tmux-0/default", "/run/screen/S-root"}) {
    arguments.emplace_back(path);
  }
  const Outcome box = probe_in_box(arguments);
  for (std::size_t i = 1; i < arguments.size(); ++i) {
    EXPECT_EQ(box[arguments[i]], "ENOENT") << arguments[i];
  }
  EXPECT_EQ(probe_in_box({"connect", "@/tmp/.X11-unix/X0"})["@/tmp/.X11-unix/X0"], "ECONNREFUSED");
  // Control: a socket in a directory that is shown can be connected to.
  UniqueFd listener(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  std::strcpy(address.sun_path, (directory_ + "/s").c_str());
  ASSERT_EQ(::bind(listener.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  ASSERT_EQ(::listen(listener.get(), 4), 0);
  box::Plan plan = probe_plan();
  plan.binds.push_back({directory_, "/shown"});
  EXPECT_EQ(probe_in_box({"connect", "/shown/s"}, plan)["/shown/s"], "ok");
}

TEST_F(BoxEscape, Ip10ScratchDirectoriesArePrivate) {
  write("canary", "canary");
  for (const char* path : {"/tmp", "/var/tmp", "/dev/shm"}) {
    EXPECT_EQ(probe_in_box({"read", path})[path], "empty") << path;
  }
  EXPECT_EQ(probe_outside({"read", "/tmp"})["/tmp"], "entries");
}

}  // namespace
}  // namespace agentbox::escape
