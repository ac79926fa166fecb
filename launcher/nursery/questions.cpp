#include "launcher/nursery/questions.h"

#include <sys/socket.h>

#include <cerrno>
#include <utility>

#include "base/passing.h"

namespace agentbox::nursery {

using nlohmann::json;

bool Questions::ask(json about, Held& held) {
  if (!socket_ || held_.size() >= kMost) {
    return false;
  }
  about["id"] = last_ + 1;
  const std::string text = about.dump(-1, ' ', true, json::error_handler_t::replace);
  if (base::send_passing(socket_.get(), text, {}, MSG_DONTWAIT) < 0) {
    return false;
  }
  held_.emplace(++last_, std::move(held));
  return true;
}

std::optional<Questions::Answer> Questions::next() {
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
  const auto held = held_.find(said.is_object() ? said.value("id", std::uint64_t{0}) : 0);
  if (held == held_.end()) {
    return std::nullopt;
  }
  Answer answer{said.value("granted", false), said.value("reason", ""), std::move(held->second)};
  held_.erase(held);
  return answer;
}

}  // namespace agentbox::nursery
