// Requests for boxes that the user has to allow: kept here while the supervisor asks.
#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "base/unique_fd.h"
#include "launcher/broker/spawning.h"

namespace agentbox::nursery {

// Not thread-safe. At most kMost wait; the supervisor has a limit of its own for each box.
class Questions {
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

  // One end of a SOCK_SEQPACKET pair; the supervisor has the other.
  explicit Questions(base::UniqueFd socket) : socket_(std::move(socket)) {}

  // Readable: next() may have something. -1: nobody answers any more.
  int socket() const { return socket_.get(); }

  // Passes `about` on, an object, with a number. False: it cannot be asked, and `held` is kept by
  // the caller.
  bool ask(nlohmann::json about, Held& held);
  // nullopt: nothing there.
  std::optional<Answer> next();

 private:
  base::UniqueFd socket_;
  std::uint64_t last_ = 0;
  std::map<std::uint64_t, Held> held_;
};

}  // namespace agentbox::nursery
