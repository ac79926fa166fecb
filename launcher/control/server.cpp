#include "launcher/control/server.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <optional>
#include <thread>

#include "base/encode.h"
#include "base/error.h"
#include "base/unique_fd.h"
#include "launcher/broker/broker.h"
#include "launcher/broker/frame.h"
#include "launcher/control/directory.h"

namespace agentbox::control {

namespace {

using nlohmann::json;

constexpr time_t kPatience = 2;  // seconds

bool same_namespace(const std::string& one, const std::string& other) {
  struct stat a = {};
  struct stat b = {};
  return ::stat(one.c_str(), &a) == 0 && ::stat(other.c_str(), &b) == 0 && a.st_ino == b.st_ino &&
         a.st_dev == b.st_dev;
}

// The user himself, not from inside a box: a box's user is he, too, in a user namespace of its own.
// Whom /proc does not tell about is refused.
bool is_user(int fd) {
  ucred peer = {};
  socklen_t size = sizeof peer;
  if (::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0 || peer.uid != ::geteuid() ||
      peer.pid <= 0) {
    return false;
  }
  return same_namespace("/proc/" + std::to_string(peer.pid) + "/ns/user", "/proc/self/ns/user");
}

std::optional<std::string> receive(int fd) {
  broker::FrameReader frames;
  std::array<char, 4096> buffer;
  for (;;) {
    const ssize_t n = ::recv(fd, buffer.data(), buffer.size(), 0);
    if (n < 0 && errno == EINTR) {
      continue;
    }
    if (n <= 0) {
      return std::nullopt;
    }
    frames.add({buffer.data(), static_cast<std::size_t>(n)});
    if (auto message = frames.next()) {
      return message;
    }
    if (frames.broken()) {
      return std::nullopt;
    }
  }
}

void send(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) {
      continue;
    }
    if (n <= 0) {
      return;  // who asked has gone
    }
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
}

json answer(const Handlers& handlers, const std::string& message) {
  std::uint64_t id = 0;
  std::string problem;
  const auto request = broker::parse_request(message, id, problem);
  if (!request) {
    return broker::error_message(id, "bad_request", problem);
  }
  const auto handler = handlers.find(request->method);
  if (handler == handlers.end()) {
    return broker::error_message(id, "unknown_method",
                                 "there is no method \"" + base::printable(request->method) + '"');
  }
  try {
    return broker::result_message(id, handler->second(request->params));
  } catch (const Refusal& refusal) {
    return broker::error_message(id, refusal.code, refusal.message);
  } catch (const std::exception& error) {
    return broker::error_message(id, "failed", error.what());
  }
}

}  // namespace

struct Server::State {
  State(const std::string& directory_path, const std::string& session, Handlers given)
      : directory(open_run_directory(directory_path)),
        name(session + kSocketSuffix),
        handlers(std::move(given)),
        stop(static_cast<int>(base::check(::eventfd(0, EFD_CLOEXEC), "eventfd"))) {
    // Under its name only once it listens: a socket that refuses is taken for a dead session's.
    const std::string hidden = "." + name;
    listener = broker::listen_at(directory.get(), hidden);
    if (::renameat(directory.get(), hidden.c_str(), directory.get(), name.c_str()) < 0) {
      const int error = errno;
      ::unlinkat(directory.get(), hidden.c_str(), 0);
      throw base::SystemError("rename", directory_path + '/' + name, error);
    }
  }
  ~State() { ::unlinkat(directory.get(), name.c_str(), 0); }
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  void run();
  void serve_one();

  base::UniqueFd directory;
  const std::string name;
  const Handlers handlers;
  base::UniqueFd stop, listener;
  std::thread thread;
};

// Returns when told to stop. A failure ends the service, not the session: nobody can ask or answer
// any more then, which is the closed side.
void Server::State::run() try {
  for (;;) {
    std::array<pollfd, 2> polled = {pollfd{stop.get(), POLLIN, 0},
                                    pollfd{listener.get(), POLLIN, 0}};
    if (::poll(polled.data(), polled.size(), -1) < 0 && errno != EINTR) {
      return;
    }
    if (polled[0].revents != 0) {
      return;
    }
    if (polled[1].revents != 0) {
      serve_one();
    }
  }
} catch (const std::exception&) {
  listener.reset();
}

void Server::State::serve_one() {
  const base::UniqueFd fd(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
  if (!fd || !is_user(fd.get())) {
    return;
  }
  const timeval limit = {kPatience, 0};
  if (::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) < 0 ||
      ::setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit) < 0) {
    return;
  }
  if (const auto message = receive(fd.get())) {
    const json reply = answer(handlers, *message);
    send(
        fd.get(),
        broker::frame(std::string_view(reply.dump(-1, ' ', true, json::error_handler_t::replace))));
  }
}

Server::Server(const std::string& directory, const std::string& session, Handlers handlers)
    : state_(std::make_unique<State>(directory, session, std::move(handlers))) {
  // The session's signals are for its own threads.
  sigset_t all;
  sigset_t before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  try {
    state_->thread = std::thread([state = state_.get()] { state->run(); });
  } catch (...) {
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    throw;
  }
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

Server::~Server() {
  const std::uint64_t one = 1;
  // The counter cannot overflow: this is written once.
  [[maybe_unused]] const ssize_t n = ::write(state_->stop.get(), &one, sizeof one);
  state_->thread.join();
}

}  // namespace agentbox::control
