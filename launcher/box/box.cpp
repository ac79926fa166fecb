#include "launcher/box/box.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/capability.h>
#include <sys/socket.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <sstream>

#include "base/encode.h"
#include "base/error.h"
#include "base/file.h"
#include "launcher/box/cgroup.h"
#include "launcher/box/control.h"
#include "launcher/box/init.h"
#include "launcher/box/landlock.h"
#include "launcher/box/setup.h"

namespace agentbox::box {

using base::check;
using base::Error;
using base::Status;
using base::SystemError;
using base::UniqueFd;

struct Box::State {
  std::optional<Cgroup> cgroup;  // goes after the processes in it
  Context context;
  std::vector<Step> steps;
  std::size_t views = 0, overlays = 0, sockets = 0;
  bool terminal = false, scratch_home = false, guarded = false;
  UniqueFd control, launch, process;  // `process` is the pidfd of the box's first process
  bool exited = false;                // kExited has been reported
};

namespace {

constexpr unsigned long kNamespaces = CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET |
                                      CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP;

// Where the process's argument and environment strings lie (proc(5), /proc/[pid]/stat). Also holds
// the process to a single thread.
void find_strings(Context& context) {
  const std::string text = base::read_file("/proc/self/stat", 4096);
  // The second field is a file name in parentheses, which may hold anything.
  std::istringstream fields(text.substr(text.rfind(')') + 2));
  std::vector<std::string> values;
  for (std::string value; fields >> value;) {
    values.push_back(value);
  }
  constexpr std::size_t kThreads = 20 - 3, kArgumentsBegin = 48 - 3, kEnvironmentEnd = 51 - 3;
  if (values.size() <= kEnvironmentEnd || values[kThreads] != "1") {
    throw Error(Status::kFailed, "a box can only be started by a process with a single thread");
  }
  context.arguments_begin = reinterpret_cast<char*>(std::stoull(values[kArgumentsBegin]));
  context.environment_end = reinterpret_cast<char*>(std::stoull(values[kEnvironmentEnd]));
}

// The outer /proc, verified: identity maps written to a file that only looks like it would be lost.
UniqueFd open_proc() {
  UniqueFd proc = base::open_at(AT_FDCWD, "/proc", O_PATH | O_DIRECTORY);
  struct statfs status = {};
  check(::fstatfs(proc.get(), &status), "stat", "/proc");
  if (status.f_type != PROC_SUPER_MAGIC) {
    throw Error(Status::kFailed, "/proc is not a proc file system", "mount -t proc proc /proc");
  }
  return proc;
}

bool may_map_all_ids() {
  cap_t capabilities = cap_get_proc();
  if (capabilities == nullptr) {
    throw SystemError("read", "capabilities", errno);
  }
  const auto has = [&](cap_value_t capability) {
    cap_flag_value_t value = CAP_CLEAR;
    cap_get_flag(capabilities, capability, CAP_EFFECTIVE, &value);
    return value == CAP_SET;
  };
  const bool result = ::geteuid() == 0 && has(CAP_SETUID) && has(CAP_SETGID);
  cap_free(capabilities);
  return result;
}

// Every range of ids that exists here, mapped to itself.
std::string identity_map(int proc, const std::string& name) {
  UniqueFd file = base::open_at(proc, "self/" + name, O_RDONLY);
  std::istringstream lines(base::read_all(file.get(), 65536, "/proc/self/" + name));
  std::string map;
  for (std::string inside, outside, count; lines >> inside >> outside >> count;) {
    map += inside;
    map += ' ';
    map += inside;
    map += ' ';
    map += count;
    map += '\n';
  }
  return map;
}

void write_map(int proc, pid_t process, const std::string& name, const std::string& map) {
  const std::string path = std::to_string(process) + "/" + name;
  UniqueFd file = base::open_at(proc, path, O_WRONLY);
  // One write: the kernel takes a map whole or not at all.
  check(::write(file.get(), map.data(), map.size()), "write", "/proc/" + path);
}

struct Pair {
  UniqueFd ours, theirs;
};

Pair socket_pair(int type) {
  int ends[2];
  check(::socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, ends), "create", "a socket pair");
  return {UniqueFd(ends[0]), UniqueFd(ends[1])};
}

// Blocks all signals in its life, so that no handler of the supervisor runs in the clone.
class SignalBlock {
 public:
  SignalBlock() {
    sigset_t all;
    ::sigfillset(&all);
    check(::sigprocmask(SIG_SETMASK, &all, &before_), "block", "signals");
  }
  ~SignalBlock() { ::sigprocmask(SIG_SETMASK, &before_, nullptr); }
  SignalBlock(const SignalBlock&) = delete;
  SignalBlock& operator=(const SignalBlock&) = delete;

