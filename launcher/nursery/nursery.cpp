#include "launcher/nursery/nursery.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <exception>
#include <utility>

#include "base/error.h"
#include "base/file.h"
#include "launcher/nursery/server.h"
#include "launcher/nursery/settling.h"

namespace agentbox::nursery {

namespace {

// The user's terminal is none of the nursery's.
void hold_null() {
  const base::UniqueFd null = base::open_at(AT_FDCWD, "/dev/null", O_RDWR);
  for (int number : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    base::check(::dup2(null.get(), number), "duplicate", "/dev/null");
  }
}

std::pair<base::UniqueFd, base::UniqueFd> make_pair() {
  int ends[2];
  base::check(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), "create",
              "a socket pair");
  return {base::UniqueFd(ends[0]), base::UniqueFd(ends[1])};
}

}  // namespace

bool may_spawn(const policy::Policy& policy, const std::string& scope) {
  return !policy.scopes.at(scope).spawn.empty() || !policy.commands.empty();
}

Nursery::Nursery(Nursery&& other) noexcept
    : socket_(std::move(other.socket_)),
      liaison_(std::move(other.liaison_)),
      process_(std::exchange(other.process_, -1)) {}

Nursery Nursery::start(const Config& config) {
  auto [ours, theirs] = make_pair();
  auto [liaison, supervisor] = make_pair();
  std::fflush(nullptr);
  const pid_t parent = ::getpid();
  const auto process = static_cast<pid_t>(base::check(::fork(), "start", "the nursery"));
  if (process == 0) {
    try {
      hold_null();
      base::UniqueFd* const kept[] = {&theirs, &supervisor};
      settle_in(parent, kept);
      serve(config, std::move(theirs), std::move(supervisor));
      ::_exit(0);
    } catch (const std::exception&) {
      // Its end is what the others see, and none of its boxes outlives it.
      ::_exit(static_cast<int>(base::Status::kFailed));
    }
  }
  return Nursery(std::move(ours), std::move(liaison), process);
}

Nursery::~Nursery() {
  if (process_ < 0) {
    return;
  }
  socket_.reset();
  liaison_.reset();
  while (::waitpid(process_, nullptr, 0) < 0 && errno == EINTR) {
  }
}

}  // namespace agentbox::nursery
