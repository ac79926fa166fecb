#include "launcher/box/box.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "tests/unit/box/tiny_view.h"

namespace agentbox::box {
namespace {

using base::Error;
using base::Status;
using base::UniqueFd;

Plan system_plan() {
  Plan plan;
  plan.binds.push_back({"/usr", "/usr"});
  for (const char* name : {"/bin", "/lib", "/lib64"}) {
    plan.symlinks.push_back({name, std::string("usr") + name});
  }
  plan.working_directory = "/tmp";
  return plan;
}

Launch shell(const std::string& script) {
  Launch launch;
  launch.program = "/usr/bin/bash";
  launch.arguments = {"bash", "-c", script};
  launch.environment = resolver::Secret(std::string_view("PATH=/usr/bin\0", 14));
  return launch;
}

std::string read_to_end(int fd) {
  std::string text;
  char buffer[4096];
  for (ssize_t size = 0; (size = ::read(fd, buffer, sizeof buffer)) > 0;) {
    text.append(buffer, static_cast<std::size_t>(size));
  }
  return text;
}

// Waits for the next event of the kind, past all others.
Event await(Box& box, Event::Kind kind) {
  for (;;) {
    pollfd readable = {box.event_descriptor(), POLLIN, 0};
    ::poll(&readable, 1, -1);
    const auto event = box.next_event();
    if (event && event->kind == kind) {
      return *event;
    }
    if (event && event->kind == Event::Kind::kExited) {
      throw std::runtime_error("the command has ended");
    }
  }
}

// A box with a command in it.
struct Running {
  explicit Running(const Plan& plan, const Launch& launch) : box(Box::start(plan)) {
    handles = box.handles();
    box.wait_ready();
    box.launch(launch);
  }
  int status() { return await(box, Event::Kind::kExited).status; }