 private:
  sigset_t before_;
};

// Into the box's control group from the first instant, where it has one.
pid_t clone_box(const std::optional<Cgroup>& cgroup, int& process) {
  if (!cgroup) {
    return static_cast<pid_t>(
        ::syscall(SYS_clone, kNamespaces | CLONE_PIDFD, nullptr, &process, nullptr, 0));
  }
  clone_args arguments = {};
  arguments.flags = kNamespaces | CLONE_PIDFD | CLONE_INTO_CGROUP;
  arguments.pidfd = reinterpret_cast<std::uintptr_t>(&process);
  arguments.cgroup = static_cast<std::uint64_t>(cgroup->descriptor());
  return static_cast<pid_t>(::syscall(SYS_clone3, &arguments, sizeof arguments));
}

// "Permission denied (EACCES)".
std::string describe(int error) {
  return std::string(::strerror(error)) + " (" + base::errno_name(error) + ")";
}

Error failed_step(const std::vector<Step>& steps, const Report& report) {
  const Step* step = report.step < steps.size() ? &steps[report.step] : nullptr;
  std::string text = "box set-up failed at \"";
  text += step != nullptr               ? step->name
          : report.step == kPrepareStep ? "prepare process"
                                        : "start command";
  text += '"';
  if (step != nullptr && !step->subject.empty()) {
    text += " (";
    text += base::printable(step->subject);
    text += ')';
  }
  text += ": ";
  text += describe(report.value);
  return Error(Status::kFailed, text, step != nullptr ? hint(*step, report.value) : "");
}

// One message; nullopt at the end of the socket. With MSG_DONTWAIT also if there is none: `none`.
struct Received {
  bool end = false, none = false;
  Report report;
  std::vector<UniqueFd> descriptors;
};

Received receive(int socket, int flags) {
  Received result;
  alignas(cmsghdr) char space[CMSG_SPACE(kMostHandles * sizeof(int))];
  iovec part = {&result.report, sizeof result.report};
  msghdr message = {};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = space;
  message.msg_controllen = sizeof space;
  ssize_t size = 0;
  do {
    size = ::recvmsg(socket, &message, flags | MSG_CMSG_CLOEXEC);
  } while (size < 0 && errno == EINTR);
  if (size < 0 && errno == EAGAIN) {
    result.none = true;
    return result;
  }
  for (cmsghdr* header = size > 0 ? CMSG_FIRSTHDR(&message) : nullptr; header != nullptr;
       header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS) {
      const std::size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
      std::vector<int> numbers(count);
      std::memcpy(numbers.data(), CMSG_DATA(header), count * sizeof(int));
      for (int number : numbers) {
        result.descriptors.emplace_back(number);
      }
    }
  }
  // ECONNRESET: the box died with an order still unread.
  if (size == 0 || (size < 0 && errno == ECONNRESET)) {
    result.end = true;
  } else if (size < 0) {
    throw SystemError("receive", "from the box", errno);
  } else if (size != static_cast<ssize_t>(sizeof result.report) ||
             (message.msg_flags & MSG_CTRUNC) != 0) {
    throw Error(Status::kFailed, "a message of the box was cut short",
                "raise the limit of open files (ulimit -n)");
  }
  return result;
}

void send_all(int socket, std::string_view data) {
  while (!data.empty()) {
    const ssize_t sent = ::send(socket, data.data(), data.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) {
      continue;
    }
    check(sent, "send", "the command to the box");
    data.remove_prefix(static_cast<std::size_t>(sent));
  }
}

Error cannot_execute(const std::string& program, int error) {
  std::string text = "cannot run ";
  text += base::printable(program);
  text += ": ";
  text += describe(error);
  if (error == ENOENT) {
    return Error(Status::kNotFound, text,
                 "the file, or the interpreter in its first line, is not shown in the box");
  }
  return Error(Status::kCannotRun, text,
               error == ENOEXEC ? "a script needs a first line such as #!/bin/sh" : "");
}

