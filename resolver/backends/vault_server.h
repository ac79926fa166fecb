// A Vault or OpenBao server: where it is, how it is asked, what its errors mean.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "resolver/backends/json_reply.h"
#include "resolver/environment.h"
#include "resolver/http.h"
#include "resolver/resolver.h"

namespace agentbox::resolver {

class VaultServer {
 public:
  // BAO_ADDR, BAO_NAMESPACE, BAO_CACERT, BAO_CAPATH, BAO_CLIENT_CERT, BAO_CLIENT_KEY, or the same
  // with VAULT_.
  explicit VaultServer(const Environment& environment);

  // What is missing before anything can be asked.
  std::optional<Failed> unconfigured() const;

  // `path` without "/v1/", percent-encoded; `name_space` as in VAULT_NAMESPACE, empty for that.
  HttpRequest request(std::string_view method, std::string_view path, std::string_view name_space,
                      std::string_view token) const;

  // One reply each, or why there is none. Thread-safe, as Http is.
  std::vector<JsonOutcome> ask(std::span<const HttpRequest> requests,
                               std::chrono::steady_clock::time_point deadline);
  JsonOutcome ask_one(const HttpRequest& request, std::chrono::steady_clock::time_point deadline);

  // What a status of 400 or more means, in the server's words where it has any. 403 is
  // kPermissionDenied: only Vault knows whether token or policy is at fault.
  Failed explain(const JsonReply& reply, std::string_view token) const;

 private:
  std::string address_, namespace_;
  Http http_;
};

}  // namespace agentbox::resolver