  Box box;
  Handles handles;
};

// Reads until `text` has come, so that the command is known to stand there.
std::string read_until(int fd, const std::string& text) {
  std::string seen;
  char byte = 0;
  while (seen.find(text) == std::string::npos && ::read(fd, &byte, 1) == 1) {
    seen += byte;
  }
  return seen;
}

Status status_of(const Plan& plan, const Launch& launch, std::string* message = nullptr) {
  try {
    Running running(plan, launch);
  } catch (const Error& error) {
    if (message != nullptr) {
      *message = error.what();
    }
    return error.status();
  }
  return Status{};
}

TEST(Box, PipesKeepStreamsApart) {
  Running running(system_plan(), shell("read line; echo out $line; echo err >&2; exit 7"));
  base::write_all(running.handles.input.get(), "word\n");
  EXPECT_EQ(read_to_end(running.handles.output.get()), "out word\n");
  EXPECT_EQ(read_to_end(running.handles.error.get()), "err\n");
  const int status = running.status();
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 7);
}

TEST(Box, EnvironmentAndArgumentsArriveWhole) {
  Launch launch;
  launch.program = "/usr/bin/env";
  launch.arguments = {"env"};
  std::string environment("A=1\0EMPTY=\0", 11);
  const std::string big(200'000 / 2, 'x');
  environment += "BIG=" + big + '\0';
  launch.environment = resolver::Secret(environment);
  Running running(system_plan(), launch);
  EXPECT_EQ(read_to_end(running.handles.output.get()), "A=1\nEMPTY=\nBIG=" + big + "\n");
}

TEST(Box, SignalEndsTheCommand) {
  Running running(system_plan(), shell("echo ready; while :; do sleep 1; done"));
  read_until(running.handles.output.get(), "ready");
  running.box.signal(SIGTERM);
  const int status = running.status();
  EXPECT_TRUE(WIFSIGNALED(status));
  EXPECT_EQ(WTERMSIG(status), SIGTERM);
}

TEST(Box, SignalReachesTheWholeGroup) {
  Running running(system_plan(),
                  shell("trap 'wait; exit 3' TERM; perl -e '$SIG{TERM} = sub { print \"inner\\n\"; "
                        "exit }; $| = 1; print \"ready\\n\"; sleep 1 while 1' & wait; wait"));
  const int output = running.handles.output.get();
  read_until(output, "ready");
  running.box.signal(SIGTERM);
  EXPECT_EQ(WEXITSTATUS(running.status()), 3);
  EXPECT_EQ(read_to_end(output), "\ninner\n");
}

TEST(Box, StopAndContinueAreReported) {
  Running running(system_plan(), shell("kill -STOP $$; read line; exit 4"));
  const Event stopped = await(running.box, Event::Kind::kStopped);
  EXPECT_EQ(WSTOPSIG(stopped.status), SIGSTOP);
  running.box.signal(SIGCONT);
  await(running.box, Event::Kind::kContinued);
  base::write_all(running.handles.input.get(), "\n");
  EXPECT_EQ(WEXITSTATUS(running.status()), 4);
}

TEST(Box, SignalDispositionsAndMaskAreReset) {
  ::signal(SIGPIPE, SIG_IGN);
  sigset_t block, before;
  ::sigemptyset(&block);
  ::sigaddset(&block, SIGTERM);
  ::sigprocmask(SIG_BLOCK, &block, &before);
  Running running(system_plan(), shell("grep -E 'Sig(Blk|Ign)' /proc/self/status"));
  ::sigprocmask(SIG_SETMASK, &before, nullptr);
  ::signal(SIGPIPE, SIG_DFL);
  EXPECT_EQ(read_to_end(running.handles.output.get()),
            "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n");
}

TEST(Box, TerminalIsTheBoxsOwn) {
  Plan plan = system_plan();
  plan.terminal = true;
  Running running(plan, shell("tty; test -t 0 && test -t 1 && test -t 2 && echo all; "
                              "ps -o tpgid=,pgid= -p $$"));
  const std::string text = read_to_end(running.handles.terminal.get());
  EXPECT_NE(text.find("/dev/pts/0\r\n"), std::string::npos) << text;
  EXPECT_NE(text.find("all\r\n"), std::string::npos) << text;
  EXPECT_NE(text.find(" 2 "), std::string::npos) << text;  // the command's group is in front
}

TEST(Box, ControlKeysWorkThroughTheTerminal) {
  Plan plan = system_plan();
  plan.terminal = true;
  Running running(plan, shell("echo ready; while :; do read -r line; echo got $line; done"));
  const int terminal = running.handles.terminal.get();
  read_until(terminal, "ready");
  base::write_all(terminal, "\x1a");  // Ctrl-Z
  EXPECT_EQ(WSTOPSIG(await(running.box, Event::Kind::kStopped).status), SIGTSTP);
  running.box.signal(SIGCONT);
  await(running.box, Event::Kind::kContinued);
  base::write_all(terminal, "\x03");  // Ctrl-C
  EXPECT_EQ(WTERMSIG(running.status()), SIGINT);
}

TEST(Box, WithoutTerminalThereIsNoControllingOne) {
  Running running(system_plan(),
                  shell("(: < /dev/tty) 2>&1 | grep -c 'No such device or address'"));
  EXPECT_EQ(read_to_end(running.handles.output.get()), "1\n");
}

TEST(Box, ExecFailuresAreToldApart) {
  Launch launch = shell("");
  launch.program = "/usr/bin/no-such-program";
  std::string message;
  EXPECT_EQ(status_of(system_plan(), launch, &message), Status::kNotFound);
  EXPECT_EQ(message, "cannot run /usr/bin/no-such-program: No such file or directory (ENOENT)");
  launch.program = "/usr/share";
  EXPECT_EQ(status_of(system_plan(), launch, &message), Status::kCannotRun);
  EXPECT_EQ(message, "cannot run /usr/share: Permission denied (EACCES)");
  Plan plan = system_plan();
  plan.files.push_back({"/script", "exit 0\n"});
  launch.program = "/script";
  EXPECT_EQ(status_of(plan, launch), Status::kCannotRun);
  launch.program = "relative";
  EXPECT_EQ(status_of(plan, launch), Status::kNotFound);
}

TEST(Box, FailingStepNamesItselfPathAndErrno) {
  Plan plan = system_plan();
  plan.binds.push_back({"/nonexistent-agentbox", "/shown"});
  std::string message;
  EXPECT_EQ(status_of(plan, shell(""), &message), Status::kFailed);
  EXPECT_EQ(message,
            "box set-up failed at \"bind system directory\" (/nonexistent-agentbox): "
            "No such file or directory (ENOENT)");
  plan.binds.back().optional = true;
  EXPECT_EQ(status_of(plan, shell("exit 0")), Status{});
}

TEST(Box, HostNameFilesAndDirectories) {
  Plan plan = system_plan();
  plan.host_name = "canary-host";
  plan.files.push_back({"/etc/deep/note", "text\n"});
  plan.directories.push_back("/opt/empty");
  Running running(plan, shell("uname -n; cat /etc/deep/note; ls -A /opt/empty; "
                              "echo x > /etc/deep/note || echo read-only"));
  EXPECT_EQ(read_to_end(running.handles.output.get()), "canary-host\ntext\nread-only\n");
}

TEST(Box, IdentityAndOwnershipAreTrue) {
  Running running(system_plan(), shell("id -u; id -g; stat -c %u /usr/bin/bash"));
  const std::string owner = ::geteuid() == 0 ? "0" : "65534";
  EXPECT_EQ(read_to_end(running.handles.output.get()),
            std::to_string(::geteuid()) + "\n" + std::to_string(::getegid()) + "\n" + owner + "\n");
}

TEST(Box, SecretsDirectoryIsWrittenOutsideAndReadInside) {
  Box box = Box::start(system_plan());
  Handles handles = box.handles();
  box.wait_ready();
  UniqueFd file = base::open_at(handles.secrets.get(), "token", O_WRONLY | O_CREAT | O_EXCL, 0400);
  base::write_all(file.get(), "canary-secret\n");
  file.reset();
  // A socket in it can be connected to, though the mount is read-only.
  UniqueFd listener(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  std::snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/broker.sock",
                handles.secrets.get());
  ASSERT_EQ(::bind(listener.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  ASSERT_EQ(::listen(listener.get(), 1), 0);
  box.launch(
      shell("cd /run/agentbox/secrets; stat -c %a .; cat token; echo x > new || echo ro1; "
            "rm -f token || echo ro2; echo x > token || echo ro3; "
            "perl -MIO::Socket::UNIX -e 'print {IO::Socket::UNIX->new(Peer => "
            "\"broker.sock\") or die} \"hello\"' && echo connected"));
  UniqueFd peer(::accept(listener.get(), nullptr, nullptr));
  EXPECT_EQ(read_to_end(peer.get()), "hello");
  EXPECT_EQ(read_to_end(handles.output.get()), "700\ncanary-secret\nro1\nro2\nro3\nconnected\n");
}

TEST(Box, ScratchHomeIsMountedNowhere) {
  Plan plan = system_plan();
  plan.scratch_home = true;
  Box box = Box::start(plan);
  Handles handles = box.handles();
  box.wait_ready();
  base::write_all(
      base::open_at(handles.scratch_home.get(), "file", O_WRONLY | O_CREAT | O_EXCL, 0600).get(),
      "text");
  box.launch(shell("grep -c agentbox-home /proc/self/mountinfo"));
  EXPECT_EQ(read_to_end(handles.output.get()), "0\n");
  box.kill();  // it lives as long as its descriptor, not as the box
  UniqueFd file = base::open_at(handles.scratch_home.get(), "file", O_RDONLY);
  EXPECT_EQ(base::read_all(file.get(), 10, "file"), "text");
}

TEST(Box, SocketsOfTheBoxAnswerOnLocalRoutes) {
  Plan plan = system_plan();
  plan.local_routes = {"198.18.0.0/15", "fd00:ab::/64"};
  plan.sockets.push_back({false, "0.0.0.0", 443});
  plan.sockets.push_back({true, "127.0.0.1", 53});
  plan.sockets.push_back({false, "::1", 8080});
  Box box = Box::start(plan);
  Handles handles = box.handles();
  ASSERT_EQ(handles.sockets.size(), 3U);
  box.wait_ready();
  box.launch(
      shell("exec 3<>/dev/tcp/198.18.77.5/443; head -c 5 <&3; "
            "(: <>/dev/tcp/192.0.2.1/443) 2>&1 | grep -q unreachable && echo 1"));
  UniqueFd peer(::accept(handles.sockets[0].get(), nullptr, nullptr));
  sockaddr_in local = {};
  socklen_t size = sizeof local;
  ::getsockname(peer.get(), reinterpret_cast<sockaddr*>(&local), &size);
  char text[INET_ADDRSTRLEN];
  EXPECT_STREQ(::inet_ntop(AF_INET, &local.sin_addr, text, sizeof text), "198.18.77.5");
  base::write_all(peer.get(), "hello");
  EXPECT_EQ(read_to_end(handles.output.get()), "hello1\n");
}

TEST(Box, ViewsAreMountedOuterBeforeInner) {
  Plan plan = system_plan();
  plan.views = {"/home/user", "/home/user/project"};
  plan.binds.push_back({"/usr/share", "/home/user/project/share"});
  plan.working_directory = "/home/user/project";
  Box box = Box::start(plan);
  Handles handles = box.handles();
  ASSERT_EQ(handles.views.size(), 2U);
  {
    TinyView outer(std::move(handles.views[0]), {"project"});
    TinyView inner(std::move(handles.views[1]), {"share"});
    box.wait_ready();
    box.launch(shell(
        "pwd; grep -c ' fuse.agentbox agentbox ' /proc/self/mountinfo; ls share | grep -c ^doc$; "
        "cat /home/user/none 2>&1 | grep -c 'No such file'"));
    EXPECT_EQ(read_to_end(handles.output.get()), "/home/user/project\n2\n1\n1\n");
    await(box, Event::Kind::kExited);
    box.kill();  // unmounts: the servers end
  }
}

TEST(Box, MissingMountPointInAViewIsAnError) {
  Plan plan = system_plan();
  plan.views = {"/home/user", "/home/user/absent"};
  Box box = Box::start(plan);
  Handles handles = box.handles();
  {
    TinyView outer(std::move(handles.views[0]), {"project"});
    handles.views[1].reset();
    try {
      box.wait_ready();
      ADD_FAILURE() << "no error";
    } catch (const Error& error) {
      EXPECT_STREQ(error.what(),
                   "box set-up failed at \"mount live view\" (/home/user/absent): "
                   "No such file or directory (ENOENT)");
    }
    box.kill();
  }
}

TEST(Box, WritableBindsWriteThrough) {
  char name[] = "/tmp/agentbox-box-XXXXXX";
  const std::string directory = ::mkdtemp(name);
  Plan plan = system_plan();
  plan.binds.push_back({directory, "/work", true});
  plan.binds.push_back({"/usr/share", "/work/below/share"});
  ::mkdir((directory + "/below").c_str(), 0755);
  ::mkdir((directory + "/below/share").c_str(), 0755);
  Running running(plan, shell("cd /work && echo x > new && mv new below/old && "
                              "mkdir below/share/x; ls below/share | grep -c ^doc$"));
  EXPECT_EQ(read_to_end(running.handles.output.get()), "1\n");
  running.status();
  EXPECT_EQ(base::read_file(directory + "/below/old", 10), "x\n");
  running.box.kill();
  EXPECT_EQ(::system(("rm -r " + directory).c_str()), 0);
}

TEST(Box, DestroyedBoxLeavesNoProcess) {
  UniqueFd output;
  {
    Running running(system_plan(),
                    shell("(trap '' HUP TERM; setsid sleep 1000) & echo ready; wait"));
    read_until(running.handles.output.get(), "ready\n");
    output = std::move(running.handles.output);
  }
  EXPECT_EQ(read_to_end(output.get()), "");  // the end: no one holds the other side
}

TEST(Box, BackgroundProcessesEndWithTheCommand) {
  Running running(system_plan(), shell("setsid sleep 1000 & exit 0"));
  EXPECT_EQ(running.status(), 0);
  EXPECT_EQ(read_to_end(running.handles.output.get()), "");
}

TEST(Box, KilledSupervisorLeavesNothing) {
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  UniqueFd ours(ends[0]), theirs(ends[1]);
  const pid_t supervisor = ::fork();
  if (supervisor == 0) {
    ours.reset();
    Running running(system_plan(), shell("setsid sleep 1000 & echo ready; wait"));
    read_until(running.handles.output.get(), "ready");
    // The test sees the end of both: the box's output, and our own end of the pipe.
    base::write_all(theirs.get(), "r");
    for (;;) {
      ::pause();
    }
  }
  theirs.reset();
  char byte = 0;
  ASSERT_EQ(::read(ours.get(), &byte, 1), 1);
  const std::string children = base::read_file(
      "/proc/" + std::to_string(supervisor) + "/task/" + std::to_string(supervisor) + "/children",
      4096);
  const pid_t init = std::atoi(children.c_str());
  ASSERT_GT(init, 1);
  UniqueFd process(static_cast<int>(::syscall(SYS_pidfd_open, init, 0)));
  ASSERT_TRUE(process);
  ::kill(supervisor, SIGKILL);
  ::waitpid(supervisor, nullptr, 0);
  // Readable when init is gone, which the kernel lets happen only after all others.
  pollfd ended = {process.get(), POLLIN, 0};
  EXPECT_EQ(::poll(&ended, 1, 30'000), 1);
}

TEST(Box, UmaskAndLimitsReachTheCommand) {
  Plan plan = system_plan();
  plan.limits.files = 77;
  plan.limits.memory = std::uint64_t{512} << 20;
  const mode_t before = ::umask(027);
  Running running(plan, shell("umask; ulimit -n; ulimit -Hc; ulimit -d"));
  ::umask(before);
  EXPECT_EQ(read_to_end(running.handles.output.get()), "0027\n77\n0\n524288\n");
}

TEST(Box, SeveralBoxesLiveSideBySide) {
  Running first(system_plan(), shell("echo one; read line; echo $line"));
  Running second(system_plan(), shell("ls /proc | grep -c '^[0-9]'; exit 2"));
  EXPECT_EQ(WEXITSTATUS(second.status()), 2);
  second.box.kill();
  base::write_all(first.handles.input.get(), "still here\n");
  EXPECT_EQ(read_to_end(first.handles.output.get()), "one\nstill here\n");
  EXPECT_EQ(first.status(), 0);
}

}  // namespace
}  // namespace agentbox::box
