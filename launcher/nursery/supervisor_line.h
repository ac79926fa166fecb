// The nursery's line to the supervisor: requests that the user has to allow, which wait here for
// the answer, and which boxes there are.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/unique_fd.h"
#include "launcher/broker/spawning.h"

namespace agentbox::nursery {

// Not thread-safe. At most kMost wait; the supervisor has a limit of its own for each box.
//
// One JSON object a message, over a SOCK_SEQPACKET pair. From here: {"ask":ID, …},
// {"withdrawn":ID},
// {"entered":BOX, …}, {"running":BOX} with a pidfd of the box's first process, {"left":BOX}. From
// the supervisor: {"id":ID,"granted":…,"reason":…} and {"kill":BOX}.
class SupervisorLine {
 public:
  static constexpr std::size_t kMost = 64;

  struct Held {
    std::string box;  // that asks
    broker::SpawnRequest request;
    base::UniqueFd link;
    std::vector<base::UniqueFd> stdio;
  };
  struct Answer {
    bool granted = false;
    std::string reason;  // for the box, where it is a no
    Held held;
  };
  struct Kill {
    std::string box;
  };
  using Heard = std::variant<Answer, Kill>;

  explicit SupervisorLine(base::UniqueFd socket) : socket_(std::move(socket)) {}

  // Readable: next() may have something. -1: nobody is there any more.
  int socket() const { return socket_.get(); }

  // Passes `about` on, an object, with a number. False: it cannot be asked, and `held` is kept by
  // the caller.
  bool ask(nlohmann::json about, Held& held);
  // nullopt: nothing there.
  std::optional<Heard> next();

  // The links of what waits: the hang-up of one means that nobody wants the answer any more.
  std::vector<int> links() const;
  void withdraw(int link);

  // Waits where the supervisor is slow: what it does not hear of, `agentbox kill` would not reach.
  void tell(const nlohmann::json& news, int passed = -1);

 private:
  base::UniqueFd socket_;
  std::uint64_t last_ = 0;
  std::map<std::uint64_t, Held> held_;
};

}  // namespace agentbox::nursery
