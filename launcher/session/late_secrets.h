// Secrets that a box gets only when it asks for them while it runs.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "audit/log.h"
#include "launcher/approvals/queue.h"
#include "launcher/broker/broker.h"
#include "launcher/session/accounts.h"
#include "launcher/session/leases.h"
#include "launcher/session/prepared.h"
#include "launcher/session/recorder.h"
#include "launcher/session/release.h"
#include "launcher/session/store.h"

namespace agentbox::session {

// Thread-safe. Keeps references to what it is made of.
class LateSecrets {
 public:
  // Hands values out, which are on the log already. A base::Error fails the request.
  using Deliver = std::function<void(const std::vector<Released>&)>;

  // While it exists, what is asked for is delivered.
  class Delivery {
   public:
    explicit Delivery(LateSecrets& late) : late_(late) {}
    ~Delivery() { late_.close(); }
    Delivery(const Delivery&) = delete;
    Delivery& operator=(const Delivery&) = delete;

   private:
    LateSecrets& late_;
  };

  // `common`: what all records of the box have. `held`: what it gets at launch. `approvals`: where
  // the user is asked, if the scope says "approve"; it is closed when the delivery ends. Without
  // it, such a scope is refused.
  LateSecrets(const Prepared& prepared, const audit::Record& common, const std::vector<Grant>& held,
              Recorder& recorder, approvals::Queue* approvals);
  LateSecrets(const LateSecrets&) = delete;
  LateSecrets& operator=(const LateSecrets&) = delete;

  // Where a secret is. The first request for one that the scope may ask for starts its resolution,
  // on a thread of its own, once open() has been called; it is ready when it has been delivered.
  // Throws base::Error, in words for the box: for a name that is not the scope's (the same words as
  // for one that does not exist), and for a secret that cannot be had.
  broker::Requested request(const std::string& name, const std::string& reason);

  // `deliver` is called from that thread, which has the caller's signal mask.
  [[nodiscard]] Delivery open(Deliver deliver);

 private:
  struct Wish {
    std::string name, reason;
  };
  // What a value came from, kept for its leases.
  struct Source {
    Source(const Project& project, const policy::Scope& scope, Recorder& recorder)
        : resolver(
              make_resolver(project, Ask::kNever,
                            find_account(scope, project, recorder, Ask::kNever, Look::kAgain))),
          leases(resolver, recorder) {}
    resolver::Resolver resolver;
    Leases leases;
  };
  enum class State { kPending, kReady, kFailed };
  struct Known {
    State state = State::kPending;
    std::string refusal;  // by the user, in words for the box
  };

  void close();
  void work(const std::stop_token& stop);
  // Whether the policy or the user allows it, and else why not.
  approvals::Decision decide(const Wish& wish);
  Known handle(const Wish& wish);
  void fulfil(const Wish& wish);
  void note_request(const Wish& wish, const char* outcome);

  const Prepared& prepared_;
  const audit::Record common_;
  const policy::Scope& scope_;
  Recorder& recorder_;
  approvals::Queue* const approvals_;
  std::vector<broker::SecretPlace> held_;
  Deliver deliver_;
  std::deque<Source> sources_;  // of the thread
  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::deque<Wish> waiting_;
  std::map<std::string, Known> states_;
  std::jthread thread_;  // the last: it uses all of the above
};

}  // namespace agentbox::session
