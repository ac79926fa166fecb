// Runs a command behind relay() with no box around it:
//   relay_driver [--pipes] [--mask NAME=VALUE]… [--ask LINE]… [--answers FILE] -- COMMAND [ARGUMENT]…
// Each --ask waits for an answer, which is noted in FILE: "NUMBER yes".
// Ends as a shell says it: the command's exit status, or 128 and its signal.
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <fstream>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "launcher/terminal/relay.h"

namespace {

using agentbox::base::check;
using agentbox::base::UniqueFd;
using agentbox::terminal::Process;

// The command has a parent in its own session, as a box's init is: without, its process group would
// be an orphaned one, which the kernel does not stop at Ctrl-Z (setpgid(2)). The parent reports
// each change through a pipe.
class Child : public Process {
 public:
  Child(pid_t parent, UniqueFd reports, int master)
      : parent_(parent), reports_(std::move(reports)), master_(master) {
    check(read(reports_.get(), &command_, sizeof command_), "read");
    check(fcntl(reports_.get(), F_SETFL, O_NONBLOCK), "fcntl");
  }
  ~Child() override { waitpid(parent_, nullptr, 0); }
  int event_descriptor() const override { return reports_.get(); }
  std::optional<Event> next_event() override {
    int status = 0;
    if (read(reports_.get(), &status, sizeof status) != sizeof status) {
      return std::nullopt;
    }
    return Event{WIFSTOPPED(status)     ? Change::kStopped
                 : WIFCONTINUED(status) ? Change::kContinued
                                        : Change::kExited,
                 status};
  }
  void signal(int number) override {
    const pid_t foreground = master_ >= 0 ? tcgetpgrp(master_) : -1;
    kill(foreground > 0 ? -foreground : -command_, number);
  }

 private:
  pid_t parent_, command_ = -1;
  UniqueFd reports_;
  int master_;
};

[[noreturn]] void become(char** command, const char* slave, const int* descriptors, int reports) {
  setsid();
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (slave != nullptr) {
    const int terminal = open(slave, O_RDWR);
    ioctl(terminal, TIOCSCTTY, 0);
    for (int i = 0; i < 3; ++i) {
      dup2(terminal, i);
    }
    close(terminal);
  } else {
    for (int i = 0; i < 3; ++i) {
      dup2(descriptors[i], i);
    }
  }
  const pid_t process = fork();
  if (process == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    setpgid(0, 0);
    if (slave != nullptr) {
      tcsetpgrp(0, getpid());  // SIGTTOU is still blocked
    }
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, nullptr);
    execvp(command[0], command);
    _exit(127);
  }
  // All ends of the pipes are the command's and the relay's alone.
  dup2(reports, 0);
  reports = 0;
  close_range(1, ~0U, 0);
  check(write(reports, &process, sizeof process), "write");
  int status = 0;
  do {
    waitpid(process, &status, WUNTRACED | WCONTINUED);
    check(write(reports, &status, sizeof status), "write");
  } while (!WIFEXITED(status) && !WIFSIGNALED(status));
  _exit(0);
}

class Asked : public agentbox::terminal::Questions {
 public:
  Asked(std::vector<std::string> lines, std::string answers)
      : lines_(std::move(lines)),
        answers_(std::move(answers)),
        changed_(static_cast<int>(check(eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK), "eventfd"))) {}
  int changed() const override { return changed_.get(); }
  std::optional<agentbox::terminal::Question> first() override {
    if (next_ == lines_.size()) {
      return std::nullopt;
    }
    return agentbox::terminal::Question{.id = next_ + 1,
                                        .title = "question " + std::to_string(next_ + 1),
                                        .lines = {lines_[next_]},
                                        .others = lines_.size() - next_ - 1};
  }
  void answer(std::uint64_t id, bool yes) override {
    std::ofstream(answers_, std::ios::app) << id << (yes ? " yes\n" : " no\n");
    next_ = id;
    const std::uint64_t one = 1;
    check(write(changed_.get(), &one, sizeof one), "write");
  }

 private:
  std::vector<std::string> lines_;
  std::string answers_;
  UniqueFd changed_;
  std::size_t next_ = 0;
};

int run(int argc, char** argv) {
  bool pipes = false;
  std::vector<std::string> questions;
  std::string answers = "/dev/null";
  agentbox::terminal::MaskSet masks;
  int i = 1;
  for (; i < argc && std::strcmp(argv[i], "--") != 0; ++i) {
    if (std::strcmp(argv[i], "--pipes") == 0) {
      pipes = true;
    } else if (std::strcmp(argv[i], "--ask") == 0 && i + 1 < argc) {
      questions.push_back(argv[++i]);
    } else if (std::strcmp(argv[i], "--answers") == 0 && i + 1 < argc) {
      answers = argv[++i];
    } else if (std::strcmp(argv[i], "--mask") == 0 && i + 1 < argc) {
      const std::string mask = argv[++i];
      const std::size_t at = mask.find('=');
      masks.add(mask.substr(0, at),
                agentbox::resolver::Secret(std::string_view(mask).substr(at + 1)));
    }
  }
  masks.compile();
  char** const command = argv + i + 1;

  sigset_t blocked;
  sigemptyset(&blocked);
  for (int number : {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP, SIGCONT, SIGWINCH, SIGTTOU}) {
    sigaddset(&blocked, number);
  }
  sigprocmask(SIG_BLOCK, &blocked, nullptr);

  int reports[2];
  check(pipe2(reports, O_CLOEXEC), "pipe");
  agentbox::terminal::Streams streams;
  pid_t process;
  if (pipes) {
    int in[2], out[2], err[2];
    check(pipe2(in, O_CLOEXEC), "pipe");
    check(pipe2(out, O_CLOEXEC), "pipe");
    check(pipe2(err, O_CLOEXEC), "pipe");
    process = static_cast<pid_t>(check(fork(), "fork"));
    if (process == 0) {
      const int descriptors[] = {in[0], out[1], err[1]};
      become(command, nullptr, descriptors, reports[1]);
    }
    close(in[0]);
    close(out[1]);
    close(err[1]);
    streams.input.reset(in[1]);
    streams.output.reset(out[0]);
    streams.error.reset(err[0]);
  } else {
    streams.terminal.reset(
        static_cast<int>(check(posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC), "posix_openpt")));
    const int master = streams.terminal.get();
    check(grantpt(master), "grantpt");
    check(unlockpt(master), "unlockpt");
    char slave[64];
    check(ptsname_r(master, slave, sizeof slave), "ptsname_r");
    agentbox::terminal::adopt_settings(0, master);
    process = static_cast<pid_t>(check(fork(), "fork"));
    if (process == 0) {
      become(command, slave, nullptr, reports[1]);
    }
  }
  close(reports[1]);
  Child child(process, UniqueFd(reports[0]), streams.terminal.get());
  std::optional<Asked> asked;
  if (!questions.empty()) {
    asked.emplace(questions, answers);
  }
  const int status = agentbox::terminal::relay(std::move(streams), child, masks,
                                               asked ? &*asked : nullptr);
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

}  // namespace

int main(int argc, char** argv) {
  // A descriptor of our own must not pass for a standard stream that the caller closed.
  int null = open("/dev/null", O_RDWR);
  while (null >= 0 && null <= 2) {
    null = open("/dev/null", O_RDWR);
  }
  close(null);
  try {
    return run(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "relay_driver: %s\n", error.what());
    return 125;
  }
}
