// Where AWS credentials come from: the chain that AWS's own tools go through.
#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "resolver/backends/aws_profile.h"
#include "resolver/backends/aws_signature.h"
#include "resolver/backends/json_reply.h"
#include "resolver/environment.h"
#include "resolver/http.h"
#include "resolver/resolver.h"

namespace agentbox::resolver {

// The first of: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; the profile AWS_PROFILE (or
// "default"): a role by source_profile, credential_source or web identity, static keys,
// credential_process; AWS_WEB_IDENTITY_TOKEN_FILE with AWS_ROLE_ARN; a container's endpoint; the
// instance's metadata service (version 2 only). SSO and roles that want an MFA code are errors that
// say what to do. Lives for one resolution. Not thread-safe.
class AwsChain {
 public:
  // `avoid`: directories whose programs are not run as credential_process.
  AwsChain(Http& http, const Environment& environment, std::vector<std::string> avoid,
           std::chrono::steady_clock::time_point deadline);

  std::variant<AwsCredentials, Failed> credentials();
  // AWS_REGION, AWS_DEFAULT_REGION, or the profile's; "" if there is none.
  std::string region() const;
  // The endpoint of a service: AWS_ENDPOINT_URL_SERVICE, AWS_ENDPOINT_URL, the profile's
  // endpoint_url, or AWS's own for the region.
  std::string endpoint(std::string_view service, std::string_view variable,
                       std::string_view region) const;

 private:
  using Outcome = std::variant<AwsCredentials, Failed>;

  Outcome of_profile(const AwsProfile& profile, int depth);
  Outcome of_source(const AwsProfile& profile, int depth);
  Outcome of_process(const AwsProfile& profile);
  Outcome of_container();
  Outcome of_instance();
  Outcome assume_role(const AwsProfile& profile, const AwsCredentials& source);
  Outcome assume_role_with_web_identity(std::string_view role, std::string_view session,
                                        const std::string& token_file);
  // Signed with `source`, if there is one; `token` is what else is secret in it.
  Outcome ask_sts(HttpRequest request, const AwsCredentials* source, const char* action,
                  std::string_view token = {});
  Outcome ask_endpoint(const HttpRequest& request, const char* what);

  Http& http_;
  Environment environment_;
  std::vector<std::string> avoid_;
  std::chrono::steady_clock::time_point deadline_;
  AwsProfile profile_;
};

// The time as a signature wants it, "20260131T120000Z".
std::string aws_date();

}  // namespace agentbox::resolver
