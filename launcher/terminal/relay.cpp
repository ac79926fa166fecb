#include "launcher/terminal/relay.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <memory>
#include <utility>
#include <vector>

#include "base/error.h"
#include "launcher/terminal/asking.h"
#include "launcher/terminal/output.h"
#include "launcher/terminal/user_terminal.h"

namespace agentbox::terminal {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr milliseconds kEchoQuiet{20};     // then a short held prefix is shown
constexpr milliseconds kStopQuiet{30};     // then a stopped command has shown all it wrote
constexpr milliseconds kExitQuiet{100};    // the same for one that ended, its terminal still open
constexpr milliseconds kDrainLimit{2000};  // for one whose children go on writing
constexpr milliseconds kHangUpRetry{100};  // a PTY that nobody has open may be opened again
constexpr milliseconds kBackgroundRetry{200};  // a background job may come to the foreground
constexpr milliseconds kPatience{5000};    // between the SIGTERM that asks and the one that kills
constexpr std::size_t kInputSize = 16384;  // bytes
constexpr int kForwarded[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP};

// Blocks what the relay handles, ignores SIGPIPE; as before at the end.
class SignalScope {
 public:
  SignalScope() {
    sigset_t handled;
    sigemptyset(&handled);
    for (int number : kForwarded) {
      sigaddset(&handled, number);
    }
    sigaddset(&handled, SIGCONT);
    sigaddset(&handled, SIGWINCH);
    descriptor_.reset(signalfd(-1, &handled, SFD_CLOEXEC | SFD_NONBLOCK));
    base::check(descriptor_.get(), "create", "a descriptor for signals");
    pthread_sigmask(SIG_BLOCK, &handled, &mask_);
    struct sigaction ignore {};
    ignore.sa_handler = SIG_IGN;
    sigaction(SIGPIPE, &ignore, &pipe_);
  }
  ~SignalScope() {
    sigaction(SIGPIPE, &pipe_, nullptr);
    pthread_sigmask(SIG_SETMASK, &mask_, nullptr);
  }
  SignalScope(const SignalScope&) = delete;
  SignalScope& operator=(const SignalScope&) = delete;

  int descriptor() const { return descriptor_.get(); }

  // The next signal, or 0.
  int next() {
    signalfd_siginfo info;
    return read(descriptor_.get(), &info, sizeof info) == sizeof info
               ? static_cast<int>(info.ssi_signo)
               : 0;
  }

 private:
  base::UniqueFd descriptor_;
  sigset_t mask_;
  struct sigaction pipe_ {};
};

// Stops the process group as a terminal does at Ctrl-Z: the shell has to see all of a pipeline
// stop, and a script that started us, too. Returns once continued; at once in an orphaned group,
// which nobody could continue (setpgid(2)).
void stop_group() {
  sigset_t stop;
  sigemptyset(&stop);
  sigaddset(&stop, SIGTSTP);
  kill(0, SIGTSTP);
  pthread_sigmask(SIG_UNBLOCK, &stop, nullptr);
  pthread_sigmask(SIG_BLOCK, &stop, nullptr);
}

void copy_window_size(int from, int to) {
  winsize size{};
  if (ioctl(from, TIOCGWINSZ, &size) == 0) {
    ioctl(to, TIOCSWINSZ, &size);
  }
}

class Relay {
 public:
  Relay(Streams streams, Process& process, const MaskSet& masks, Questions* questions);
  int run();

 private:
  bool uses_terminal() const { return master_ >= 0; }
  bool holds_output() const { return asking_ && asking_->holds_output(); }
  void end_asking() {
    if (asking_) {
      asking_->close();
    }
  }
  void wait();
  milliseconds patience() const;
  void take_signals();
  void take_signal(int number);
  void take_events();
  void take_input();
  void give_input();
  void end_input();
  void close_input();
  void take_output(Output& output);
  void note_output(Output& output);
  void go_on();
  void suspend();
  void drain();
  bool done() const;
  bool in_background() const;

