#include "resolver/backends/vault_server.h"

#include <utility>

#include "resolver/backends/http_failure.h"

namespace agentbox::resolver {

namespace {

constexpr const char* kAddress = "VAULT_ADDR";
constexpr const char* kAuthority = "VAULT_CACERT";

Http::Options http_options(const Environment& environment) {
  Http::Options options;
  options.ca_file = environment.get({"BAO_CACERT", "VAULT_CACERT"});
  options.ca_directory = environment.get({"BAO_CAPATH", "VAULT_CAPATH"});
  options.client_certificate = environment.get({"BAO_CLIENT_CERT", "VAULT_CLIENT_CERT"});
  options.client_key = environment.get({"BAO_CLIENT_KEY", "VAULT_CLIENT_KEY"});
  return options;
}

// Its "errors", in one line. Some are lists with a headline and bullets.
std::string errors_of(const JsonReply& reply, std::string_view token) {
  std::string words;
  if (reply.document) {
    const Document::Node errors = reply.document->root()["errors"];
    for (std::size_t i = 0; i < errors.size(); ++i) {
      words += (words.empty() ? "" : "; ") + errors[i].text();
    }
  }
  for (char& c : words) {
    c = c == '\n' || c == '\t' ? ' ' : c;
  }
  return server_words(words, {token});
}

}  // namespace

VaultServer::VaultServer(const Environment& environment)
    : address_(environment.get({"BAO_ADDR", "VAULT_ADDR"})),
      namespace_(environment.get({"BAO_NAMESPACE", "VAULT_NAMESPACE"})),
      http_(http_options(environment), environment) {
  while (address_.ends_with('/')) {
    address_.pop_back();
  }
}

std::optional<Failed> VaultServer::unconfigured() const {
  if (!address_.empty()) {
    return std::nullopt;
  }
  return Failed{Failure::kUnavailable, "no Vault server is named: VAULT_ADDR is not set",
                "export VAULT_ADDR=https://HOST:8200"};
}

HttpRequest VaultServer::request(std::string_view method, std::string_view path,
                                 std::string_view name_space, std::string_view token) const {
  HttpRequest request;
  request.method = method;
  request.url = address_ + "/v1/" + std::string(path);
  // Required by a Vault proxy against forged requests from browsers; all of its clients send it.
  request.headers.push_back("X-Vault-Request: true");
  const std::string_view chosen = name_space.empty() ? namespace_ : name_space;
  if (!chosen.empty()) {
    request.headers.push_back("X-Vault-Namespace: " + std::string(chosen));
  }
  if (!token.empty()) {
    request.secret_headers.push_back(secret_header("X-Vault-Token: ", token));
  }
  if (method != "GET") {
    request.headers.push_back("Content-Type: application/json");
  }
  return request;
}

std::vector<JsonOutcome> VaultServer::ask(std::span<const HttpRequest> requests,
                                          std::chrono::steady_clock::time_point deadline) {
  return ask_json(http_, requests, deadline, kAddress, kAuthority);
}

JsonOutcome VaultServer::ask_one(const HttpRequest& request,
                                 std::chrono::steady_clock::time_point deadline) {
  return std::move(ask({&request, 1}, deadline).front());
}

Failed VaultServer::explain(const JsonReply& reply, std::string_view token) const {
  const std::string words = errors_of(reply, token);
  const std::string message =
      "Vault answered " + std::to_string(reply.status) + (words.empty() ? "" : ": " + words);
  switch (reply.status) {
    case 400:
      if (words.find("missing client token") != std::string::npos) {
        return {Failure::kAuthRequired, message, "export VAULT_TOKEN, or `vault login`"};
      }
      return {Failure::kInvalidReference, message, "compare with `vault read PATH`"};
    case 403:
      return {Failure::kPermissionDenied, message,
              "`vault token capabilities PATH` shows what this token may do"};
    case 404:
      return {Failure::kNotFound, message, "look with `vault kv list`"};
    case 429:
      return rate_limited(message, reply.retry_after());
    case 501:
      return {Failure::kUnavailable, message, "it is not initialised: `vault operator init`"};
    case 503:
      return {Failure::kUnavailable, message,
              "`vault status` shows whether it is sealed; if so, `vault operator unseal`"};
    default:
      return {reply.status < 500 ? Failure::kInvalidResponse : Failure::kUnavailable, message,
              "`vault status` shows how the server is"};
  }
}

}  // namespace agentbox::resolver
