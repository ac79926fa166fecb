#include "launcher/terminal/user_terminal.h"

#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <string_view>

#include "base/error.h"

namespace agentbox::terminal {
namespace {

// How long a terminal may take to answer, across a slow link.
constexpr std::chrono::milliseconds kAnswerTime{250};

// A terminal that hung up takes nothing any more; there is nobody left to tell.
void write_to(int terminal, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = write(terminal, text.data(), text.size());
    if (written < 0 && errno == EAGAIN) {
      pollfd room{terminal, POLLOUT, 0};
      poll(&room, 1, -1);
    } else if (written < 0 && errno != EINTR) {
      return;
    } else if (written > 0) {
      text.remove_prefix(static_cast<std::size_t>(written));
    }
  }
}

}  // namespace

UserTerminal::UserTerminal(int input, int output) : input_(input), output_(output) {
  base::check(tcgetattr(input_, &settings_), "read the settings of", "the terminal");
  guard_.emplace(input_, settings_);
  resume();
}

UserTerminal::~UserTerminal() {
  if (!suspended_) {
    end_string();
    switch_off(guard_->state().modes.load(),
               [this](std::string_view text) { write_to(output_, text); });
    if (queried_) {
      swallow_answers();
    }
    suspend();
  }
}

void UserTerminal::show(std::string_view text) const { write_to(output_, text); }

void UserTerminal::end_string() {
  if (open_string_) {
    write_to(output_, "\033\\");
    open_string_ = false;
  }
}

void UserTerminal::suspend() {
  tcsetattr(input_, TCSANOW, &settings_);
  guard_->state().active.store(false);
  suspended_ = true;
}

void UserTerminal::resume() {
  termios raw = settings_;
  cfmakeraw(&raw);
  guard_->state().active.store(true);
  const int result = tcsetattr(input_, TCSANOW, &raw);
  if (result < 0 && errno != EIO) {  // EIO: it hung up; the command is told with SIGHUP
    base::check(result, "change the settings of", "the terminal");
  }
  suspended_ = false;
}

// A terminal answers in order: once it has answered a last question of ours (primary device
// attributes, ESC [ ? … c), no answer to the command can come after.
void UserTerminal::swallow_answers() {
  write_to(output_, "\033[c");
  const auto deadline = std::chrono::steady_clock::now() + kAnswerTime;
  enum { kOutside, kEscape, kControl, kReply } where = kOutside;
  for (;;) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
        deadline - std::chrono::steady_clock::now());
    pollfd ready{input_, POLLIN, 0};
    char byte;
    if (left.count() <= 0 || poll(&ready, 1, static_cast<int>(left.count())) <= 0 ||
        read(input_, &byte, 1) != 1) {
      break;
    }
    if (byte == '\033') {
      where = kEscape;
    } else if (where == kEscape) {
      where = byte == '[' ? kControl : kOutside;
    } else if (where == kControl) {
      where = byte == '?' ? kReply : kOutside;
    } else if (where == kReply && byte == 'c') {
      break;
    } else if (where == kReply && byte != ';' && (byte < '0' || byte > '9')) {
      where = kOutside;
    }
  }
  tcflush(input_, TCIFLUSH);
}

}  // namespace agentbox::terminal
