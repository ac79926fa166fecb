#include "launcher/broker/links.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <vector>

#include "base/passing.h"
#include "launcher/broker/frame.h"
#include "launcher/broker/spawning.h"

namespace agentbox::broker {

using nlohmann::json;

namespace {

// A child whose end nobody has told: its supervisor was killed.
json lost_message(std::uint64_t id) {
  return error_message(id, "failed", "the child's supervisor has ended unexpectedly");
}

}  // namespace

void Links::add(int connection, std::uint64_t id, base::UniqueFd link) {
  const int number = link.get();
  children_.emplace(number, Place{connection, id, std::move(link)});
}

bool Links::any(int connection) const {
  return std::any_of(children_.begin(), children_.end(),
                     [&](const auto& child) { return child.second.connection == connection; });
}

bool Links::tell(int connection, std::uint64_t id, const json& message) const {
  for (const auto& [number, child] : children_) {
    if (child.connection == connection && child.id == id) {
      // What a child that is busy or gone does not take is lost, as a signal to the dead is.
      base::send_passing(number, message.dump(), {}, MSG_DONTWAIT);
      return true;
    }
  }
  return false;
}

std::optional<Links::News> Links::next(int link) {
  const auto found = children_.find(link);
  if (found == children_.end()) {
    return std::nullopt;
  }
  const Place& child = found->second;
  std::string buffer(kLongestLinkMessage, '\0');
  std::vector<base::UniqueFd> unexpected;
  const ssize_t size = base::receive_passing(link, buffer, unexpected, MSG_DONTWAIT);
  if (size < 0 && errno == EAGAIN) {
    return std::nullopt;
  }
  News news{child.connection, {}, false};
  const json said =
      size > 0 ? json::parse(buffer.begin(), buffer.begin() + size, nullptr, false) : json();
  const std::string event = said.is_object() ? said.value("event", "") : "";
  if (event == "waiting" || event == "started") {
    news.message = said;
    news.message["v"] = kVersion;
    news.message["id"] = child.id;
    return news;
  }
  news.last = true;
  if (event == "ended") {
    news.message = result_message(child.id, {{"status", said.value("status", 0)}});
  } else if (event == "refused") {
    news.message = error_message(child.id, said.value("code", "failed"), said.value("message", ""));
    if (said.contains("hint")) {
      news.message["error"]["hint"] = said["hint"];
    }
  } else {
    news.message = lost_message(child.id);
  }
  children_.erase(found);
  return news;
}

void Links::drop(int connection) {
  std::erase_if(children_,
                [&](const auto& child) { return child.second.connection == connection; });
}

}  // namespace agentbox::broker
