#include "launcher/nursery/server.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
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
#include <vector>

#include "audit/id.h"
#include "audit/log.h"
#include "base/directories.h"
#include "base/error.h"
#include "base/passing.h"
#include "launcher/nursery/admission.h"
#include "launcher/nursery/questions.h"

namespace agentbox::nursery {

namespace {

using nlohmann::json;

// For a runner to end its box in order: the output's last bytes, what it has opened elsewhere.
constexpr std::chrono::seconds kPatience{15};
constexpr int kFirst = 3;  // descriptors of a settled process

// One box, and the process that runs it.
struct Member {
  Parent identity;
  std::string parent;  // its parent's box; empty for the first one
  std::string command, rule, decision;
  bool detached = false;
  base::UniqueFd socket;   // over which it asks
  base::UniqueFd process;  // pidfd of its runner; none for the first box
  pid_t pid = -1;
  std::optional<Clock::time_point> killed_at;  // it has been told to end, and has so long to do it
};

void tell(int link, const json& message) {
  // A caller that is gone needs no answer.
  base::send_passing(link, message.dump(-1, ' ', true, json::error_handler_t::replace), {},
                     MSG_DONTWAIT);
}

class Server {
 public:
  Server(const Config& config, base::UniqueFd first, base::UniqueFd approvals)
      : config_(config),
        admission_(config.policy),
        log_(base::state_directory() + "/audit"),
        questions_(std::move(approvals)) {
    Member& root = members_.emplace_back();
    root.identity = {.box = config.box, .scope = config.scope, .chain = config.scope, .depth = 0};
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
  bool ask_user(const Member& parent, Questions::Held& held);
  void hear_user();
  void start(const Member& parent, Questions::Held held, const char* decision);
  [[noreturn]] void run(const Member& member, broker::SpawnRequest request, pid_t nursery,
                        std::array<base::UniqueFd*, 2> kept, std::vector<base::UniqueFd> stdio);
  json receipt(const Member& member) const;
  json hosts(const policy::Scope& scope) const;
  void end(Member& member);
  void bury(Member& member);
  int remaining() const;
  void record(const Member& member, const char* outcome, const std::string& reason);
  std::size_t running() const { return members_.size() - (members_.front().pid < 0 ? 1 : 0); }

  const Config& config_;
  Admission admission_;
  audit::Log log_;
  Questions questions_;
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
    polled.push_back({questions_.socket(), POLLIN, 0});
    const int count = ::poll(polled.data(), polled.size(), remaining());
    if (count < 0 && errno != EINTR) {
      base::check(-1, "wait for", "the boxes");
    }
    for (std::size_t i = 0; i < of.size() && count > 0; ++i) {
      if (polled[2 * i].revents != 0) {
        listen(*of[i]);
      }
    }
    if (count > 0 && polled.back().revents != 0) {
      hear_user();
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
  std::string problem;
  auto request = broker::read_spawn_request(json::parse(text, nullptr, false), problem);
  if (descriptors.empty()) {
    return;
  }
  base::UniqueFd link = std::move(descriptors.front());
  descriptors.erase(descriptors.begin());
  if (!request || descriptors.size() != (request->detach ? 0 : 3)) {
    tell(link.get(), {{"event", "refused"}, {"code", "bad_params"}, {"message", problem}});
    return;
  }
  if (const auto refused = judge(parent, *request)) {
    refuse(parent, *request, link.get(), *refused);
    return;
  }
  Questions::Held held{parent.identity.box, std::move(*request), std::move(link),
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
  Member none;
  none.identity = {.box = {},
                   .scope = request.scope,
                   .chain = parent.identity.chain + "/" + request.scope,
                   .depth = 0};
  none.parent = parent.identity.box;
  none.command = request.arguments.front();
  record(none, "refused", refused.message);
}

bool Server::ask_user(const Member& parent, Questions::Held& held) {
  const policy::Scope& scope = config_.policy.scopes.at(held.request.scope);
  const int link = held.link.get();
  if (!questions_.ask({{"box", parent.identity.box},
                       {"chain", parent.identity.chain},
                       {"scope", scope.name},
                       {"reason", held.request.reason},
                       {"rule", scope.place.text()},
                       {"command", held.request.arguments},
                       {"secrets", scope.secrets},
                       {"hosts", hosts(scope)},
                       {"session", scope.approve == policy::Approve::kSession}},
                      held)) {
    return false;
  }
  tell(link, {{"event", "waiting"}, {"message", "for the user's approval"}});
  return true;
}

void Server::hear_user() {
  std::optional<Questions::Answer> answer = questions_.next();
  if (!answer) {
    return;
  }
  const auto parent = std::find_if(members_.begin(), members_.end(), [&](const Member& member) {
    return member.identity.box == answer->held.box;
  });
  if (parent == members_.end() || over_ || parent->killed_at) {
    return;  // who asked is gone, and so is the link's other end
  }
  if (!answer->granted) {
    refuse(*parent, answer->held.request, answer->held.link.get(), {"denied", answer->reason, ""});
  } else if (const auto full = admission_.full(running())) {
    refuse(*parent, answer->held.request, answer->held.link.get(), *full);
  } else {
    start(*parent, std::move(answer->held), "allowed by the user");
  }
}

std::optional<Refused> Server::judge(const Member& parent, const broker::SpawnRequest& request) {
  if (over_ || parent.killed_at) {
    return Refused{"failed", "this box is ending", ""};
  }
  return admission_.judge(parent.identity, request, running(), Clock::now());
}

json Server::hosts(const policy::Scope& scope) const {
  json hosts = json::array();
  for (const policy::Pattern& host : scope.network ? *scope.network : config_.policy.network) {
    hosts.push_back(host.text);
  }
  return hosts;
}

json Server::receipt(const Member& member) const {
  const policy::Scope& scope = config_.policy.scopes.at(member.identity.scope);
  return {{"session", config_.session},
          {"parent", member.parent},
          {"child", member.identity.box},
          {"scope", member.identity.scope},
          {"chain", member.identity.chain},
          {"policy", config_.policy.hash},
          {"rule", member.rule},
          {"decision", member.decision},
          {"secrets", scope.secrets},
          {"network", hosts(scope)}};
}

void Server::start(const Member& parent, Questions::Held held, const char* decision) {
  broker::SpawnRequest& request = held.request;
  base::UniqueFd& link = held.link;
  Member member;
  member.decision = decision;
  member.identity = {.box = audit::new_id(),
                     .scope = request.scope,
                     .chain = parent.identity.chain + "/" + request.scope,
                     .depth = parent.identity.depth + 1};
  member.parent = parent.identity.box;
  member.command = request.arguments.front();
  member.rule = admission_.rule(parent.identity, request.scope);
  member.detached = request.detach;
  // On the log before it is there.
  record(member, "started", request.reason);

  int ends[2];
  base::check(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), "create",
              "a socket pair");
  member.socket.reset(ends[0]);
  base::UniqueFd theirs(ends[1]);
  const pid_t nursery = ::getpid();
  std::fflush(nullptr);
  member.pid = ::fork();
  if (member.pid < 0) {
    tell(link.get(), {{"event", "refused"},
                      {"code", "failed"},
                      {"message", "the machine has no room for another process"}});
    record(member, "failed", "fork");
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
    order.receipt = receipt(member);
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
  record(member, "ended",
         WIFEXITED(status)
             ? "exit status " + std::to_string(WEXITSTATUS(status))
             : "its supervisor was killed by signal " + std::to_string(WTERMSIG(status)));
  for (Member& other : members_) {
    if (other.parent == member.identity.box && !other.detached) {
      end(other);
    }
  }
  members_.remove_if([&](const Member& other) { return &other == &member; });
}

void Server::record(const Member& member, const char* outcome, const std::string& reason) {
  audit::Record record;
  record.event = "spawn";
  record.session = config_.session;
  record.box = member.identity.box;
  record.parent = member.parent;
  record.scope = member.identity.scope;
  record.chain = member.identity.chain;
  record.command = member.command;
  record.rule = member.rule;
  record.actor = config_.actor;
  record.policy = config_.policy.hash;
  record.outcome = outcome;
  record.reason = reason;
  log_.append(record);
}

}  // namespace

void settle_in(pid_t parent, std::span<base::UniqueFd* const> kept) {
  base::check(::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0), "prctl", "PR_SET_PDEATHSIG");
  if (::getppid() != parent) {
    ::_exit(0);  // it died before that
  }
  // No signal of the user's terminal, and no terminal that a later open(2) could make its own.
  base::check(::setsid(), "start", "a session");
  const int after = kFirst + static_cast<int>(kept.size());
  for (base::UniqueFd* one : kept) {
    const int copy = static_cast<int>(
        base::check(::fcntl(one->get(), F_DUPFD_CLOEXEC, after), "duplicate", "a descriptor"));
    // Its number is another's place, or is closed below.
    [[maybe_unused]] const int old = one->release();
    one->reset(copy);
  }
  int number = kFirst;
  for (base::UniqueFd* one : kept) {
    base::check(::dup3(one->release(), number, O_CLOEXEC), "duplicate", "a descriptor");
    one->reset(number++);
  }
  base::check(::close_range(static_cast<unsigned>(after), ~0U, 0), "close", "descriptors");
}

void serve(const Config& config, base::UniqueFd first, base::UniqueFd approvals) {
  Server(config, std::move(first), std::move(approvals)).run();
}

}  // namespace agentbox::nursery
