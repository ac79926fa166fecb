#include "resolver/writers/op_connect_writer.h"

#include <utility>

#include "base/encode.h"
#include "resolver/backends/http_failure.h"
#include "resolver/backends/json_reply.h"
#include "resolver/backends/op_item.h"

namespace agentbox::resolver {

namespace {

using Clock = std::chrono::steady_clock;

// One call of write().
class Call {
 public:
  Call(Http& http, const Environment& environment, const OpPlace& place, Clock::time_point deadline)
      : http_(http),
        base_(environment.get("OP_CONNECT_HOST")),
        token_(environment.get("OP_CONNECT_TOKEN")),
        place_(place),
        deadline_(deadline) {
    while (base_.ends_with('/')) {
      base_.pop_back();
    }
    base_ += "/v1/vaults";
  }

  std::variant<Written, Failed> write(const std::vector<NewValue>& values) {
    auto vaults = list("");
    if (auto* failed = std::get_if<Failed>(&vaults)) {
      return std::move(*failed);
    }
    auto id = vault_id(std::get<JsonReply>(vaults).root());
    if (auto* failed = std::get_if<Failed>(&id)) {
      return std::move(*failed);
    }
    const std::string& vault = std::get<std::string>(id);
    const std::string items_path = "/" + percent_encode(vault) + "/items";
    // Not filtered by the title: the server compares letters' case, a reference does not.
    auto items = list(items_path);
    if (auto* failed = std::get_if<Failed>(&items)) {
      return std::move(*failed);
    }
    if (place_.is_among(std::get<JsonReply>(items).root())) {
      return Written{.changed = false};
    }
    HttpRequest request = to("POST", items_path);
    request.headers.push_back("Content-Type: application/json");
    request.body = place_.json(values, vault);
    request.repeatable = false;  // a second one would make a second item
    auto outcome = ask(request);
    if (auto* failed = std::get_if<Failed>(&outcome)) {
      failed->message += "; the item may have been made";
      return std::move(*failed);
    }
    const auto& reply = std::get<JsonReply>(outcome);
    if (reply.status != 200 && reply.status != 201) {
      return explain(reply);
    }
    return Written{.changed = true};
  }

 private:
  std::variant<JsonReply, Failed> list(const std::string& path) {
    auto outcome = ask(to("GET", path));
    if (auto* failed = std::get_if<Failed>(&outcome)) {
      return std::move(*failed);
    }
    auto& reply = std::get<JsonReply>(outcome);
    if (reply.status != 200 || !reply.root().is_array()) {
      return explain(reply);
    }
    return std::move(reply);
  }

  std::variant<std::string, Failed> vault_id(const Document::Node& vaults) const {
    std::vector<std::string> ids;
    std::vector<std::string> names;
    for (std::size_t i = 0; i < vaults.size(); ++i) {
      const std::string id = vaults[i]["id"].text();
      names.push_back(vaults[i]["name"].text());
      if (id == place_.vault) {
        return id;
      }
      if (same_name(names.back(), place_.vault)) {
        ids.push_back(id);
      }
    }
    if (ids.size() == 1) {
      return ids.front();
    }
    const std::string vault = base::printable(place_.vault);
    return ids.empty() ? Failed{Failure::kNotFound, "this Connect token sees no vault " + vault,
                                suggest(place_.vault, names)}
                       : Failed{Failure::kAmbiguous, "there is more than one vault " + vault,
                                "name it by its ID: --vault " + base::printable(ids.front())};
  }

  HttpRequest to(std::string_view method, const std::string& path) const {
    HttpRequest request;
    request.method = method;
    request.url = base_ + path;
    request.secret_headers.push_back(secret_header("Authorization: Bearer ", token_));
    return request;
  }

  JsonOutcome ask(const HttpRequest& request) {
    return std::move(
        ask_json(http_, {&request, 1}, deadline_, "OP_CONNECT_HOST", "SSL_CERT_FILE").front());
  }

  Failed explain(const JsonReply& reply) const {
    const std::string words = server_words(reply.root()["message"].text(), {token_});
    const std::string message = "1Password Connect answered " + std::to_string(reply.status) +
                                (words.empty() ? "" : ": " + words);
    switch (reply.status) {
      case 401:
        return {Failure::kAuthFailed, message, "renew OP_CONNECT_TOKEN: `op connect token create`"};
      case 403:
        return {Failure::kPermissionDenied, message,
                "grant the token the vault with the right to write: `op connect token create NAME "
                "--vault " +
                    base::printable(place_.vault) + ",rw`"};
      case 429:
        return rate_limited(message, reply.retry_after());
      default:
        return {reply.status >= 500 ? Failure::kUnavailable : Failure::kInvalidResponse, message,
                "look at OP_CONNECT_HOST: it must name a 1Password Connect server"};
    }
  }

  Http& http_;
  std::string base_;
  std::string_view token_;
  const OpPlace& place_;
  Clock::time_point deadline_;
};

}  // namespace

OpConnectWriter::OpConnectWriter(OpPlace place, const Environment& environment)
    : place_(std::move(place)), environment_(environment), http_(Http::Options(), environment) {
  place_.check();
}

std::variant<Written, Failed> OpConnectWriter::write(const std::vector<NewValue>& values,
                                                     Clock::time_point deadline) {
  if (auto clash = OpPlace::clash(values)) {
    return *std::move(clash);
  }
  return Call(http_, environment_, place_, deadline).write(values);
}

}  // namespace agentbox::resolver
