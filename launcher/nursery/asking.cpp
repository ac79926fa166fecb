#include "launcher/nursery/asking.h"

#include <sys/socket.h>

#include <vector>

#include "base/error.h"
#include "base/passing.h"

namespace agentbox::nursery {

base::UniqueFd ask(int nursery, const broker::SpawnRequest& request, broker::Stdio stdio) {
  int ends[2];
  base::check(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), "create",
              "a socket pair");
  base::UniqueFd ours(ends[0]);
  const base::UniqueFd theirs(ends[1]);
  std::vector<int> passed = {theirs.get()};
  for (const base::UniqueFd& one : stdio) {
    if (one) {
      passed.push_back(one.get());
    }
  }
  const std::string text =
      broker::to_json(request).dump(-1, ' ', true, nlohmann::json::error_handler_t::replace);
  base::check(base::send_passing(nursery, text, passed, MSG_DONTWAIT), "ask", "the nursery");
  return ours;
}

void announce(int nursery, int process) {
  const nlohmann::json text = {{kRunning, true}};
  base::check(base::send_passing(nursery, text.dump(), {&process, 1}), "tell", "the nursery");
}

}  // namespace agentbox::nursery
