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

#include "resolver/document.h"
#include "resolver/environment.h"
#include "resolver/http.h"
#include "resolver/resolver.h"

namespace agentbox::resolver {

// What one request brought (Vault HTTP API, "Error Response" and "Response-wrapping").
struct VaultReply {
  int status = 0;
  std::optional<Document> document;  // none if the body is empty or not JSON
  std::chrono::seconds retry_after{0};
};

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
  std::vector<std::variant<VaultReply, Failed>> ask(std::span<const HttpRequest> requests,
                                                    std::chrono::steady_clock::time_point deadline);
  std::variant<VaultReply, Failed> ask_one(const HttpRequest& request,
                                           std::chrono::steady_clock::time_point deadline);

  // What a status of 400 or more means, in the server's words where it has any. 403 is
  // kPermissionDenied: only Vault knows whether token or policy is at fault.
  Failed explain(const VaultReply& reply, std::string_view token) const;

 private:
  std::string address_, namespace_;
  Http http_;
};

}  // namespace agentbox::resolver
