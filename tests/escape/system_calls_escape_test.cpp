// Through the system call surface, capabilities and Landlock (group SC).
// Each case has its control: the same probe, outside or with the permission, does succeed.
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <sstream>
#include <string>
#include <string_view>

#include "tests/escape/box_escape.h"

namespace agentbox::escape {
namespace {

namespace fs = std::filesystem;

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

}  // namespace
}  // namespace agentbox::escape
