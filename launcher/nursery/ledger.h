// What is written about the boxes of a session: records for the log, receipts for who asked.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "audit/log.h"
#include "launcher/nursery/member.h"
#include "launcher/nursery/nursery.h"

namespace agentbox::nursery {

// Not thread-safe.
class Ledger {
 public:
  // Keeps a reference to `config`. Throws base::Error.
  explicit Ledger(const Config& config);

  // A "spawn" record. Throws base::Error when it cannot be written.
  void record(const Member& member, const char* outcome, const std::string& reason);
  void record_refusal(const Member& parent, const broker::SpawnRequest& request,
                      const std::string& reason);

  nlohmann::json receipt(const Member& member) const;
  // What the user is asked before `parent` may do that, in a box that is bound to `parameters`.
  nlohmann::json question(const Member& parent, const broker::SpawnRequest& request,
                          const policy::Parameters& parameters) const;

 private:
  nlohmann::json hosts(const policy::Scope& scope) const;

  const Config& config_;
  audit::Log log_;
};

}  // namespace agentbox::nursery