std::string clone_hint(int error) {
  if (error == EPERM || error == EACCES) {
    return "user namespaces are switched off here: sudo sysctl -w "
           "kernel.unprivileged_userns_clone=1 (Debian), or start the container with "
           "--security-opt seccomp=unconfined";
  }
  if (error == ENOSPC || error == EUSERS) {
    return "raise the limit: sudo sysctl -w user.max_user_namespaces=10000";
  }
  return {};
}

}  // namespace

Box::Box(State* state) : state_(state) {}

Box::Box(Box&& other) noexcept : state_(std::exchange(other.state_, nullptr)) {}

Box& Box::operator=(Box&& other) noexcept {
  std::swap(state_, other.state_);
  return *this;
}

Box::~Box() {
  if (state_ != nullptr) {
    kill();
    delete state_;
  }
}

Box Box::start(const Plan& plan) {
  Box box(new State);
  State& state = *box.state_;
  Context& context = state.context;
  find_strings(context);
  context.landlock_abi = landlock_abi();
  context.identity_by_supervisor = may_map_all_ids();
  context.no_capabilities = cap_init();
  if (context.no_capabilities == nullptr) {
    throw SystemError("allocate", "capabilities", errno);
  }
  if (std::optional<Cgroup> cgroup = Cgroup::make(plan.limits)) {
    state.cgroup.emplace(std::move(*cgroup));
  }
  context.cgroup = state.cgroup.has_value();
  state.steps = compile(plan, context);
  state.views = plan.views.size();
  state.overlays = plan.overlays.size();
  state.sockets = plan.sockets.size();
  state.terminal = plan.terminal;
  state.scratch_home = plan.scratch_home;
  state.guarded = plan.guarded;

  const UniqueFd proc = open_proc();
  Pair control = socket_pair(SOCK_SEQPACKET);
  Pair launch = socket_pair(SOCK_STREAM);
  std::string user_map, group_map;
  if (context.identity_by_supervisor) {
    user_map = identity_map(proc.get(), "uid_map");
    group_map = identity_map(proc.get(), "gid_map");
  }
  int process = -1;
  pid_t pid = 0;
  {
    SignalBlock block;
    // No exit signal: the supervisor's handlers and wait(2) calls never see this child.
    pid = clone_box(state.cgroup, process);
    if (pid == 0) {
      run_init(context, state.steps, control.theirs.get(), launch.theirs.get(), proc.get());
    }
  }
  if (pid < 0) {
    throw SystemError("create", "the box's namespaces", errno, clone_hint(errno));
  }
  state.process.reset(process);
  state.control = std::move(control.ours);
  state.launch = std::move(launch.ours);
  if (context.identity_by_supervisor) {
    write_map(proc.get(), pid, "uid_map", user_map);
    write_map(proc.get(), pid, "gid_map", group_map);
    const char done = 1;
    check(::send(state.control.get(), &done, sizeof done, MSG_NOSIGNAL), "send", "to the box");
  }
  return box;
}

namespace {

Received expect(int control, const std::vector<Step>& steps, Report::Kind kind) {
  Received received = receive(control, 0);
  if (received.end) {
    throw Error(Status::kFailed, "the box died during its set-up",
                "the kernel log may say why (dmesg): out of memory, or killed from outside");
  }
  if (received.report.kind == Report::Kind::kFailed) {
    throw failed_step(steps, received.report);
  }
  if (received.report.kind != kind) {
    throw Error(Status::kFailed, "the box sent an unexpected message");
  }
  return received;
}

}  // namespace

