// infisical://project-id/environment/[folder/…]NAME: Infisical, by its HTTP API.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "resolver/environment.h"
#include "resolver/http.h"
#include "resolver/resolver.h"

namespace agentbox::resolver {

// One list a folder, all at once, from the API's version 4, or 3 where a server does not know that.
// INFISICAL_TOKEN is a token; otherwise a machine identity logs in (universal auth) with
// INFISICAL_UNIVERSAL_AUTH_CLIENT_ID and _SECRET, or INFISICAL_CLIENT_ID and _SECRET, and the
// token that it gets is handed over as a Lease. INFISICAL_DOMAIN or INFISICAL_API_URL name another
// server than https://app.infisical.com. The version of a value is its secret's.
class InfisicalBackend : public Backend {
 public:
  explicit InfisicalBackend(const Environment& environment = {});

  std::string name() const override { return "infisical"; }
  std::vector<Answer> resolve(const std::vector<Reference>& references,
                              std::chrono::steady_clock::time_point deadline) override;
  std::vector<std::unique_ptr<Lease>> take_leases() override;

 private:
  Environment environment_;
  std::string address_;
  std::shared_ptr<Http> http_;  // made at the first use; shared with the leases
  std::vector<std::unique_ptr<Lease>> leases_;
};

}  // namespace agentbox::resolver
