// Out of the box by descriptors, mounts and sockets of the host (groups FD, MF, IP).
// Each case has its control: the same probe, outside or with the permission, does succeed.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/unique_fd.h"
#include "tests/escape/box_escape.h"

namespace agentbox::escape {
namespace {

namespace fs = std::filesystem;
using base::UniqueFd;

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
