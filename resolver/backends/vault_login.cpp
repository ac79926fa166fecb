#include "resolver/backends/vault_login.h"

#include <unistd.h>

#include <utility>

#include "base/encode.h"
#include "resolver/backends/http_failure.h"

namespace agentbox::resolver {

namespace {

using Clock = std::chrono::steady_clock;

constexpr const char* kPodToken = "/var/run/secrets/kubernetes.io/serviceaccount/token";
constexpr const char* kWaysIn =
    "`vault login`, or export VAULT_TOKEN, or VAULT_ROLE_ID and VAULT_SECRET_ID";

VaultToken token_of(const Document::Node& auth) {
  VaultToken token;
  token.token = std::move(*auth["client_token"].secret());
  token.own = true;
  token.renewable = auth["renewable"].is_true();
  token.lifetime = std::chrono::seconds(auth["lease_duration"].integer());
  return token;
}

Failed no_token(const std::string& what) {
  return {Failure::kInvalidResponse, "Vault answered " + what + " without a token",
          "look at VAULT_ADDR: it must name a Vault or OpenBao server"};
}

}  // namespace

std::string_view VaultLogin::variable(std::string_view name) const {
  return environment_.get({"BAO_" + std::string(name), "VAULT_" + std::string(name)});
}

std::string VaultLogin::method() const {
  const std::string_view chosen = variable("AUTH_METHOD");
  if (!chosen.empty()) {
    return std::string(chosen);
  }
  if (!variable("TOKEN").empty()) {
    return "token";
  }
  if (!variable("ROLE_ID").empty()) {
    return "approle";
  }
  if (!variable("WRAPPED_TOKEN").empty() || variable("ROLE").empty()) {
    return "token";
  }
  const bool jwt = !variable("JWT").empty() || !variable("JWT_FILE").empty();
  return jwt ? "jwt" : ::access(kPodToken, R_OK) == 0 ? "kubernetes" : "token";
}

std::variant<VaultToken, Failed> VaultLogin::token(Clock::time_point deadline) {
  const std::string chosen = method();
  const bool set = chosen == "token" && !variable("TOKEN").empty();
  if (!variable("WRAPPED_TOKEN").empty() && !set && unwrapped_token_.empty() &&
      unwrapped_secret_id_.empty()) {
    if (std::optional<Failed> failed = unwrap(deadline)) {
      return *std::move(failed);
    }
  }
  if (chosen == "token") {
    return stored_token();
  }
  if (chosen == "approle") {
    return approle(deadline);
  }
  if (chosen == "jwt" || chosen == "kubernetes") {
    return jwt(chosen, deadline);
  }
  return Failed{Failure::kAuthRequired,
                "VAULT_AUTH_METHOD names no method that there is: " + base::printable(chosen),
                "it is token, approle, jwt or kubernetes"};
}

VaultLogin::Outcome VaultLogin::stored_token() const {
  VaultToken token;
  if (const std::string_view text = variable("TOKEN"); !text.empty()) {
    token.token = Secret(text);
    return token;
  }
  if (!unwrapped_token_.empty()) {
    token.token = unwrapped_token_.clone();
    return token;
  }
  std::string file(variable("TOKEN_FILE"));
  if (file.empty() && !environment_.get("HOME").empty()) {
    file = std::string(environment_.get("HOME")) + "/.vault-token";
  }
  token.token = file.empty() ? Secret() : read_credential_file(file);
  if (token.token.empty()) {
    return Failed{Failure::kAuthRequired, "there is no Vault token", kWaysIn};
  }
  return token;
}

VaultLogin::Outcome VaultLogin::approle(Clock::time_point deadline) {
  const std::string_view role = variable("ROLE_ID");
  const std::string_view secret =
      unwrapped_secret_id_.empty() ? variable("SECRET_ID") : unwrapped_secret_id_.reveal();
  if (role.empty()) {
    return Failed{Failure::kAuthRequired, "AppRole needs a role: VAULT_ROLE_ID is not set",
                  kWaysIn};
  }
  SecretBuilder body;
  body.append("{\"role_id\":");
  append_json_string(body, role);
  if (!secret.empty()) {  // a role may be bound to addresses instead
    body.append(",\"secret_id\":");
    append_json_string(body, secret);
  }
  body.append("}");
  return log_in("approle", body.take(), deadline);
}

VaultLogin::Outcome VaultLogin::jwt(const std::string& method, Clock::time_point deadline) {
  Secret proof;
  if (const std::string_view text = variable("JWT"); !text.empty()) {
    proof = Secret(text);
  } else {
    std::string file(variable("JWT_FILE"));
    file = file.empty() && method == "kubernetes" ? kPodToken : file;
    proof = file.empty() ? Secret() : read_credential_file(file);
  }
  if (proof.empty()) {
    return Failed{Failure::kAuthRequired, "there is no JWT to log in to Vault with",
                  "export VAULT_JWT_FILE=FILE"};
  }
  SecretBuilder body;
  body.append("{\"role\":");
  append_json_string(body, variable("ROLE"));
  body.append(",\"jwt\":");
  append_json_string(body, proof.reveal());
  body.append("}");
  return log_in(method, body.take(), deadline);
}

VaultLogin::Outcome VaultLogin::log_in(const std::string& method, Secret body,
                                       Clock::time_point deadline) {
  std::string mount(variable("AUTH_MOUNT"));
  mount = mount.empty() ? method : mount;
  HttpRequest request =
      server_.request("POST", "auth/" + percent_encode(mount, "/") + "/login", "", "");
  request.body = std::move(body);
  request.repeatable = false;  // a secret ID may be good for one use
  auto outcome = server_.ask_one(request, deadline);
  if (auto* failed = std::get_if<Failed>(&outcome)) {
    return std::move(*failed);
  }
  const auto& reply = std::get<JsonReply>(outcome);
  if (reply.status >= 400) {
    Failed failed = server_.explain(reply, variable("SECRET_ID"));
    if (reply.status == 400 || reply.status == 403) {
      failed.failure = Failure::kAuthFailed;
      failed.hint = method == "approle"
                        ? "make a new one: `vault write -f auth/" + mount + "/role/NAME/secret-id`"
                        : "look at VAULT_ROLE and at the JWT's audience and age";
    }
    return failed;
  }
  if (!reply.document || !reply.document->root()["auth"]["client_token"].is_string()) {
    return no_token("the login");
  }
  return token_of(reply.document->root()["auth"]);
}

std::optional<Failed> VaultLogin::unwrap(Clock::time_point deadline) {
  HttpRequest request =
      server_.request("POST", "sys/wrapping/unwrap", "", variable("WRAPPED_TOKEN"));
  request.repeatable = false;
  auto outcome = server_.ask_one(request, deadline);
  if (auto* failed = std::get_if<Failed>(&outcome)) {
    return std::move(*failed);
  }
  const auto& reply = std::get<JsonReply>(outcome);
  if (reply.status >= 400) {
    Failed failed = server_.explain(reply, variable("WRAPPED_TOKEN"));
    if (reply.status == 400 || reply.status == 403) {
      failed.failure = Failure::kAuthFailed;
      failed.hint =
          "VAULT_WRAPPED_TOKEN has expired or was used before; it is good for one use: if that "
          "was not you, revoke what was inside, then wrap a new one";
    }
    return failed;
  }
  if (reply.document) {
    const Document::Node root = reply.document->root();
    if (root["auth"]["client_token"].is_string()) {
      unwrapped_token_ = std::move(*root["auth"]["client_token"].secret());
      return std::nullopt;
    }
    if (root["data"]["secret_id"].is_string()) {
      unwrapped_secret_id_ = std::move(*root["data"]["secret_id"].secret());
      return std::nullopt;
    }
  }
  return no_token("the unwrapping");
}

}  // namespace agentbox::resolver
