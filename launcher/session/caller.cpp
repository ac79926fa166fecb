#include "launcher/session/caller.h"

#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cerrno>
#include <string>
#include <vector>

#include "base/passing.h"
#include "launcher/broker/spawning.h"

namespace agentbox::session {

namespace {

using base::Status;
using nlohmann::json;

bool hung_up(int socket) {
  pollfd state = {socket, POLLRDHUP, 0};
  return socket >= 0 && ::poll(&state, 1, 0) > 0 && (state.revents & (POLLHUP | POLLRDHUP)) != 0;
}

}  // namespace

Caller::Caller(base::UniqueFd link, int session, json receipt, bool detached)
    : link_(std::move(link)),
      session_(session),
      receipt_(std::move(receipt)),
      detached_(detached) {}

void Caller::say(const json& message) const {
  // A caller that is gone hears nothing; its end shows in the link.
  base::send_passing(link_.get(), message.dump(-1, ' ', true, json::error_handler_t::replace), {});
}

void Caller::started() {
  say({{"event", "started"}, {"receipt", receipt_}});
  if (detached_) {
    say({{"event", "ended"}, {"status", 0}});
    link_.reset();
  }
}

void Caller::ended(int wait_status) {
  if (link_) {
    say({{"event", "ended"}, {"status", wait_status}});
  }
}

void Caller::refused(const base::Error& error) {
  if (!link_) {
    return;
  }
  switch (error.status()) {
    case Status::kNotFound:
    case Status::kCannotRun:
      say({{"event", "refused"},
           {"code", error.status() == Status::kNotFound ? "not_found" : "cannot_run"},
           {"message", error.what()},
           {"hint", error.hint()}});
      return;
    default:
      say({{"event", "refused"},
           {"code", error.status() == Status::kConfiguration ? "configuration" : "failed"},
           {"message",
            "the box for scope \"" + receipt_.value("scope", "") + "\" could not be started"},
           {"hint", "outside of the box, `agentbox log` tells why"}});
  }
}

bool Caller::gone() const { return hung_up(link_.get()) || hung_up(session_); }

bool Caller::listen(box::Box& box, int terminal) const {
  std::string text(broker::kLongestLinkMessage, '\0');
  std::vector<base::UniqueFd> unexpected;
  const ssize_t size = base::receive_passing(link_.get(), text, unexpected, MSG_DONTWAIT);
  if (size < 0 && errno == EAGAIN) {
    return true;
  }
  if (size <= 0) {
    return false;
  }
  text.resize(static_cast<std::size_t>(size));
  const json said = json::parse(text, nullptr, false);
  if (!said.is_object()) {
    return false;
  }
  if (said.contains("signal")) {
    box.signal(said.value("signal", 0));
  } else if (terminal >= 0) {
    winsize window = {};
    window.ws_row = said.value("rows", std::uint16_t{0});
    window.ws_col = said.value("columns", std::uint16_t{0});
    // The kernel tells the foreground process group.
    ::ioctl(terminal, TIOCSWINSZ, &window);
  }
  return true;
}

}  // namespace agentbox::session
