#include "launcher/session/approver.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <cerrno>
#include <exception>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/passing.h"
#include "launcher/broker/spawning.h"

namespace agentbox::session {

namespace {

using nlohmann::json;

approvals::Request read_question(const json& said) {
  approvals::Request request;
  request.box = said.at("box");
  request.chain = said.at("chain");
  request.scope = said.at("scope");
  request.reason = said.at("reason");
  request.rule = said.at("rule");
  request.command = said.at("command");
  request.secrets = said.at("secrets");
  request.hosts = said.at("hosts");
  if (said.at("session").get<bool>()) {
    request.session_key = request.chain + '\n' + request.scope;
  }
  return request;
}

}  // namespace

Approver::Approver(int socket, approvals::Queue& queue)
    : socket_(socket),
      queue_(queue),
      stop_(static_cast<int>(base::check(::eventfd(0, EFD_CLOEXEC), "eventfd"))),
      thread_([this] { run(); }) {}

Approver::~Approver() {
  queue_.close();
  ::eventfd_write(stop_.get(), 1);
  thread_.join();
  for (Waiter& waiter : waiters_) {
    waiter.thread.join();
  }
}

void Approver::run() {
  std::string text(broker::kLongestLinkMessage + (64 << 10), '\0');
  while (true) {
    pollfd polled[] = {{socket_, POLLIN, 0}, {stop_.get(), POLLIN, 0}};
    if (::poll(polled, 2, -1) < 0 && errno != EINTR) {
      return;
    }
    if (polled[1].revents != 0) {
      return;
    }
    if (polled[0].revents == 0) {
      continue;
    }
    std::vector<base::UniqueFd> none;
    const ssize_t size = base::receive_passing(socket_, text, none, MSG_DONTWAIT);
    if (size == 0 || (size < 0 && errno != EAGAIN && errno != EMSGSIZE)) {
      return;  // the nursery is gone, and with it whoever could ask
    }
    waiters_.remove_if([](Waiter& waiter) {
      if (waiter.done) {
        waiter.thread.join();
      }
      return waiter.done.load();
    });
    if (size > 0) {
      Waiter& waiter = waiters_.emplace_back();
      waiter.thread =
          std::thread([this, &waiter, question = text.substr(0, static_cast<std::size_t>(size))] {
            decide(question);
            waiter.done = true;
          });
    }
  }
}

// What fails is a no: the nursery says so to the box when the session ends.
void Approver::decide(const std::string& question) {
  try {
    const json said = json::parse(question);
    const approvals::Decision decision = queue_.decide(read_question(said));
    const json answer = {
        {"id", said.at("id")}, {"granted", decision.granted()}, {"reason", decision.reason}};
    base::send_passing(socket_, answer.dump(-1, ' ', true, json::error_handler_t::replace), {});
  } catch (const std::exception&) {
    // A record that cannot be written: the recorder ends the session.
  }
}

}  // namespace agentbox::session
