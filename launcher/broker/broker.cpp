#include "launcher/broker/broker.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <map>
#include <thread>

#include "base/error.h"
#include "launcher/broker/connection.h"
#include "launcher/broker/links.h"
#include "launcher/broker/requests.h"

namespace agentbox::broker {

namespace {
constexpr std::size_t kMostConnections = 16;  // without a child
constexpr std::size_t kMostChildren = 1024;   // asked for at once; the session has its own limit
}  // namespace

struct Broker::Server {
  Server(base::UniqueFd listening_socket, Context given)
      : listener(std::move(listening_socket)),
        context(std::move(given)),
        stop(static_cast<int>(base::check(::eventfd(0, EFD_CLOEXEC), "eventfd"))),
        poller(static_cast<int>(base::check(::epoll_create1(EPOLL_CLOEXEC), "epoll_create"))) {
    const int flags = static_cast<int>(base::check(::fcntl(listener.get(), F_GETFL), "fcntl"));
    base::check(::fcntl(listener.get(), F_SETFL, flags | O_NONBLOCK), "fcntl");
    watch(EPOLL_CTL_ADD, stop.get(), EPOLLIN);
    watch(EPOLL_CTL_ADD, listener.get(), EPOLLIN);
  }

  void watch(int operation, int fd, std::uint32_t events) const {
    epoll_event event = {};
    event.events = events;
    event.data.fd = fd;
    base::check(::epoll_ctl(poller.get(), operation, fd, &event), "epoll_ctl");
  }

  void run();
  class Asking;
  void accept_one();
  void serve(int fd);
  void follow(int link);
  void settle(Connection& connection);
  void close(int fd);
  void pace();
  int close_overdue(Clock::time_point now);

  base::UniqueFd listener;
  const Context context;
  base::UniqueFd stop;
  base::UniqueFd poller;
  std::map<int, Connection> connections;
  Links links;
  bool accepting = true;
  Allowance allowance;
  std::thread thread;
};

// Returns when told to stop. An epoll or memory failure ends the service: the box then gets no
// answers, which is the closed side.
void Broker::Server::run() try {
  for (;;) {
    std::array<epoll_event, kMostConnections + 2> events;
    const int n = ::epoll_wait(poller.get(), events.data(), static_cast<int>(events.size()),
                               close_overdue(Clock::now()));
    if (n < 0 && errno != EINTR) {
      base::check(-1, "epoll_wait");
    }
    for (int i = 0; i < n; ++i) {
      const int fd = events[static_cast<std::size_t>(i)].data.fd;
      if (fd == stop.get()) {
        return;
      }
      if (fd == listener.get()) {
        accept_one();
      } else if (links.has(fd)) {
        follow(fd);
      } else {
        serve(fd);
      }
    }
  }
} catch (const std::exception&) {
  connections.clear();
  listener.reset();
}

void Broker::Server::accept_one() {
  base::UniqueFd fd(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!fd) {
    return;  // the peer has gone, or descriptors are short: it may try again
  }
  const int number = fd.get();
  watch(EPOLL_CTL_ADD, number, EPOLLIN);
  connections.emplace(number, Connection(std::move(fd)));
  pace();
}

// Who comes too many waits in the backlog, where they cost nothing.
void Broker::Server::pace() {
  std::size_t free = 0;
  for (const auto& [number, connection] : connections) {
    free += connection.waits() ? 0 : 1;
  }
  const bool accept = free < kMostConnections;
  if (accept != accepting) {
    watch(EPOLL_CTL_MOD, listener.get(), accept ? static_cast<std::uint32_t>(EPOLLIN) : 0);
    accepting = accept;
  }
}

// One connection while a message of it is answered.
class Broker::Server::Asking : public Caller {
 public:
  Asking(Server& server, int connection) : server_(server), connection_(connection) {}

  void spawn(std::uint64_t id, const SpawnRequest& request, Stdio stdio) override {
    base::UniqueFd link = server_.context.spawn(request, std::move(stdio));
    server_.watch(EPOLL_CTL_ADD, link.get(), EPOLLIN);
    server_.links.add(connection_, id, std::move(link));
  }
  bool tell(std::uint64_t id, const nlohmann::json& message) override {
    return server_.links.tell(connection_, id, message);
  }
  bool may_spawn() const override { return server_.links.size() < kMostChildren; }

 private:
  Server& server_;
  int connection_;
};

void Broker::Server::serve(int fd) {
  const auto found = connections.find(fd);
  if (found == connections.end()) {
    return;  // closed earlier in the same round
  }
  Connection& connection = found->second;
  Asking asking(*this, fd);
  const auto reply = [&](const std::string& message, std::vector<base::UniqueFd> descriptors) {
    return answer(context, message, std::move(descriptors), asking);
  };
  const auto now = Clock::now();
  const bool keep = connection.wants_write() ? connection.on_writable(reply, allowance, now)
                                             : connection.on_readable(reply, allowance, now);
  keep ? settle(connection) : close(fd);
}

// After anything has happened with a connection.
void Broker::Server::settle(Connection& connection) {
  const int fd = connection.fd();
  watch(EPOLL_CTL_MOD, fd, connection.wants_write() ? EPOLLOUT : EPOLLIN);
  if (connection.waits() != links.any(fd)) {
    connection.keep(!connection.waits(), Clock::now());
    pace();
  }
}

// A child has said something.
void Broker::Server::follow(int link) {
  while (const auto news = links.next(link)) {
    const auto found = connections.find(news->connection);
    if (found == connections.end()) {
      return;
    }
    if (!found->second.post(news->message, Clock::now())) {
      close(news->connection);
      return;
    }
    settle(found->second);
  }
}

void Broker::Server::close(int fd) {
  links.drop(fd);
  connections.erase(fd);
  pace();
}

// Closes who took too long; returns the milliseconds until the next one will have, or -1.
int Broker::Server::close_overdue(Clock::time_point now) {
  auto next = Clock::time_point::max();
  for (auto i = connections.begin(); i != connections.end();) {
    const auto deadline = i->second.deadline();
    const int fd = i->first;
    ++i;
    if (deadline <= now) {
      close(fd);
    } else {
      next = std::min(next, deadline);
    }
  }
  return next == Clock::time_point::max()
             ? -1
             : static_cast<int>(std::chrono::ceil<std::chrono::milliseconds>(next - now).count());
}

Broker::Broker(base::UniqueFd listening_socket, Context context)
    : server_(std::make_unique<Server>(std::move(listening_socket), std::move(context))) {
  // The session's signals are for its own threads.
  sigset_t all;
  sigset_t before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  try {
    server_->thread = std::thread([server = server_.get()] { server->run(); });
  } catch (...) {
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    throw;
  }
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

Broker::~Broker() {
  const std::uint64_t one = 1;
  // The counter cannot overflow: this is written once.
  [[maybe_unused]] const ssize_t n = ::write(server_->stop.get(), &one, sizeof one);
  server_->thread.join();
}

}  // namespace agentbox::broker
