// Signature version 4 for requests to AWS.
#pragma once

#include <string>
#include <string_view>

#include "resolver/http.h"
#include "resolver/secret.h"

namespace agentbox::resolver {

struct AwsCredentials {
  std::string key_id;
  Secret key;
  Secret session_token;  // empty for a user's own keys
};

// Adds X-Amz-Date, X-Amz-Security-Token and Authorization to a request with an empty query (AWS
// General Reference, "Signing AWS API requests"; for the JSON and query protocols, which post all
// that they have). All headers that it has so far are signed. `date` as in "20260131T120000Z".
void sign_for_aws(HttpRequest& request, const AwsCredentials& credentials, std::string_view region,
                  std::string_view service, const std::string& date);

}  // namespace agentbox::resolver
