// A JSON answer of a server, or why there is none.
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "resolver/document.h"
#include "resolver/http.h"
#include "resolver/resolver.h"

namespace agentbox::resolver {

struct JsonReply {
  int status = 0;
  std::map<std::string, std::string> headers;
  std::optional<Document> document;  // none if the body is empty or not JSON

  Document::Node root() const { return document ? document->root() : Document::Node(); }
  // The seconds of Retry-After; 0 if it is not there or a date, which only the retries understand.
  std::chrono::seconds retry_after() const;
};

using JsonOutcome = std::variant<JsonReply, Failed>;

// All requests at once; one outcome each, in order. `address` and `authority` are for the hints of
// explain_http_failure(). Thread-safe, as Http is.
std::vector<JsonOutcome> ask_json(Http& http, std::span<const HttpRequest> requests,
                                  std::chrono::steady_clock::time_point deadline,
                                  std::string_view address, std::string_view authority);

}  // namespace agentbox::resolver
