#include "launcher/box/init.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>

#include "launcher/box/control.h"
#include "launcher/box/steps.h"

namespace agentbox::box {

namespace {

constexpr char kName[] = "agentbox-init";

[[noreturn]] void fail(int control, std::size_t step, int error) {
  Report report;
  report.step = static_cast<std::uint32_t>(step);
  report.value = error;
  send_report(control, report);
  ::_exit(125);
}

// Puts the descriptors onto their fixed numbers and closes all that the supervisor had open.
bool arrange_descriptors(int control, int launch, int proc) {
  // First out of the way of the fixed numbers.
  control = ::fcntl(control, F_DUPFD_CLOEXEC, kFirstFree);
  launch = ::fcntl(launch, F_DUPFD_CLOEXEC, kFirstFree);
  proc = ::fcntl(proc, F_DUPFD_CLOEXEC, kFirstFree);
  if (control < 0 || launch < 0 || proc < 0 || ::dup3(control, kControl, O_CLOEXEC) < 0 ||
      ::dup3(launch, kLaunch, O_CLOEXEC) < 0 || ::dup3(proc, kProc, O_CLOEXEC) < 0 ||
      ::close_range(kFirstFree, ~0U, 0) < 0) {
    return false;
  }
  // The supervisor's terminal or log must not stay open in here.
  const int device = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  const int null = ::fcntl(device, F_DUPFD_CLOEXEC, kFirstFree);
  if (null < 0) {
    return false;
  }
  for (int number : {0, 1, 2, kInput, kOutput, kError}) {
    if (::dup3(null, number, number <= 2 ? 0 : O_CLOEXEC) < 0) {
      return false;
    }
  }
  return ::close_range(kFirstFree, ~0U, 0) == 0;
}

void reset_signals() {
  struct sigaction standard = {};
  standard.sa_handler = SIG_DFL;
  for (int number = 1; number < NSIG; ++number) {
    ::sigaction(number, &standard, nullptr);  // fails for SIGKILL, SIGSTOP and libc's own
  }
}

// Reads exactly `size` bytes; 0, an errno, or EPIPE at an early end.
int read_all(int fd, char* data, std::size_t size) {
  while (size > 0) {
    const ssize_t got = ::read(fd, data, size);
    if (got < 0 && errno != EINTR) {
      return errno;
    }
    if (got == 0) {
      return EPIPE;
    }
    if (got > 0) {
      data += got;
      size -= static_cast<std::size_t>(got);
    }
  }
  return 0;
}

// Splits `size` bytes of NUL-terminated strings; false if there are not exactly `count`.
bool split(char* data, std::size_t size, char** pointers, std::size_t count) {
  std::size_t at = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const void* end = at < size ? std::memchr(data + at, 0, size - at) : nullptr;
    if (end == nullptr) {
      return false;
    }
    pointers[i] = data + at;
    at = static_cast<std::size_t>(static_cast<const char*>(end) - data) + 1;
  }
  pointers[count] = nullptr;
  return at == size;
}

// Waits for what to execute, on memory that execve(2) takes away; returns an errno.
int execute(Context& context) {
  LaunchHeader header;
  int error = read_all(kLaunch, reinterpret_cast<char*>(&header), sizeof header);
  if (error != 0) {
    return error;
  }
  constexpr std::uint64_t kMost = std::uint64_t{1} << 30;
  if (header.program > kMost || header.arguments > kMost || header.environment > kMost ||
      header.argument_count > header.arguments || header.environment_count > header.environment) {
    return E2BIG;
  }
  const std::size_t pointers =
      (header.argument_count + header.environment_count + 2) * sizeof(char*);
  const std::size_t text = header.program + header.arguments + header.environment;
  void* memory =
      ::mmap(nullptr, pointers + text, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) {
    return errno;
  }
  auto** arguments = static_cast<char**>(memory);
  char** environment = arguments + header.argument_count + 1;
  char* program = static_cast<char*>(memory) + pointers;
  error = read_all(kLaunch, program, text);
  if (error != 0) {
    return error;
  }
  char* arguments_text = program + header.program;
  if (!split(arguments_text, header.arguments, arguments, header.argument_count) ||
      !split(arguments_text + header.arguments, header.environment, environment,
             header.environment_count)) {
    return EINVAL;
  }
  if (!context.command_directory.source.empty()) {
    error = enter_directory(context, context.command_directory);
    if (error != 0) {
      return error;
    }
  }
  error = context.guarded ? refuse_set_id_modes() : 0;
  if (error != 0) {
    return error;
  }
  if (::dup2(kInput, 0) < 0 || ::dup2(kOutput, 1) < 0 || ::dup2(kError, 2) < 0 ||
      ::close_range(kInput, ~0U, 0) < 0 || ::close(kControl) < 0) {
    return errno;
  }
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::execve(program, arguments, environment);
  return errno;
}

// The command's process, until execve(2) closes the launch socket or the errno is written to it.
[[noreturn]] void run_command(Context& context) {
  ::umask(context.umask);
  const std::int32_t error = execute(context);
  ::send(kLaunch, &error, sizeof error, MSG_NOSIGNAL);
  ::_exit(127);
}

pid_t start_command(Context& context) {
  // Not fork(3), which runs handlers and takes libc's locks.
  const auto command = static_cast<pid_t>(::syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0));
  if (command == 0) {
    run_command(context);
  }
  if (command > 0 && ::setpgid(command, command) < 0) {
    return -1;
  }
  if (command > 0 && context.terminal && ::ioctl(kInput, TIOCSPGRP, &command) < 0) {
    return -1;
  }
  return command;
}

