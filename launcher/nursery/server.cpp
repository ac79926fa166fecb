#include "launcher/nursery/server.h"

#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <exception>
#include <list>
#include <optional>
#include <variant>
#include <vector>

#include "audit/id.h"
#include "base/error.h"
#include "base/passing.h"
#include "launcher/nursery/asking.h"
#include "launcher/nursery/ledger.h"
#include "launcher/nursery/member.h"
#include "launcher/nursery/settling.h"
#include "launcher/nursery/supervisor_line.h"

namespace agentbox::nursery {

namespace {

using nlohmann::json;

// For a runner to end its box in order: the output's last bytes, what it has opened elsewhere.
constexpr std::chrono::seconds kPatience{15};

void tell(int link, const json& message) {
  // A caller that is gone needs no answer.
  base::send_passing(link, message.dump(-1, ' ', true, json::error_handler_t::replace), {},
                     MSG_DONTWAIT);
}

class Server {
 public:
  Server(const Config& config, base::UniqueFd first, base::UniqueFd supervisor)
      : config_(config),
        admission_(config.policy),
        ledger_(config),
        supervisor_(std::move(supervisor)) {
    Member& root = members_.emplace_back();
    root.identity = {.box = config.box,
                     .scope = config.scope,
                     .chain = config.scope,
                     .depth = 0,
                     .of_command = false,
                     .parameters = config.parameters};
    root.socket = std::move(first);
  }

  void run();  // returns when the session and all its boxes have ended

 private:
  void listen(Member& member);
  void consider(const Member& parent, const std::string& text,
                std::vector<base::UniqueFd> descriptors);
  std::optional<Refused> judge(const Member& parent, const broker::SpawnRequest& request);
  void refuse(const Member& parent, const broker::SpawnRequest& request, int link,
              const Refused& refused);
  // Whether the user is asked first, and `held` waits for the answer.
  bool ask_user(const Member& parent, SupervisorLine::Held& held);
  void hear_supervisor();
  void take(SupervisorLine::Answer answer);
  void take(const SupervisorLine::Kill& kill);
  void start(const Member& parent, SupervisorLine::Held held, const char* decision);
  [[noreturn]] void run(const Member& member, broker::SpawnRequest request, pid_t nursery,
                        std::array<base::UniqueFd*, 2> kept, std::vector<base::UniqueFd> stdio);
  void end(Member& member);
  void bury(Member& member);
  int remaining() const;
  std::size_t running() const { return members_.size() - (members_.front().pid < 0 ? 1 : 0); }

