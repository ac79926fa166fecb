// aws-sm://[region/]id[?stage=STAGE][?version=ID][#json-key]: AWS Secrets Manager.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "resolver/environment.h"
#include "resolver/http.h"
#include "resolver/resolver.h"

namespace agentbox::resolver {

// One GetSecretValue a secret and version, all at once, whatever number of its keys is wanted. The
// id is a name (which may hold slashes) or an ARN. The version of a value is its VersionId.
class AwsSecretsBackend : public Backend {
 public:
  // `avoid`: directories whose programs are not run as credential_process; the working directory if
  // there is none.
  explicit AwsSecretsBackend(const Environment& environment = {},
                             std::vector<std::string> avoid = {});

  std::string name() const override { return "aws-sm"; }
  std::vector<Answer> resolve(const std::vector<Reference>& references,
                              std::chrono::steady_clock::time_point deadline) override;

 private:
  Environment environment_;
  std::vector<std::string> avoid_;
  std::unique_ptr<Http> http_;  // made at the first use
};

}  // namespace agentbox::resolver
