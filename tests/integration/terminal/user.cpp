#include "tests/integration/terminal/user.h"

#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utmp.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <stdexcept>
#include <thread>

namespace agentbox::terminal {

User::User(const std::vector<std::string>& command) {
  winsize size{24, 80, 0, 0};
  if (openpty(&master_, &slave_, nullptr, nullptr, &size) != 0) {
    throw std::runtime_error("openpty");
  }
  fcntl(master_, F_SETFD, FD_CLOEXEC);
  fcntl(slave_, F_SETFD, FD_CLOEXEC);
  process_ = fork();
  if (process_ == 0) {
    login_tty(slave_);
    unsetenv("PROMPT_COMMAND");
    setenv("PS1", "$ ", 1);
    setenv("TERM", "xterm-256color", 1);
    std::vector<char*> argv;
    for (const std::string& argument : command) {
      argv.push_back(const_cast<char*>(argument.c_str()));
    }
    argv.push_back(nullptr);
    execvp(argv[0], argv.data());
    _exit(127);
  }
}

User::~User() {
  if (!ended_) {
    kill(process_, SIGKILL);
    waitpid(process_, nullptr, 0);
  }
  close(slave_);
  close(master_);
}

void User::type(const std::string& keys) {
  if (write(master_, keys.data(), keys.size()) != static_cast<ssize_t>(keys.size())) {
    throw std::runtime_error("the terminal took no keys");
  }
}

bool User::read_some(int timeout_ms) {
  pollfd ready{master_, POLLIN, 0};
  if (poll(&ready, 1, timeout_ms) <= 0) {
    return false;
  }
  char buffer[65536];
  const ssize_t count = read(master_, buffer, sizeof buffer);
  if (count <= 0) {
    return false;
  }
  screen_.append(buffer, static_cast<std::size_t>(count));
  for (Answer& answer : answers_) {
    for (std::size_t at; (at = screen_.find(answer.ask, answer.searched)) != std::string::npos;) {
      answer.searched = at + answer.ask.size();
      std::this_thread::sleep_for(std::chrono::milliseconds(answer.delay_ms));
      type(answer.reply);
    }
  }
  return true;
}

bool User::sees(const std::string& text) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  for (;;) {
    const std::size_t at = screen_.find(text, seen_);
    if (at != std::string::npos) {
      seen_ = at + text.size();
      return true;
    }
    if (std::chrono::steady_clock::now() > deadline) {
      return false;
    }
    if (!read_some(100) && !ended_ && waitpid(process_, &status_, WNOHANG) == process_) {
      ended_ = true;
    } else if (ended_ && !read_some(0)) {
      return screen_.find(text, seen_) != std::string::npos;
    }
  }
}

bool User::ends() {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (!ended_ && std::chrono::steady_clock::now() < deadline) {
    read_some(10);
    ended_ = waitpid(process_, &status_, WNOHANG) == process_;
  }
  while (read_some(20)) {
  }
  return ended_;
}

termios User::settings() const {
  termios settings{};
  tcgetattr(slave_, &settings);
  return settings;
}

bool User::raw() const { return (settings().c_lflag & (ICANON | ISIG | ECHO)) == 0; }

void User::resize(unsigned short rows, unsigned short columns) {
  winsize size{rows, columns, 0, 0};
  ioctl(master_, TIOCSWINSZ, &size);
}

void User::answer(const std::string& ask, const std::string& reply, int delay_ms) {
  answers_.push_back({ask, reply, delay_ms, screen_.size()});
}

std::vector<std::string> driver(const std::vector<std::string>& options,
                                const std::vector<std::string>& command) {
  std::vector<std::string> all = {RELAY_DRIVER};
  all.insert(all.end(), options.begin(), options.end());
  all.emplace_back("--");
  all.insert(all.end(), command.begin(), command.end());
  return all;
}

}  // namespace agentbox::terminal
