#include "launcher/nursery/supervisor_line.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <span>
#include <utility>

#include "base/passing.h"

namespace agentbox::nursery {

using nlohmann::json;

bool SupervisorLine::ask(json about, Held& held) {
  if (!socket_ || held_.size() >= kMost) {
    return false;
  }
  about["ask"] = last_ + 1;
  const std::string text = about.dump(-1, ' ', true, json::error_handler_t::replace);
  if (base::send_passing(socket_.get(), text, {}, MSG_DONTWAIT) < 0) {
    return false;
  }
  held_.emplace(++last_, std::move(held));
  return true;
}

std::optional<SupervisorLine::Heard> SupervisorLine::next() {
  std::string text(4096, '\0');
  std::vector<base::UniqueFd> none;
  const ssize_t size = base::receive_passing(socket_.get(), text, none, MSG_DONTWAIT);
  if (size < 0 && (errno == EAGAIN || errno == EMSGSIZE)) {
    return std::nullopt;
  }
  if (size <= 0) {
    socket_.reset();
    return std::nullopt;
  }
  const json said = json::parse(text.begin(), text.begin() + size, nullptr, false);
  if (!said.is_object()) {
    return std::nullopt;
  }
  if (said.contains("kill")) {
    return Kill{said.value("kill", "")};
  }
  const auto held = held_.find(said.value("id", std::uint64_t{0}));
  if (held == held_.end()) {
    return std::nullopt;
  }
  Answer answer{said.value("granted", false), said.value("reason", ""), std::move(held->second)};
  held_.erase(held);
  return answer;
}

std::vector<int> SupervisorLine::links() const {
  std::vector<int> links;
  for (const auto& [id, held] : held_) {
    links.push_back(held.link.get());
  }
  return links;
}

void SupervisorLine::withdraw(int link) {
  const auto held = std::find_if(held_.begin(), held_.end(),
                                 [&](const auto& one) { return one.second.link.get() == link; });
  if (held != held_.end()) {
    const std::uint64_t id = held->first;
    held_.erase(held);
    tell({{"withdrawn", id}});
  }
}

void SupervisorLine::tell(const json& news, int passed) {
  if (!socket_) {
    return;
  }
  const std::string text = news.dump(-1, ' ', true, json::error_handler_t::replace);
  const std::span<const int> descriptors(&passed, passed >= 0 ? 1 : 0);
  if (base::send_passing(socket_.get(), text, descriptors) < 0) {
    socket_.reset();  // the session ends, and everything with it
  }
}

}  // namespace agentbox::nursery
