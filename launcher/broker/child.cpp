#include "launcher/broker/child.h"

#include <poll.h>

#include <cerrno>
#include <cstdlib>
#include <span>
#include <vector>

#include "base/encode.h"
#include "base/error.h"
#include "base/passing.h"
#include "launcher/broker/client.h"

namespace agentbox::broker {

namespace {

using base::Error;
using base::Status;
using nlohmann::json;

constexpr std::uint64_t kSpawnId = 1;  // the one spawn of this connection

std::string text_of(const json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

Status status_of(const std::string& code) {
  if (code == "denied" || code == "limit") {
    return Status::kDenied;
  }
  if (code == "bad_params" || code == "configuration") {
    return Status::kConfiguration;
  }
  if (code == "not_found") {
    return Status::kNotFound;
  }
  return code == "cannot_run" ? Status::kCannotRun : Status::kFailed;
}

[[noreturn]] void refuse(const json& error) {
  const std::string hint = text_of(error, "hint");
  throw Error(status_of(text_of(error, "code")), base::printable(text_of(error, "message")),
              base::printable(hint));
}

}  // namespace

Child::Child(const std::string& socket_path, const SpawnRequest& request,
             const std::array<int, 3>& stdio)
    : socket_(connect_to(socket_path, "the broker")) {
  send("spawn", to_json(request), request.detach ? nullptr : &stdio);
}

void Child::send(const std::string& method, const json& params, const std::array<int, 3>* stdio) {
  const json request = {
      {"v", kVersion}, {"id", ++last_id_}, {"method", method}, {"params", params}};
  const std::string text = request.dump(-1, ' ', true, json::error_handler_t::replace);
  if (text.size() > kLongestMessage) {
    throw Error(Status::kFailed, "the command is longer than 64 KiB",
                "put its arguments into a file of the project");
  }
  const std::string bytes = frame(std::string_view(text));
  std::span<const int> descriptors;
  if (stdio != nullptr) {
    descriptors = *stdio;
  }
  for (std::size_t sent = 0; sent < bytes.size();) {
    sent += static_cast<std::size_t>(
        base::check(base::send_passing(socket_.get(), std::string_view(bytes).substr(sent),
                                       sent == 0 ? descriptors : std::span<const int>()),
                    "send to the broker"));
  }
}

bool Child::receive(bool block) {
  pollfd ready = {socket_.get(), POLLIN, 0};
  int count;
  do {
    count = ::poll(&ready, 1, block ? -1 : 0);
  } while (count < 0 && errno == EINTR);
  if (base::check(count, "wait for", "the broker") == 0) {
    return false;
  }
  char buffer[16384];
  std::vector<base::UniqueFd> unexpected;
  const ssize_t n = base::check(base::receive_passing(socket_.get(), buffer, unexpected),
                                "receive from the broker");
  if (n == 0) {
    throw Error(Status::kFailed, "the broker closed the connection",
                "the session may have ended, or this box has asked for too much at once");
  }
  frames_.add({buffer, static_cast<std::size_t>(n)});
  return true;
}

std::optional<Child::Event> Child::take(const json& message) {
  if (!message.is_object() || message.value("id", json()) != kSpawnId) {
    return std::nullopt;  // the answer to a signal or a size: it has arrived, or the child is gone
  }
  if (const auto error = message.find("error"); error != message.end()) {
    refuse(*error);
  }
  Event event;
  if (const auto result = message.find("result"); result != message.end()) {
    ended_ = true;
    const json status = result->value("status", json());
    if (!status.is_number_integer()) {
      throw Error(Status::kFailed, "the broker sent no exit status");
    }
    event.status = status;
    return event;
  }
  if (text_of(message, "event") == "started") {
    event.kind = Event::Kind::kStarted;
    event.receipt = message.value("receipt", json::object());
    return event;
  }
  event.kind = Event::Kind::kWaiting;
  event.message = text_of(message, "message");
  return event;
}

std::optional<Child::Event> Child::next() {
  do {
    while (const auto text = frames_.next()) {
      if (auto event = take(json::parse(*text, nullptr, false))) {
        return event;
      }
    }
    if (frames_.broken()) {
      throw Error(Status::kFailed, "the broker sent no message of its protocol");
    }
  } while (!ended_ && receive(false));
  return std::nullopt;
}

Child::Event Child::wait() {
  for (;;) {
    if (auto event = next()) {
      return *event;
    }
    receive(true);
  }
}

void Child::signal(int number) {
  send("signal", {{"child", kSpawnId}, {"number", static_cast<unsigned>(number)}});
}

void Child::resize(std::uint16_t rows, std::uint16_t columns) {
  send("resize", {{"child", kSpawnId}, {"rows", rows}, {"columns", columns}});
}

std::string socket_path() {
  const char* path = std::getenv("AGENTBOX_SOCKET");
  if (path == nullptr) {
    throw Error(Status::kFailed, "this is no box: AGENTBOX_SOCKET is not set",
                "start one with `agentbox run -- COMMAND`");
  }
  return path;
}

}  // namespace agentbox::broker