  Process& process_;
  SignalScope signals_;
  Stream user_input_;
  int window_;  // the user's terminal, if any
  std::vector<std::unique_ptr<Output>> outputs_;
  int master_ = -1;           // owned by its Output
  base::UniqueFd box_input_;  // pipe
  std::unique_ptr<UserTerminal> terminal_;
  std::optional<Asking> asking_;  // where there is one
  resolver::Secret input_{kInputSize};  // users type secrets
  std::size_t input_begin_ = 0, input_end_ = 0;
  bool reading_ = true, parked_ = false, hung_up_ = false, abandoned_ = false, told_ = false;
  std::optional<int> status_;
  std::optional<Clock::time_point> asked_, stopped_;
  Clock::time_point active_ = Clock::now(), exited_;
};

Relay::Relay(Streams streams, Process& process, const MaskSet& masks, Questions* questions)
    : process_(process),
      user_input_(streams.user_input, Stream::Direction::kRead),
      window_(streams.user_input) {
  if (streams.terminal) {
    master_ = streams.terminal.get();
    outputs_.push_back(
        std::make_unique<Output>(std::move(streams.terminal), streams.user_output, masks, true));
    copy_window_size(window_, master_);
    if (user_input_.is_terminal()) {
      const Stream& output = outputs_[0]->sink();
      terminal_ = std::make_unique<UserTerminal>(
          streams.user_input, output.is_terminal() ? streams.user_output : streams.user_input);
      if (output.is_terminal()) {
        asking_.emplace(questions, *terminal_, window_, master_);
      }
    }
    return;
  }
  box_input_ = std::move(streams.input);
  if (box_input_) {
    base::check(fcntl(box_input_.get(), F_SETFL, O_NONBLOCK), "set up", "the command's input");
  } else {
    reading_ = false;
  }
  outputs_.push_back(
      std::make_unique<Output>(std::move(streams.output), streams.user_output, masks, false,
                               streams.messages));
  outputs_.push_back(
      std::make_unique<Output>(std::move(streams.error), streams.user_error, masks, false));
}

int Relay::run() {
  take_events();
  while (!done()) {
    if (asking_) {
      asking_->go_on(*outputs_[0]);
    }
    wait();
    if (status_) {
      drain();
    }
    if (stopped_ && !status_) {
      const auto now = Clock::now();
      const bool shown = now - std::max(*stopped_, active_) >= kStopQuiet &&
                         !std::any_of(outputs_.begin(), outputs_.end(),
                                      [](const auto& o) { return o->has_waiting(); });
      if (shown || now - *stopped_ >= kDrainLimit) {
        suspend();
      }
    }
  }
  return *status_;
}

bool Relay::done() const {
  return status_ && (abandoned_ || std::all_of(outputs_.begin(), outputs_.end(), [](const auto& o) {
                       return o->finished() && !o->has_waiting();
                     }));
}

// A background job that reads from its terminal is stopped; one that merely could, is not.
bool Relay::in_background() const {
  if (!user_input_.is_terminal()) {
    return false;
  }
  const pid_t foreground = tcgetpgrp(user_input_.descriptor());
  return foreground > 0 && foreground != getpgrp();
}

milliseconds Relay::patience() const {
  milliseconds least{-1};
  const auto at_most = [&](milliseconds limit) {
    least = least.count() < 0 ? limit : std::min(least, limit);
  };
  const bool held = holds_output();
  if (uses_terminal() && outputs_[0]->holding() && !held) {
    at_most(kEchoQuiet);
  }
  if (stopped_ || status_) {
    at_most(kStopQuiet);
  }
  if (hung_up_) {
    at_most(kHangUpRetry);
  }
  if (parked_) {
    at_most(kBackgroundRetry);
  }
  if (asking_ && asking_->due()) {
    at_most(std::max(milliseconds(0), std::chrono::ceil<milliseconds>(*asking_->due() - Clock::now())));
  }
  return least;
}

void Relay::wait() {
  parked_ = reading_ && in_background();
  const bool input_waiting = input_begin_ < input_end_;
  const int destination = uses_terminal() ? master_ : box_input_.get();
  std::vector<pollfd> polled = {
      {signals_.descriptor(), POLLIN, 0},
      {status_ ? -1 : process_.event_descriptor(), POLLIN, 0},
      {reading_ && !input_waiting && !parked_ ? user_input_.descriptor() : -1, POLLIN, 0},
      // Without events: reports a pipe whose reader is gone.
      {input_waiting || !uses_terminal() ? destination : -1,
       static_cast<short>(input_waiting ? POLLOUT : 0), 0},
  };
  const bool held = holds_output();
  for (const auto& output : outputs_) {
    const bool waiting = output->has_waiting();
    polled.push_back(
        {output->open() && !waiting && !hung_up_ && !held ? output->source() : -1, POLLIN, 0});
    const bool watch = waiting || (output->sink().reports_loss() && output->open());
    polled.push_back({watch && !output->sink_lost() ? output->sink().descriptor() : -1,
                      static_cast<short>(waiting ? POLLOUT : 0), 0});
  }
  polled.push_back({asking_ ? asking_->changed() : -1, POLLIN, 0});
  const int ready = poll(polled.data(), polled.size(), static_cast<int>(patience().count()));
  if (ready < 0 && errno != EINTR) {
    base::check(-1, "wait for", "the command");
  }
  if (ready <= 0) {
    if (uses_terminal() && !held) {
      outputs_[0]->release_echo();
      outputs_[0]->push();
      hung_up_ = false;
    }
    return;
  }
  if (polled[3].revents & POLLOUT) {
    give_input();
  } else if (polled[3].revents != 0) {
    close_input();
  }
  if (polled[2].revents != 0) {
    take_input();
  }
  for (std::size_t i = 0; i < outputs_.size(); ++i) {
    Output& output = *outputs_[i];
    const short sink = polled[5 + 2 * i].revents;
    if (sink & POLLOUT) {
      output.push();
    } else if (sink != 0) {
      output.lose_sink();
    }
    if (polled[4 + 2 * i].revents != 0 && output.open()) {
      take_output(output);
    }
    note_output(output);
  }
  if (polled.back().revents != 0) {
    asking_->take_change();
  }
  if (polled[1].revents != 0) {
    take_events();
  }
  take_signals();
}

void Relay::take_output(Output& output) {
  switch (output.pull()) {
    case Output::Pull::kSome:
      active_ = Clock::now();
      output.push();
      break;
    case Output::Pull::kNothing:
      break;
    case Output::Pull::kEnd:
      if (uses_terminal() && !status_) {
        hung_up_ = true;  // until the end, another process may open it
      } else {
        output.finish();
        output.push();
      }
      break;
  }
}

// Tells the user's terminal what there will be to restore, and the command of a user who left.
void Relay::note_output(Output& output) {
  if (terminal_ && output.filter() && !holds_output()) {
    terminal_->note_modes(output.filter()->modes());
    terminal_->note_open_string(output.filter()->inside_string());
    if (output.filter()->queries() > 0) {
      terminal_->note_query();
    }
  }
  if (uses_terminal() && output.sink_lost() && !told_) {
    told_ = true;
    process_.signal(SIGHUP);
  }
}

void Relay::take_input() {
  char* const data = input_.bytes().data();
  const ssize_t count = user_input_.read(data, kInputSize);
  if (count > 0) {
    input_begin_ = 0;
    input_end_ = static_cast<std::size_t>(count);
    if (asking_) {
      bool key = false;
      input_end_ = asking_->take(input_.reveal().substr(0, input_end_), key);
      if (key) {
        data[input_end_++] = kReservedKey;
      }
      if (input_end_ == 0) {
        return;
      }
    }
    if (uses_terminal()) {
      outputs_[0]->masker().typed(input_.reveal().substr(0, input_end_));
    }
    give_input();
  } else if (count == 0 || errno != EAGAIN) {
    end_input();
  }
}

void Relay::give_input() {
  const int destination = uses_terminal() ? master_ : box_input_.get();
  ssize_t count;
  do {
    count = write(destination, input_.bytes().data() + input_begin_, input_end_ - input_begin_);
  } while (count < 0 && errno == EINTR);
  if (count >= 0) {
    input_begin_ += static_cast<std::size_t>(count);
  } else if (errno != EAGAIN) {
    close_input();
  }
}

// The user's input has ended: the command's does, too.
void Relay::end_input() {
  reading_ = false;
  if (!uses_terminal()) {
    box_input_.reset();
  } else if (user_input_.is_terminal()) {
    if (!told_) {
      told_ = true;
      process_.signal(SIGHUP);  // the terminal hung up
    }
  } else {
    termios settings{};
    if (tcgetattr(master_, &settings) == 0 && (settings.c_lflag & ICANON)) {
      input_.bytes()[0] = static_cast<char>(settings.c_cc[VEOF]);
      input_begin_ = 0;
      input_end_ = 1;
      give_input();
    }
  }
}

// The command takes no more input.
void Relay::close_input() {
  reading_ = uses_terminal() && reading_;
  input_begin_ = input_end_ = 0;
  box_input_.reset();
}

void Relay::take_events() {
  while (!status_) {
    const auto event = process_.next_event();
    if (!event) {
      return;
    }
    switch (event->change) {
      case Process::Change::kStopped:
        stopped_ = Clock::now();
        end_asking();
        break;
      case Process::Change::kContinued:
        stopped_.reset();
        break;
      case Process::Change::kExited:
        status_ = event->status;
        exited_ = Clock::now();
        hung_up_ = false;
        reading_ = false;
        end_asking();
        close_input();
        break;
    }
  }
}

// The command is gone. A PTY passes on its last bytes a moment later (a kernel worker does it) and
// reports the end unless a child of the command still has it open; pipes hold all at once.
void Relay::drain() {
  const auto now = Clock::now();
  for (const auto& output : outputs_) {
    while (output->open() && !output->has_waiting()) {
      const Output::Pull pulled = output->pull();
      if (pulled == Output::Pull::kSome) {
        active_ = Clock::now();
        output->push();
        note_output(*output);
        if (now - exited_ < kDrainLimit) {
          continue;
        }
      }
      if (pulled == Output::Pull::kNothing && uses_terminal() &&
          now - std::max(exited_, active_) < kExitQuiet) {
        break;
      }
      output->finish();
      output->push();
    }
  }
}

void Relay::take_signals() {
  while (const int number = signals_.next()) {
    take_signal(number);
  }
}

void Relay::take_signal(int number) {
  switch (number) {
    case SIGWINCH:
      if (uses_terminal()) {
        copy_window_size(window_, master_);
      }
      if (asking_) {
        asking_->redraw();
      }
      return;
    case SIGCONT:
      go_on();
      return;
    case SIGTSTP:
      break;
    case SIGTERM: {
      const auto now = Clock::now();
      if (asked_ && now - *asked_ >= kPatience) {
        process_.signal(SIGKILL);
        return;
      }
      asked_ = asked_.value_or(now);
      [[fallthrough]];
    }
    default:
      abandoned_ |= status_.has_value();  // the user waits no longer for the last of the output
  }
  if (!status_) {
    process_.signal(number);
  }
}

void Relay::go_on() {
  if (terminal_) {
    terminal_->resume();
    copy_window_size(window_, master_);
  }
  if (!status_) {
    process_.signal(SIGCONT);
  }
}

void Relay::suspend() {
  stopped_.reset();
  if (terminal_) {
    terminal_->suspend();
  }
  stop_group();
  while (const int number = signals_.next()) {
    if (number != SIGCONT && number != SIGTSTP) {
      take_signal(number);
    }
  }
  go_on();
}

}  // namespace

void adopt_settings(int user_input, int terminal) {
  termios settings{};
  if (tcgetattr(user_input, &settings) < 0) {
    return;
  }
  // On the master, both calls act on the command's side (ioctl_tty(2)).
  base::check(tcsetattr(terminal, TCSANOW, &settings), "set up", "the command's terminal");
  copy_window_size(user_input, terminal);
}

int relay(Streams streams, Process& process, const MaskSet& masks, Questions* questions) {
  return Relay(std::move(streams), process, masks, questions).run();
}

}  // namespace agentbox::terminal
