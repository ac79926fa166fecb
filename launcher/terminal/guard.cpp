#include "launcher/terminal/guard.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <new>

#include "base/error.h"
#include "base/unique_fd.h"

namespace agentbox::terminal {
namespace {

// In the guard process: only async-signal-safe calls.
[[noreturn]] void watch(int terminal, int parent, const termios& settings,
                        const GuardState& state) {
  setsid();
  prctl(PR_SET_NAME, "agentbox-guard");
  prctl(PR_SET_DUMPABLE, 0);
  // All else that was inherited would keep pipes and sockets open after the parent's end.
  constexpr int kTerminal = 0, kParent = 1;
  const int high_terminal = fcntl(terminal, F_DUPFD, 10);
  const int high_parent = fcntl(parent, F_DUPFD, 10);
  if (high_terminal < 0 || high_parent < 0 || dup2(high_terminal, kTerminal) < 0 ||
      dup2(high_parent, kParent) < 0) {
    _exit(1);
  }
  close_range(2, ~0U, 0);
  pollfd ended{kParent, POLLIN, 0};
  while (poll(&ended, 1, -1) < 0 && errno == EINTR) {
  }
  if (state.active.load()) {
    switch_off(state.modes.load(), [](std::string_view text) {
      while (write(kTerminal, text.data(), text.size()) < 0 && errno == EINTR) {
      }
    });
    // TCSAFLUSH: what the terminal answered to the command is not for the shell.
    tcsetattr(kTerminal, TCSAFLUSH, &settings);
  }
  _exit(0);
}

}  // namespace

Guard::Guard(int terminal, const termios& settings) {
  void* const shared =
      mmap(nullptr, sizeof(GuardState), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (shared == MAP_FAILED) {
    base::check(-1, "map shared memory");
  }
  state_ = new (shared) GuardState{};
  const base::UniqueFd self(static_cast<int>(syscall(SYS_pidfd_open, getpid(), 0)));
  // No exit signal: nobody else's wait(2) or SIGCHLD handler meets the guard. Signals stay blocked.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  process_ = self ? static_cast<pid_t>(syscall(SYS_clone, 0, nullptr, nullptr, nullptr, 0)) : -1;
  if (process_ == 0) {
    watch(terminal, self.get(), settings, *state_);
  }
  const int error = errno;
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (process_ < 0) {
    munmap(shared, sizeof(GuardState));
    throw base::SystemError("start", "the terminal's guard process", error);
  }
}

Guard::~Guard() {
  state_->active.store(false);
  kill(process_, SIGKILL);
  while (waitpid(process_, nullptr, __WCLONE) < 0 && errno == EINTR) {
  }
  munmap(state_, sizeof(GuardState));
}

}  // namespace agentbox::terminal