  const Config& config_;
  Admission admission_;
  Ledger ledger_;
  SupervisorLine supervisor_;
  std::list<Member> members_;  // the first box first
  bool over_ = false;          // the session has ended
};

void Server::run() {
  while (!over_ || members_.size() > 1) {
    std::vector<pollfd> polled;
    std::vector<Member*> of;
    for (Member& member : members_) {
      polled.push_back({member.socket.get(), POLLIN, 0});
      polled.push_back({member.process.get(), POLLIN, 0});
      of.push_back(&member);
    }
    polled.push_back({supervisor_.socket(), POLLIN, 0});
    for (int link : supervisor_.links()) {
      polled.push_back({link, POLLRDHUP, 0});
    }
    const int count = ::poll(polled.data(), polled.size(), remaining());
    if (count < 0 && errno != EINTR) {
      base::check(-1, "wait for", "the boxes");
    }
    const std::size_t line = 2 * of.size();
    // First, while the numbers are theirs.
    for (std::size_t i = line + 1; i < polled.size() && count > 0; ++i) {
      if (polled[i].revents != 0) {
        supervisor_.withdraw(polled[i].fd);
      }
    }
    for (std::size_t i = 0; i < of.size() && count > 0; ++i) {
      if (polled[2 * i].revents != 0) {
        listen(*of[i]);
      }
    }
    if (count > 0 && polled[line].revents != 0) {
      hear_supervisor();
    }
    for (std::size_t i = 0; i < of.size() && count > 0; ++i) {
      if (polled[2 * i + 1].revents != 0) {
        bury(*of[i]);
      }
    }
    for (Member& member : members_) {
      if (member.killed_at && *member.killed_at <= Clock::now()) {
        ::syscall(SYS_pidfd_send_signal, member.process.get(), SIGKILL, nullptr, 0);
      }
    }
  }
}

// Milliseconds until the next runner has had its time; -1: none has been told to end.
int Server::remaining() const {
  auto next = Clock::time_point::max();
  for (const Member& member : members_) {
    next = std::min(next, member.killed_at.value_or(next));
  }
  if (next == Clock::time_point::max()) {
    return -1;
  }
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(next - Clock::now()).count();
  return static_cast<int>(std::max<long>(left, 10));
}

// What a box's broker has to say: a request, or that it is no more.
void Server::listen(Member& member) {
  std::string text(broker::kLongestLinkMessage + (64 << 10), '\0');
  std::vector<base::UniqueFd> descriptors;
  const ssize_t size = base::receive_passing(member.socket.get(), text, descriptors, MSG_DONTWAIT);
  if (size < 0 && (errno == EAGAIN || errno == EMSGSIZE)) {
    return;
  }
  if (size > 0) {
    text.resize(static_cast<std::size_t>(size));
    consider(member, text, std::move(descriptors));
    return;
  }
  member.socket.reset();
  if (member.pid < 0) {
    over_ = true;
    for (Member& other : members_) {
      end(other);
    }
  }
}

void Server::consider(const Member& parent, const std::string& text,
                      std::vector<base::UniqueFd> descriptors) {
  if (descriptors.empty()) {
    return;
  }
  const json said = json::parse(text, nullptr, false);
  if (said.is_object() && said.contains(kRunning)) {
    supervisor_.tell({{"running", parent.identity.box}}, descriptors.front().get());
    return;
  }
  std::string problem;
  auto request = broker::read_spawn_request(said, problem);
  base::UniqueFd link = std::move(descriptors.front());
  descriptors.erase(descriptors.begin());
  if (!request || descriptors.size() != (request->detach ? 0 : 3)) {
    tell(link.get(), {{"event", "refused"}, {"code", "bad_params"}, {"message", problem}});
    return;
  }
  if (!request->command.empty()) {
    // Neither its scope nor the name that the program is started under is the box's to say.
    const auto command = config_.policy.commands.find(request->command);
    request->scope = command == config_.policy.commands.end() ? "" : command->second.scope;
    request->arguments.front() = request->command;
  }
  if (const auto refused = judge(parent, *request)) {
    refuse(parent, *request, link.get(), *refused);
    return;
  }
  SupervisorLine::Held held{parent.identity.box, std::move(*request), std::move(link),
                            std::move(descriptors)};
  const auto approve = config_.policy.scopes.at(held.request.scope).approve;
  if (approve.value_or(policy::Approve::kNever) == policy::Approve::kNever) {
    start(parent, std::move(held), "allowed by the policy");
  } else if (!ask_user(parent, held)) {
    refuse(parent, held.request, held.link.get(),
           {"denied", "scope \"" + held.request.scope + "\" needs the user's approval",
            "too many requests wait for an answer"});
  }
}

void Server::refuse(const Member& parent, const broker::SpawnRequest& request, int link,
                    const Refused& refused) {
  tell(link, {{"event", "refused"},
              {"code", refused.code},
              {"message", refused.message},
              {"hint", refused.hint}});
  ledger_.record_refusal(parent, request, refused.message);
}

bool Server::ask_user(const Member& parent, SupervisorLine::Held& held) {
  const int link = held.link.get();
  const policy::Parameters parameters = admission_.bind(parent.identity, held.request);
  if (!supervisor_.ask(ledger_.question(parent, held.request, parameters), held)) {
    return false;
  }
  tell(link, {{"event", "waiting"}, {"message", "for the user's approval"}});
  return true;
}

void Server::hear_supervisor() {
  if (auto heard = supervisor_.next()) {
    std::visit([this](auto& what) { take(std::move(what)); }, *heard);
  }
}

void Server::take(const SupervisorLine::Kill& kill) {
  for (Member& member : members_) {
    if (member.identity.box == kill.box) {
      end(member);
    }
  }
}

void Server::take(SupervisorLine::Answer answer) {
  const auto parent = std::find_if(members_.begin(), members_.end(), [&](const Member& member) {
    return member.identity.box == answer.held.box;
  });
  if (parent == members_.end() || over_ || parent->killed_at) {
    return;  // who asked is gone, and so is the link's other end
  }
  if (!answer.granted) {
    refuse(*parent, answer.held.request, answer.held.link.get(), {"denied", answer.reason, ""});
  } else if (const auto full = admission_.full(running())) {
    refuse(*parent, answer.held.request, answer.held.link.get(), *full);
  } else {
    start(*parent, std::move(answer.held), "allowed by the user");
  }
}

std::optional<Refused> Server::judge(const Member& parent, const broker::SpawnRequest& request) {
  if (over_ || parent.killed_at) {
    return Refused{"failed", "this box is ending", ""};
  }
  return admission_.judge(parent.identity, request, running(), Clock::now());
}

void Server::start(const Member& parent, SupervisorLine::Held held, const char* decision) {
  broker::SpawnRequest& request = held.request;
  base::UniqueFd& link = held.link;
  Member member;
  member.decision = decision;
  member.identity = {.box = audit::new_id(),
                     .scope = request.scope,
                     .chain = parent.identity.chain + "/" + request.scope,
                     .depth = parent.identity.depth + 1,
                     .of_command = !request.command.empty(),
                     .parameters = parent.identity.parameters};
  member.parameters = admission_.bind(parent.identity, request);
  for (const auto& [name, value] : member.parameters) {
    member.identity.parameters[name] = value;
  }
  member.parent = parent.identity.box;
  member.command = request.arguments.front();
  member.rule = admission_.rule(parent.identity, request);
  member.detached = request.detach;
  // On the log before it is there.
  ledger_.record(member, "started", request.reason);

  int ends[2] = {-1, -1};
  const bool paired = ::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == 0;
  member.socket.reset(ends[0]);
  base::UniqueFd theirs(ends[1]);
  const pid_t nursery = ::getpid();
  std::fflush(nullptr);
  member.pid = paired ? ::fork() : -1;
  if (member.pid < 0) {
    const std::string problem = base::SystemError("start", "a runner", errno).what();
    tell(link.get(), {{"event", "refused"},
                      {"code", "failed"},
                      {"message", "the machine has no room for another process"}});
    ledger_.record(member, "failed", problem);
    return;
  }
  if (member.pid == 0) {
    run(member, std::move(request), nursery, {&link, &theirs}, std::move(held.stdio));
  }
  member.process.reset(static_cast<int>(::syscall(SYS_pidfd_open, member.pid, 0)));
  if (!member.process) {
    const int error = errno;
    ::kill(member.pid, SIGKILL);
    ::waitpid(member.pid, nullptr, 0);
    throw base::SystemError("follow", "a runner", error);
  }
  supervisor_.tell({{"entered", member.identity.box},
                    {"parent", member.parent},
                    {"scope", member.identity.scope},
                    {"chain", member.identity.chain},
                    {"parameters", policy::text_of(member.parameters)},
                    {"command", member.command}});
  members_.push_back(std::move(member));
}

// In the runner's process.
void Server::run(const Member& member, broker::SpawnRequest request, pid_t nursery,
                 std::array<base::UniqueFd*, 2> kept, std::vector<base::UniqueFd> stdio) {
  try {
    for (std::size_t i = 0; i < stdio.size(); ++i) {
      base::check(::dup2(stdio[i].get(), static_cast<int>(i)), "pass on", "a pipe");
    }
    settle_in(nursery, kept);
    Order order;
    order.request = std::move(request);
    order.session = config_.session;
    order.box = member.identity.box;
    order.parent = member.parent;
    order.chain = member.identity.chain;
    order.parameters = member.parameters;
    order.receipt = ledger_.receipt(member);
    order.link = std::move(*kept[0]);
    order.nursery = std::move(*kept[1]);
    ::_exit(config_.run(std::move(order)));
  } catch (const std::exception&) {
    ::_exit(static_cast<int>(base::Status::kFailed));
  }
}

// Asks a runner to end its box, as it does when the box's caller is gone.
void Server::end(Member& member) {
  if (member.pid > 0 && !member.killed_at) {
    member.socket.reset();
    member.killed_at = Clock::now() + kPatience;
  }
}

// A runner has ended.
void Server::bury(Member& member) {
  int status = 0;
  if (::waitpid(member.pid, &status, 0) != member.pid) {
    base::check(-1, "wait for", "a runner");
  }
  ledger_.record(member, "ended",
                 WIFEXITED(status)
                     ? "exit status " + std::to_string(WEXITSTATUS(status))
                     : "its supervisor was killed by signal " + std::to_string(WTERMSIG(status)));
  supervisor_.tell({{"left", member.identity.box}});
  for (Member& other : members_) {
    if (other.parent == member.identity.box && !other.detached) {
      end(other);
    }
  }
  members_.remove_if([&](const Member& other) { return &other == &member; });
}

}  // namespace

void serve(const Config& config, base::UniqueFd first, base::UniqueFd supervisor) {
  Server(config, std::move(first), std::move(supervisor)).run();
}

}  // namespace agentbox::nursery
