#include "launcher/session/notice.h"

#include <pthread.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <string_view>

#include "base/error.h"
#include "resolver/process.h"

namespace agentbox::session {

namespace {

constexpr std::chrono::seconds kPatience{5};

// The body of a notice may hold markup (Desktop Notifications Specification 1.2).
std::string without_markup(const std::string& text) {
  std::string result;
  for (const char letter : text) {
    switch (letter) {
      case '<':
        result += "&lt;";
        break;
      case '>':
        result += "&gt;";
        break;
      case '&':
        result += "&amp;";
        break;
      default:
        result += letter;
    }
  }
  return result;
}

}  // namespace

Notice::Notice() {
  constexpr std::array kNeeded = {
      "DBUS_SESSION_BUS_ADDRESS", "DISPLAY",    "HOME",           "LANG",
      "WAYLAND_DISPLAY",          "XAUTHORITY", "XDG_RUNTIME_DIR"};
  if (std::getenv("DISPLAY") == nullptr && std::getenv("WAYLAND_DISPLAY") == nullptr) {
    return;
  }
  for (const char* name : kNeeded) {
    if (const char* value = std::getenv(name)) {
      environment_.push_back(std::string(name) + '=' + value);
    }
  }
  for (const char* path : {"/usr/bin/notify-send", "/usr/local/bin/notify-send"}) {
    if (::access(path, X_OK) == 0) {
      program_ = path;
      return;
    }
  }
}

Notice::~Notice() {
  if (running_.joinable()) {
    running_.join();
  }
}

void Notice::show(const std::string& title, const std::string& text) {
  const std::lock_guard lock(mutex_);
  if (program_.empty() || busy_) {
    return;
  }
  if (running_.joinable()) {
    running_.join();
  }
  resolver::Command command;
  command.program = program_;
  command.arguments = {"notify-send", "--app-name=agentbox", "--",
                       "agentbox: " + without_markup(title), without_markup(text)};
  for (const std::string& variable : environment_) {
    command.environment.push_back(variable.c_str());
  }
  busy_ = true;
  // The session's signals are for its own threads.
  sigset_t all;
  sigset_t before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  running_ = std::thread([this, command = std::move(command)] {
    try {
      resolver::run(command, std::chrono::steady_clock::now() + kPatience);
    } catch (const base::Error&) {
      // Only a notice: the request waits in the terminal and for `agentbox approve` as well.
    }
    const std::lock_guard done(mutex_);
    busy_ = false;
  });
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

}  // namespace agentbox::session
