// The process from which a session's further boxes are started.
//
// A box can only be started by a process with a single thread, and the supervisor has many, and
// secrets. So it forks this one first, which has neither: it decides whether a box may start
// another one, and forks a runner for each, which is the new box's supervisor in all else.
#pragma once

#include <sys/types.h>

#include <functional>
#include <nlohmann/json.hpp>
#include <string>

#include "base/unique_fd.h"
#include "launcher/broker/spawning.h"
#include "policy/parameters.h"
#include "policy/policy.h"

namespace agentbox::nursery {

// What a runner is to run, and for whom.
struct Order {
  broker::SpawnRequest request;
  std::string session, box, parent, chain;
  policy::Parameters parameters;  // bound, of its scope
  nlohmann::json receipt;
  base::UniqueFd link;     // to the caller's broker
  base::UniqueFd nursery;  // to ask for siblings; readable when the box has to end
};

struct Config {
  const policy::Policy& policy;     // as it is written, variables unbound
  policy::Parameters parameters;    // of the first box
  std::string session, box, scope;  // of the first box
  std::string actor;                // for the records
  // Runs in a process of its own, single-threaded, whose standard streams are the child's
  // (detached: /dev/null) and which ends with the exit status that this returns.
  std::function<int(Order)> run;
};

// Whether that scope may start any box at all.
bool may_spawn(const policy::Policy& policy, const std::string& scope);

class Nursery {
 public:
  // Forks. Call it with a single thread, before anything secret is in memory. Throws base::Error.
  static Nursery start(const Config& config);
  Nursery(Nursery&& other) noexcept;
  Nursery& operator=(Nursery&&) = delete;
  // Ends all boxes and waits for it.
  ~Nursery();

  // To ask for siblings of the first box; see ask().
  int socket() const { return socket_.get(); }

  // Where it asks for the user's approval and tells which boxes there are (supervisor_line.h).
  int liaison() const { return liaison_.get(); }

 private:
  Nursery(base::UniqueFd socket, base::UniqueFd liaison, pid_t process)
      : socket_(std::move(socket)), liaison_(std::move(liaison)), process_(process) {}

  base::UniqueFd socket_, liaison_;
  pid_t process_;
};

}  // namespace agentbox::nursery
