#include "resolver/account.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace agentbox::resolver {

namespace {

constexpr std::string_view kSchemes[] = {"aws-sm", "doppler", "infisical", "op", "vault"};

// All that holds credentials or chooses among them. What is left of a store's variables says where
// its server is. A name that ends with "_" stands for all that begin so.
constexpr std::string_view kCredentials[] = {
    "AWS_ACCESS_KEY_ID",
    "AWS_CONTAINER_",
    "AWS_EC2_METADATA_SERVICE_ENDPOINT",
    "AWS_PROFILE",
    "AWS_ROLE_ARN",
    "AWS_ROLE_SESSION_NAME",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "BAO_AUTH_",
    "BAO_JWT",
    "BAO_JWT_FILE",
    "BAO_ROLE",
    "BAO_ROLE_ID",
    "BAO_SECRET_ID",
    "BAO_TOKEN",
    "BAO_TOKEN_FILE",
    "BAO_WRAPPED_TOKEN",
    "DOPPLER_TOKEN",
    "INFISICAL_CLIENT_ID",
    "INFISICAL_CLIENT_SECRET",
    "INFISICAL_TOKEN",
    "INFISICAL_UNIVERSAL_AUTH_CLIENT_ID",
    "INFISICAL_UNIVERSAL_AUTH_CLIENT_SECRET",
    "OP_ACCOUNT",
    "OP_BIOMETRIC_UNLOCK_ENABLED",
    "OP_CACHE",
    "OP_CONNECT_TOKEN",
    "OP_SERVICE_ACCOUNT_TOKEN",
    "OP_SESSION_",
    "VAULT_AUTH_",
    "VAULT_JWT",
    "VAULT_JWT_FILE",
    "VAULT_ROLE",
    "VAULT_ROLE_ID",
    "VAULT_SECRET_ID",
    "VAULT_TOKEN",
    "VAULT_TOKEN_FILE",
    "VAULT_WRAPPED_TOKEN",
};

bool is_credential(std::string_view variable) {
  const std::string_view name = variable.substr(0, variable.find('='));
  return std::any_of(std::begin(kCredentials), std::end(kCredentials), [&](std::string_view known) {
    return known.back() == '_' ? name.starts_with(known) : name == known;
  });
}

}  // namespace

Account::Account(const char* const* base) {
  for (; *base != nullptr; ++base) {
    if (!is_credential(*base)) {
      variables_.push_back(*base);
    }
  }
  variables_.push_back(nullptr);
}

void Account::set(const std::string& scheme, const std::string& name, const Secret& value) {
  // A namespace or a region may be there without being anyone's credential; and what begins with
  // BAO_ would go before the same with VAULT_.
  const std::string second = name.starts_with("VAULT_") ? "BAO_" + name.substr(6) : name;
  std::erase_if(variables_, [&](const char* variable) {
    const std::string_view text = variable == nullptr ? "" : variable;
    return text.starts_with(name + "=") || text.starts_with(second + "=");
  });
  // op goes to a Connect server where it knows one, and there with another kind of token.
  if (name == "OP_SERVICE_ACCOUNT_TOKEN") {
    std::erase_if(variables_, [](const char* variable) {
      return variable != nullptr && std::string_view(variable).starts_with("OP_CONNECT_HOST=");
    });
  }
  SecretBuilder text;
  text.append(name + "=");
  text.append(value.reveal());
  text.append(std::string_view("\0", 1));
  own_.push_back(text.take());
  variables_.back() = own_.back().reveal().data();
  variables_.push_back(nullptr);
  schemes_.push_back(scheme);
}

bool Account::holds(std::string_view scheme) const {
  return !has_accounts(scheme) ||
         std::find(schemes_.begin(), schemes_.end(), scheme) != schemes_.end();
}

bool has_accounts(std::string_view scheme) {
  return std::find(std::begin(kSchemes), std::end(kSchemes), scheme) != std::end(kSchemes);
}

}  // namespace agentbox::resolver
