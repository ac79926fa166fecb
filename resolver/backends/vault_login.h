// How this session comes by a Vault token.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "resolver/backends/vault_server.h"
#include "resolver/environment.h"
#include "resolver/secret.h"

namespace agentbox::resolver {

struct VaultToken {
  Secret token;
  bool own = false;  // of a login of ours, to be revoked after use
  bool renewable = false;
  std::chrono::seconds lifetime{0};
};

// The first of: VAULT_TOKEN; VAULT_WRAPPED_TOKEN, which is unwrapped to a token or to an AppRole's
// secret ID; AppRole (VAULT_ROLE_ID, VAULT_SECRET_ID); a JWT (VAULT_ROLE with VAULT_JWT or
// VAULT_JWT_FILE); Kubernetes (VAULT_ROLE in a pod); the file VAULT_TOKEN_FILE or ~/.vault-token.
// VAULT_AUTH_METHOD (token, approle, jwt, kubernetes) chooses among them, VAULT_AUTH_MOUNT says
// where the method is mounted. BAO_ names go before VAULT_ ones. Everything is read again at each
// call, so that a rotated token counts; only a wrapped one, which is good for one use, is kept.
// Not thread-safe.
class VaultLogin {
 public:
  VaultLogin(VaultServer& server, const Environment& environment)
      : server_(server), environment_(environment) {}

  std::variant<VaultToken, Failed> token(std::chrono::steady_clock::time_point deadline);

 private:
  using Outcome = std::variant<VaultToken, Failed>;

  std::string_view variable(std::string_view name) const;
  std::string method() const;
  Outcome stored_token() const;
  Outcome approle(std::chrono::steady_clock::time_point deadline);
  Outcome jwt(const std::string& method, std::chrono::steady_clock::time_point deadline);
  Outcome log_in(const std::string& method, Secret body,
                 std::chrono::steady_clock::time_point deadline);
  std::optional<Failed> unwrap(std::chrono::steady_clock::time_point deadline);

  VaultServer& server_;
  Environment environment_;
  Secret unwrapped_token_, unwrapped_secret_id_;
};

}  // namespace agentbox::resolver
