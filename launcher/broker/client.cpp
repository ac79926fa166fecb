#include "launcher/broker/client.h"

#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include <cerrno>
#include <cstring>

#include "base/encode.h"
#include "base/error.h"
#include "base/unique_fd.h"
#include "launcher/broker/frame.h"

namespace agentbox::broker {

namespace {

using base::check;
using base::Error;
using base::Status;
using nlohmann::json;

void send_all(int fd, const std::string& peer, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) {
      continue;
    }
    check(n, "send to", peer);
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
}

std::string receive_message(int fd, const std::string& peer, std::size_t longest) {
  FrameReader frames(longest);
  char buffer[16384];
  for (;;) {
    const ssize_t n = ::recv(fd, buffer, sizeof buffer, 0);
    if (n < 0 && errno == EINTR) {
      continue;
    }
    check(n, "receive from", peer);
    if (n == 0) {
      throw Error(Status::kFailed, peer + " closed the connection");
    }
    frames.add({buffer, static_cast<std::size_t>(n)});
    if (auto message = frames.next()) {
      return *message;
    }
    if (frames.broken()) {
      throw Error(Status::kFailed, peer + " sent no message of its protocol");
    }
  }
}

}  // namespace

base::UniqueFd connect_to(const std::string& path, const std::string& peer) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof address.sun_path) {
    throw Error(Status::kFailed, "\"" + base::printable(path) + "\" cannot be a socket's path");
  }
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  base::UniqueFd fd(
      static_cast<int>(check(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket")));
  const timeval limit = {10, 0};
  check(::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit), "setsockopt");
  check(::setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit), "setsockopt");
  check(::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address),
        "connect to " + peer, path);
  return fd;
}

json exchange(int socket, const std::string& peer, const std::string& method, const json& params,
              std::size_t longest) {
  const json request = {{"v", kVersion}, {"id", 1u}, {"method", method}, {"params", params}};
  const std::string text = request.dump(-1, ' ', true, json::error_handler_t::replace);
  if (text.size() > kLongestMessage) {
    throw Error(Status::kFailed, "the request is longer than 64 KiB");
  }
  send_all(socket, peer, frame(std::string_view(text)));
  json answer = json::parse(receive_message(socket, peer, longest), nullptr, false);
  if (!answer.is_object() || answer.value("id", json()) != 1u) {
    throw Error(Status::kFailed, peer + " sent no answer to this request");
  }
  if (const auto error = answer.find("error"); error != answer.end()) {
    const bool readable = error->is_object() && error->value("message", json()).is_string();
    throw Error(Status::kDenied,
                peer + " refused " + method + ": " +
                    base::printable(readable ? error->at("message").get<std::string>() : "?"));
  }
  if (!answer.contains("result")) {
    throw Error(Status::kFailed, peer + " sent no answer to this request");
  }
  return answer.at("result");
}

json call(const std::string& socket_path, const std::string& method, const json& params) {
  const std::string peer = "the broker";
  return exchange(connect_to(socket_path, peer).get(), peer, method, params, kLongestMessage);
}

}  // namespace agentbox::broker
