// doppler://project/config/NAME: Doppler, by its HTTP API (v3).
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "resolver/environment.h"
#include "resolver/http.h"
#include "resolver/resolver.h"

namespace agentbox::resolver {

// One request a config for all the names that are wanted of it, all at once. DOPPLER_TOKEN is the
// token, DOPPLER_API_HOST another server than https://api.doppler.com. Values are those with
// references to other secrets filled in ("computed") and have no version.
class DopplerBackend : public Backend {
 public:
  explicit DopplerBackend(const Environment& environment = {}) : environment_(environment) {}

  std::string name() const override { return "doppler"; }
  std::vector<Answer> resolve(const std::vector<Reference>& references,
                              std::chrono::steady_clock::time_point deadline) override;

 private:
  Environment environment_;
  std::unique_ptr<Http> http_;  // made at the first use
};

}  // namespace agentbox::resolver
