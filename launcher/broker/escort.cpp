#include "launcher/broker/escort.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <optional>
#include <string_view>

#include "base/error.h"
#include "base/file.h"
#include "launcher/broker/child.h"

namespace agentbox::broker {

namespace {

// What a killed command's status is (waitpid(2)).
int killed_by(int number) { return number; }

class Signals {
 public:
  Signals() {
    sigset_t handled;
    ::sigemptyset(&handled);
    for (const int number : {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGWINCH}) {
      ::sigaddset(&handled, number);
    }
    base::check(::sigprocmask(SIG_BLOCK, &handled, nullptr), "block", "signals");
    descriptor_.reset(static_cast<int>(
        base::check(::signalfd(-1, &handled, SFD_CLOEXEC | SFD_NONBLOCK), "signalfd")));
    ::signal(SIGPIPE, SIG_IGN);
  }

  int descriptor() const { return descriptor_.get(); }
  int next() const {
    signalfd_siginfo information;
    return ::read(descriptor_.get(), &information, sizeof information) == sizeof information
               ? static_cast<int>(information.ssi_signo)
               : 0;
  }

 private:
  base::UniqueFd descriptor_;
};

// The child's terminal does the echo and the line editing.
class RawTerminal {
 public:
  RawTerminal() {
    base::check(::tcgetattr(STDIN_FILENO, &before_), "read the settings of", "the terminal");
    termios raw = before_;
    ::cfmakeraw(&raw);
    base::check(::tcsetattr(STDIN_FILENO, TCSADRAIN, &raw), "set up", "the terminal");
  }
  ~RawTerminal() { ::tcsetattr(STDIN_FILENO, TCSADRAIN, &before_); }
  RawTerminal(const RawTerminal&) = delete;
  RawTerminal& operator=(const RawTerminal&) = delete;

 private:
  termios before_ = {};
};

// One stream whose bytes are copied.
class Copy {
 public:
  // `ours` is the end of the pipe on this side, `own` the process's own stream.
  Copy(base::UniqueFd ours, int own, bool inward) : ours_(std::move(ours)), inward_(inward) {
    (inward ? from_ : to_) = own;
    (inward ? to_ : from_) = ours_.get();
    if (inward) {
      base::check(::fcntl(to_, F_SETFL, O_NONBLOCK), "set up", "a pipe");
    }
  }

  bool open() const { return static_cast<bool>(ours_); }
  // What to wait for; a pipe whose reader has gone shows too.
  pollfd source() const { return {open() && begin_ == end_ ? from_ : -1, POLLIN, 0}; }
  pollfd sink() const {
    return {open() && inward_ ? to_ : -1, static_cast<short>(begin_ < end_ ? POLLOUT : 0), 0};
  }

  void pull() {
    const ssize_t size = ::read(from_, buffer_.data(), buffer_.size());
    if (size < 0 && (errno == EINTR || errno == EAGAIN)) {
      return;
    }
    if (size <= 0) {
      ours_.reset();
      return;
    }
    begin_ = 0;
    end_ = static_cast<std::size_t>(size);
    push();
  }

  void push() {
    while (begin_ < end_) {
      const ssize_t size = ::write(to_, buffer_.data() + begin_, end_ - begin_);
      if (size < 0 && errno == EINTR) {
        continue;
      }
      if (size < 0 && errno == EAGAIN && inward_) {
        return;
      }
      if (size < 0 && errno == EAGAIN) {
        pollfd room = {to_, POLLOUT, 0};  // another has made our output non-blocking
        ::poll(&room, 1, -1);
        continue;
      }
      if (size < 0) {
        ours_.reset();
        begin_ = end_ = 0;
        return;
      }
      begin_ += static_cast<std::size_t>(size);
    }
  }

 private:
  base::UniqueFd ours_;
  bool inward_;
  int from_ = -1, to_ = -1;
  std::array<char, 16384> buffer_;
  std::size_t begin_ = 0, end_ = 0;
};

class Escort {
 public:
  Escort(const std::string& socket_path, SpawnRequest request, const Escorted& told);
  int run();

 private:
  std::array<int, 3> stdio();
  bool take_signals();
  void wait();
  void drain();

