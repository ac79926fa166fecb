#include "launcher/nursery/settling.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/error.h"

namespace agentbox::nursery {

namespace {

constexpr int kFirst = 3;  // descriptors of a settled process

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

}  // namespace agentbox::nursery
