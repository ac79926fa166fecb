#include "resolver/backends/json_reply.h"

#include <utility>

#include "base/number.h"
#include "resolver/backends/http_failure.h"

namespace agentbox::resolver {

std::chrono::seconds JsonReply::retry_after() const {
  const auto header = headers.find("retry-after");
  const auto seconds =
      header == headers.end() ? std::nullopt : base::parse_number(header->second, 1'000'000'000);
  return std::chrono::seconds(seconds.value_or(0));
}

std::vector<JsonOutcome> ask_json(Http& http, std::span<const HttpRequest> requests,
                                  std::chrono::steady_clock::time_point deadline,
                                  std::string_view address, std::string_view authority) {
  std::vector<JsonOutcome> outcomes;
  for (HttpResult& result : http.run(requests, deadline)) {
    if (const auto* failure = std::get_if<HttpFailure>(&result)) {
      outcomes.emplace_back(explain_http_failure(*failure, address, authority));
      continue;
    }
    auto& response = std::get<HttpResponse>(result);
    JsonReply reply;
    reply.status = response.status;
    reply.headers = std::move(response.headers);
    reply.document = Document::parse(std::move(response.body));
    outcomes.emplace_back(std::move(reply));
  }
  return outcomes;
}

}  // namespace agentbox::resolver