  const Escorted& told_;
  SpawnRequest request_;
  Signals signals_;
  std::array<base::UniqueFd, 3> theirs_;
  std::array<std::optional<Copy>, 3> copies_;
  std::optional<Child> child_;
  std::optional<RawTerminal> raw_;
  bool started_ = false;
  std::optional<int> status_;
};

Escort::Escort(const std::string& socket_path, SpawnRequest request, const Escorted& told)
    : told_(told), request_(std::move(request)) {
  winsize window = {};
  request_.terminal = !request_.detach && !request_.messages && ::isatty(STDIN_FILENO) == 1 &&
                      ::isatty(STDOUT_FILENO) == 1 &&
                      ::ioctl(STDIN_FILENO, TIOCGWINSZ, &window) == 0;
  request_.rows = window.ws_row;
  request_.columns = window.ws_col;
  child_.emplace(socket_path, request_, request_.detach ? std::array{-1, -1, -1} : stdio());
  for (base::UniqueFd& one : theirs_) {
    one.reset();
  }
}

// The ends that the child gets.
std::array<int, 3> Escort::stdio() {
  std::array<int, 3> given = {};
  for (int i = 0; i < 3; ++i) {
    const auto at = static_cast<std::size_t>(i);
    const bool inward = i == 0;
    if (is_pipe(i, inward)) {
      given[at] = i;
      continue;
    }
    int ends[2];
    base::check(::pipe2(ends, O_CLOEXEC), "create", "a pipe");
    theirs_[at].reset(ends[inward ? 0 : 1]);
    copies_[at].emplace(base::UniqueFd(ends[inward ? 1 : 0]), i, inward);
    given[at] = theirs_[at].get();
  }
  return given;
}

int Escort::run() {
  while (!status_) {
    while (const auto event = child_->next()) {
      switch (event->kind) {
        case Child::Event::Kind::kWaiting:
          told_.waiting(event->message);
          break;
        case Child::Event::Kind::kStarted:
          started_ = true;
          told_.started(event->receipt);
          if (request_.terminal) {
            raw_.emplace();
          }
          break;
        case Child::Event::Kind::kEnded:
          status_ = event->status;
          break;
      }
      if (status_) {
        break;
      }
    }
    if (!status_) {
      wait();
    }
  }
  drain();
  return *status_;
}

void Escort::wait() {
  std::array<pollfd, 8> polled = {pollfd{child_->descriptor(), POLLIN, 0},
                                  pollfd{signals_.descriptor(), POLLIN, 0}};
  for (std::size_t i = 0; i < copies_.size(); ++i) {
    polled[2 + 2 * i] = copies_[i] && started_ ? copies_[i]->source() : pollfd{-1, 0, 0};
    polled[3 + 2 * i] = copies_[i] && started_ ? copies_[i]->sink() : pollfd{-1, 0, 0};
  }
  if (::poll(polled.data(), polled.size(), -1) < 0 && errno != EINTR) {
    base::check(-1, "wait for", "the child");
  }
  for (std::size_t i = 0; i < copies_.size(); ++i) {
    if ((polled[3 + 2 * i].revents & POLLOUT) != 0) {
      copies_[i]->push();
    } else if (polled[3 + 2 * i].revents != 0) {
      copies_[i].reset();  // it takes no more input
    } else if (polled[2 + 2 * i].revents != 0) {
      copies_[i]->pull();
    }
  }
  if (polled[1].revents != 0 && !take_signals()) {
    status_ = status_.value_or(killed_by(SIGTERM));
  }
}

// False: nothing has been started yet, and now nothing shall be.
bool Escort::take_signals() {
  while (const int number = signals_.next()) {
    winsize window = {};
    if (number != SIGWINCH && !started_) {
      status_ = killed_by(number);
      return false;
    }
    if (number != SIGWINCH) {
      child_->signal(number);
    } else if (request_.terminal && ::ioctl(STDIN_FILENO, TIOCGWINSZ, &window) == 0) {
      child_->resize(window.ws_row, window.ws_col);
    }
  }
  return true;
}

// The last of the output: the child's supervisor closes the pipes when it has written all.
void Escort::drain() {
  copies_[0].reset();
  for (std::size_t i = 1; i < copies_.size(); ++i) {
    while (started_ && copies_[i] && copies_[i]->open()) {
      copies_[i]->pull();
    }
  }
}

}  // namespace

int escort(const std::string& socket_path, SpawnRequest request, const Escorted& told) {
  return Escort(socket_path, std::move(request), told).run();
}

}  // namespace agentbox::broker