void deliver(const Context& context, pid_t command, int number) {
  pid_t group = command;
  if (context.terminal) {
    pid_t foreground = 0;
    if (::ioctl(kInput, TIOCGPGRP, &foreground) == 0 && foreground > 1) {
      group = foreground;
    }
  }
  ::kill(-group, number);
}

// Collects every child that changed; true once the command has ended.
bool reap(pid_t command) {
  for (;;) {
    int status = 0;
    const pid_t child = ::wait4(-1, &status, WNOHANG | WUNTRACED | WCONTINUED, nullptr);
    if (child <= 0) {
      return false;
    }
    if (child != command) {
      continue;
    }
    Report report;
    report.value = status;
    report.kind = WIFSTOPPED(status)     ? Report::Kind::kStopped
                  : WIFCONTINUED(status) ? Report::Kind::kContinued
                                         : Report::Kind::kExited;
    send_report(kControl, report);
    if (report.kind == Report::Kind::kExited) {
      return true;
    }
  }
}

// Ends with the command or with the supervisor; the kernel then kills all that is left in the PID
// namespace before the box counts as gone (pid_namespaces(7)).
[[noreturn]] void watch(const Context& context, pid_t command, int signals) {
  for (;;) {
    pollfd events[] = {{signals, POLLIN, 0}, {kControl, POLLIN, 0}};
    if (::poll(events, 2, -1) < 0 && errno != EINTR) {
      ::_exit(125);
    }
    if (events[1].revents != 0) {
      Order order;
      const ssize_t size = ::recv(kControl, &order, sizeof order, MSG_DONTWAIT);
      if (size == 0 || (size < 0 && errno != EAGAIN && errno != EINTR)) {
        ::_exit(0);
      }
      if (size == static_cast<ssize_t>(sizeof order)) {
        deliver(context, command, order.signal);
      }
    }
    if (events[0].revents != 0) {
      signalfd_siginfo information;
      while (::read(signals, &information, sizeof information) > 0) {
      }
      if (reap(command)) {
        ::_exit(0);
      }
    }
  }
}

}  // namespace

void run_init(Context& context, const std::vector<Step>& steps, int control, int launch, int proc) {
  // What the supervisor was started with (tokens, for one) has no business in here.
  std::memset(context.arguments_begin, 0,
              static_cast<std::size_t>(context.environment_end - context.arguments_begin));
  for (char** variable = environ; variable != nullptr && *variable != nullptr; ++variable) {
    ::explicit_bzero(*variable, std::strlen(*variable));
  }
  std::memcpy(context.arguments_begin, kName, sizeof kName);

  reset_signals();
  if (!arrange_descriptors(control, launch, proc) || ::prctl(PR_SET_NAME, kName, 0, 0, 0) < 0 ||
      ::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0 || ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0) {
    fail(control, kPrepareStep, errno);
  }
  context.umask = ::umask(0);
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const int error = steps[i].run(context, steps[i]);
    if (error != 0) {
      fail(kControl, i, error);
    }
  }
  // All signals are blocked since before the clone.
  sigset_t child;
  ::sigemptyset(&child);
  ::sigaddset(&child, SIGCHLD);
  const int signals = ::signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK);
  if (signals < 0) {
    fail(kControl, kStartStep, errno);
  }
  const pid_t command = start_command(context);
  if (command < 0) {
    fail(kControl, kStartStep, errno);
  }
  ::close(kLaunch);
  // One descriptor of the terminal stays: it tells which process group is in front.
  if (::close_range(context.terminal ? kOutput : kInput, kError, 0) < 0) {
    fail(kControl, kStartStep, errno);
  }
  Report ready;
  ready.kind = Report::Kind::kReady;
  if (send_report(kControl, ready) != 0) {
    ::_exit(125);
  }
  watch(context, command, signals);
}

}  // namespace agentbox::box
