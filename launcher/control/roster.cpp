#include "launcher/control/roster.h"

#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <sstream>

#include "base/encode.h"
#include "base/error.h"
#include "base/file.h"

namespace agentbox::control {

namespace {

using nlohmann::json;

// pidfd_open(2), proc(5) /proc/self/fdinfo: -1 for a process that has ended.
pid_t number_of(const base::UniqueFd& process) {
  constexpr std::size_t kLongest = 4096;
  std::istringstream lines(
      base::read_file("/proc/self/fdinfo/" + std::to_string(process.get()), kLongest));
  for (std::string word; lines >> word;) {
    if (word == "Pid:") {
      pid_t pid = -1;
      lines >> pid;
      return pid;
    }
  }
  return -1;
}

}  // namespace

Roster::Place::~Place() {
  if (roster_ != nullptr) {
    const std::lock_guard lock(roster_->mutex_);
    roster_->members_.erase(number_);
  }
}

void Roster::Place::runs(base::UniqueFd process) {
  const std::lock_guard lock(roster_->mutex_);
  roster_->members_.at(number_).process = std::move(process);
}

Roster::Place Roster::enter(Member member) {
  const std::lock_guard lock(mutex_);
  members_.emplace(++next_, std::move(member));
  return {*this, next_};
}

Handlers Roster::handlers() {
  return {{"ps", [this](const json&) { return list(); }},
          {"kill", [this](const json& params) { return kill(params); }}};
}

json Roster::list() const {
  json boxes = json::array();
  const std::lock_guard lock(mutex_);
  for (const auto& [number, member] : members_) {
    const auto since =
        std::chrono::duration_cast<std::chrono::seconds>(member.since.time_since_epoch());
    boxes.push_back({{"box", member.box},
                     {"parent", member.parent},
                     {"scope", member.scope},
                     {"chain", member.chain},
                     {"parameters", member.parameters},
                     {"command", member.command},
                     {"pid", member.process ? number_of(member.process) : -1},
                     {"since", since.count()}});
  }
  return {{"boxes", std::move(boxes)}};
}

json Roster::kill(const json& params) const {
  const auto box = params.find("box");
  if (box != params.end() && !box->is_string()) {
    throw Refusal{"bad_params", "\"box\" is a string"};
  }
  json killed = json::array();
  const std::lock_guard lock(mutex_);
  for (const auto& [number, member] : members_) {
    if (box != params.end() && *box != member.box) {
      continue;
    }
    if (member.process &&
        ::syscall(SYS_pidfd_send_signal, member.process.get(), SIGKILL, nullptr, 0) < 0 &&
        errno != ESRCH) {
      throw base::SystemError("kill box", member.box, errno);
    }
    if (member.end) {
      member.end();
    }
    killed.push_back(member.box);
  }
  if (box != params.end() && killed.empty()) {
    throw Refusal{"not_found", "there is no box " + base::printable(box->get<std::string>()) +
                                   " in this session"};
  }
  return {{"killed", std::move(killed)}};
}

}  // namespace agentbox::control
