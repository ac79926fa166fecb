// op:// references through a 1Password Connect server's REST API.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "resolver/environment.h"
#include "resolver/http.h"
#include "resolver/resolver.h"

namespace agentbox::resolver {

// Vaults by one list, then items by title or ID, then each item once, all at once in each of these
// three steps; steps that IDs make needless are left out. Names are compared without regard to
// case, as op does. The version of a value is its item's.
class OpConnectBackend : public Backend {
 public:
  explicit OpConnectBackend(const Environment& environment = {});

  // Whether OP_CONNECT_HOST and OP_CONNECT_TOKEN are both set: op goes by them before all else.
  bool configured() const;

  std::string name() const override { return "op-connect"; }
  std::vector<Answer> resolve(const std::vector<Reference>& references,
                              std::chrono::steady_clock::time_point deadline) override;

 private:
  Environment environment_;
  std::unique_ptr<Http> http_;  // made at the first use
};

}  // namespace agentbox::resolver
