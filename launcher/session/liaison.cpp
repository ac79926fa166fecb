#include "launcher/session/liaison.h"

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
  const std::string parameters = said.at("parameters"), fixed = said.at("fixed");
  if (!parameters.empty()) {
    request.scope += " (" + parameters + ")";
  }
  request.reason = said.at("reason");
  request.rule = said.at("rule");
  request.command = said.at("command");
  request.secrets = said.at("secrets");
  request.hosts = said.at("hosts");
  if (said.at("session").get<bool>()) {
    // Who says yes to one tenant's box has said nothing about another's.
    request.session_key = request.chain + '\n' + fixed + '\n' + request.scope;
  }
  return request;
}

}  // namespace

Liaison::Liaison(int socket, approvals::Queue& queue, control::Roster& roster)
    : socket_(socket),
      queue_(queue),
      roster_(roster),
      stop_(static_cast<int>(base::check(::eventfd(0, EFD_CLOEXEC), "eventfd"))),
      thread_([this] { run(); }) {}

Liaison::~Liaison() {
  queue_.close();
  ::eventfd_write(stop_.get(), 1);
  thread_.join();
  for (Waiter& waiter : waiters_) {
    waiter.thread.join();
  }
}

void Liaison::run() {
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
    std::vector<base::UniqueFd> passed;
    const ssize_t size = base::receive_passing(socket_, text, passed, MSG_DONTWAIT);
    if (size == 0 || (size < 0 && errno != EAGAIN && errno != EMSGSIZE)) {
      return;  // the nursery is gone, and with it whoever could ask
    }
    waiters_.remove_if([](Waiter& waiter) {
      if (waiter.done) {
        waiter.thread.join();
      }
      return waiter.done.load();
    });
    if (size <= 0) {
      continue;
    }
    try {
      take(json::parse(text.begin(), text.begin() + size), std::move(passed));
    } catch (const std::exception&) {
      // A record that cannot be written: the recorder ends the session. A question without an
      // answer is a no.
    }
  }
}

void Liaison::take(const json& said, std::vector<base::UniqueFd> passed) {
  if (said.contains("ask")) {
    ask(said);
  } else if (said.contains("withdrawn")) {
    withdraw(said.at("withdrawn"));
  } else if (said.contains("entered")) {
    enter(said);
  } else if (said.contains("running")) {
    const auto place = places_.find(said.at("running").get<std::string>());
    if (place != places_.end() && !passed.empty()) {
      place->second.runs(std::move(passed.front()));
    }
  } else {
    places_.erase(said.at("left").get<std::string>());
  }
}

void Liaison::ask(const json& said) {
  const std::uint64_t question = said.at("ask");
  const approvals::Queue::Asked asked = queue_.ask(read_question(said));
  if (asked.decision) {
    answer(question, *asked.decision);
    return;
  }
  Waiter& waiter = waiters_.emplace_back();
  waiter.question = question;
  waiter.request = asked.id;
  waiter.thread = std::thread([this, &waiter] {
    try {
      answer(waiter.question, queue_.wait(waiter.request));
    } catch (const std::exception&) {
      // As above.
    }
    waiter.done = true;
  });
}

void Liaison::withdraw(std::uint64_t question) {
  for (const Waiter& waiter : waiters_) {
    if (waiter.question == question) {
      queue_.withdraw(waiter.request);
    }
  }
}

void Liaison::answer(std::uint64_t question, const approvals::Decision& decision) const {
  send({{"id", question}, {"granted", decision.granted()}, {"reason", decision.reason}});
}

void Liaison::enter(const json& said) {
  const std::string box = said.at("entered");
  places_.emplace(box, roster_.enter({.box = box,
                                      .parent = said.at("parent"),
                                      .scope = said.at("scope"),
                                      .chain = said.at("chain"),
                                      .command = said.at("command"),
                                      .parameters = said.at("parameters"),
                                      .process = {},
                                      .end = [this, box] {
                                        send({{"kill", box}});
                                      }}));
}

// The nursery always listens; when it is gone, so are its boxes.
void Liaison::send(const json& message) const {
  base::send_passing(socket_, message.dump(-1, ' ', true, json::error_handler_t::replace), {});
}

}  // namespace agentbox::session
