// The boxes of one session while they live: what `agentbox ps` shows and `agentbox kill` ends.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <string>

#include "base/unique_fd.h"
#include "launcher/control/server.h"

namespace agentbox::control {

struct Member {
  std::string box, parent;  // ids; `parent` is empty for the session's first box
  std::string scope, chain;
  std::string command;          // argv[0]
  std::string parameters = {};  // of its scope, for people: "tenant=acme"
  std::chrono::system_clock::time_point since = std::chrono::system_clock::now();
  base::UniqueFd process;     // pidfd of the box's first process; none while it starts
  std::function<void()> end;  // how to end it besides; called on the serving thread
};

// Thread-safe.
class Roster {
 public:
  // In the roster until the place is destroyed, which must be before the roster is.
  class Place {
   public:
    Place(Roster& roster, std::uint64_t number) : roster_(&roster), number_(number) {}
    Place(Place&& other) noexcept : roster_(other.roster_), number_(other.number_) {
      other.roster_ = nullptr;
    }
    ~Place();
    // The box has its first process.
    void runs(base::UniqueFd process);
    Place& operator=(Place&&) = delete;
    Place(const Place&) = delete;
    Place& operator=(const Place&) = delete;

   private:
    Roster* roster_;
    std::uint64_t number_;
  };

  [[nodiscard]] Place enter(Member member);

  // "ps" gives {"boxes": [{box, parent, scope, chain, parameters, command, pid, since}]}, oldest
  // first, `since` in seconds since the epoch, `pid` -1 before and after the box's life. "kill"
  // takes
  // {"box": ID} or nothing for all of them, sends SIGKILL to the first process of each, with which
  // a PID namespace ends, calls its `end`, and gives {"killed": [ID…]}. The handlers keep a
  // reference to this.
  Handlers handlers();

 private:
  nlohmann::json list() const;
  nlohmann::json kill(const nlohmann::json& params) const;

  mutable std::mutex mutex_;
  std::map<std::uint64_t, Member> members_;
  std::uint64_t next_ = 0;
};

}  // namespace agentbox::control