Handles Box::handles() {
  Received received = expect(state_->control.get(), state_->steps, Report::Kind::kHandles);
  auto& descriptors = received.descriptors;
  const std::size_t count = state_->views + state_->overlays + state_->sockets + 1 +
                            (state_->guarded ? 2 : 0) +
                            (state_->scratch_home ? 1 : 0) + (state_->terminal ? 1 : 3);
  if (descriptors.size() != count) {
    throw Error(Status::kFailed, "the box handed out the wrong number of descriptors");
  }
  Handles handles;
  auto next = descriptors.begin();
  const auto take = [&] { return std::move(*next++); };
  for (std::size_t i = 0; i < state_->views; ++i) {
    handles.views.push_back(take());
  }
  for (std::size_t i = 0; i < state_->overlays; ++i) {
    handles.overlays.push_back(take());
  }
  for (std::size_t i = 0; i < state_->sockets; ++i) {
    handles.sockets.push_back(take());
  }
  if (state_->guarded) {
    handles.users = take();
    handles.mounts = take();
  }
  handles.secrets = take();
  if (state_->scratch_home) {
    handles.scratch_home = take();
  }
  if (state_->terminal) {
    handles.terminal = take();
  } else {
    handles.input = take();
    handles.output = take();
    handles.error = take();
  }
  return handles;
}

void Box::wait_ready() { expect(state_->control.get(), state_->steps, Report::Kind::kReady); }

void Box::launch(const Launch& launch) {
  if (!launch.program.starts_with('/')) {
    throw Error(Status::kNotFound, "not an absolute path: " + base::printable(launch.program));
  }
  LaunchHeader header;
  std::string text = launch.program;
  text += '\0';
  header.program = text.size();
  for (const std::string& argument : launch.arguments) {
    if (argument.find('\0') != std::string::npos) {
      throw Error(Status::kConfiguration, "an argument holds a NUL byte");
    }
    text += argument;
    text += '\0';
  }
  header.arguments = text.size() - header.program;
  header.argument_count = launch.arguments.size();
  const std::string_view environment = launch.environment.reveal();
  if (!environment.empty() && environment.back() != '\0') {
    throw Error(Status::kConfiguration, "the environment does not end in a NUL byte");
  }
  header.environment = environment.size();
  header.environment_count =
      static_cast<std::uint64_t>(std::count(environment.begin(), environment.end(), '\0'));
  text.insert(0, reinterpret_cast<const char*>(&header), sizeof header);
  send_all(state_->launch.get(), text);
  send_all(state_->launch.get(), environment);

  std::int32_t error = 0;
  ssize_t size = 0;
  do {
    size = ::recv(state_->launch.get(), &error, sizeof error, MSG_WAITALL);
  } while (size < 0 && errno == EINTR);
  check(size, "receive", "from the command's process");
  if (size != 0) {
    throw cannot_execute(launch.program, error);
  }
}

int Box::event_descriptor() const { return state_->control.get(); }

std::optional<Event> Box::next_event() {
  if (state_->exited) {
    return std::nullopt;
  }
  const Received received = receive(state_->control.get(), MSG_DONTWAIT);
  if (received.none) {
    return std::nullopt;
  }
  Event event;
  if (received.end) {
    state_->exited = true;
    event.status = SIGKILL;
    return event;
  }
  event.status = received.report.value;
  switch (received.report.kind) {
    case Report::Kind::kStopped:
      event.kind = Event::Kind::kStopped;
      break;
    case Report::Kind::kContinued:
      event.kind = Event::Kind::kContinued;
      break;
    case Report::Kind::kExited:
      state_->exited = true;
      break;
    default:
      throw Error(Status::kFailed, "the box sent an unexpected message");
  }
  return event;
}

void Box::signal(int number) {
  const Order order{number};
  // A box that is gone needs no signal; its end comes as an event.
  if (::send(state_->control.get(), &order, sizeof order, MSG_NOSIGNAL) < 0 && errno != EPIPE &&
      errno != ECONNRESET) {
    throw SystemError("send", "a signal to the box", errno);
  }
}

void Box::kill() {
  if (!state_->process) {
    return;
  }
  ::syscall(SYS_pidfd_send_signal, state_->process.get(), SIGKILL, nullptr, 0);
  siginfo_t information = {};
  // Returns once the PID namespace is empty (pid_namespaces(7)).
  while (::waitid(P_PIDFD, static_cast<id_t>(state_->process.get()), &information,
                  WEXITED | __WALL) < 0 &&
         errno == EINTR) {
  }
  state_->process.reset();
}

UniqueFd Box::process() const {
  return UniqueFd(static_cast<int>(
      check(::fcntl(state_->process.get(), F_DUPFD_CLOEXEC, 0), "duplicate", "a pidfd")));
}

}  // namespace agentbox::box
