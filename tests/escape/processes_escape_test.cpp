// Into other processes, by /proc, signals and debugging (groups PR, PT).
// Each case has its control: the same probe, outside or with the permission, does succeed.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "base/file.h"
#include "tests/escape/box_escape.h"

namespace agentbox::escape {
namespace {

namespace fs = std::filesystem;

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

}  // namespace
}  // namespace agentbox::escape
