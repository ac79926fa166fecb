// The tables of what is found: one row a kind, one file a trade.
#pragma once

#include <span>
#include <string_view>

#include "policy/detector.h"

namespace agentbox::policy::detect {

// A token that its own form gives away. Shapes are written as shape.h says.
struct TokenKind {
  SecretKind kind;
  std::string_view shapes;
};

// A value without a form of its own: a name that holds one of `vendors` (parted by "|", lower case)
// promises it, and one of `shapes` must cover it.
struct NamedKind {
  SecretKind kind;
  std::string_view vendors;
  std::string_view shapes;
};

std::span<const TokenKind> cloud_kinds();
std::span<const TokenKind> model_kinds();
std::span<const TokenKind> source_kinds();
std::span<const TokenKind> message_kinds();
std::span<const TokenKind> payment_kinds();
std::span<const TokenKind> service_kinds();
std::span<const TokenKind> keeper_kinds();
std::span<const NamedKind> named_kinds();

// What code of its own finds: forms that a shape cannot say.
enum Form : unsigned {
  kPrivateKey,
  kPgpPrivateKey,
  kPuttyPrivateKey,
  kServiceAccountKey,
  kJsonWebKey,
  kJsonWebToken,
  kUrlPassword,
  kDatabaseUrlPassword,
  kBasicAuthorization,
  kBearerAuthorization,
  kRegistryLogin,
  kNpmCredential,
  kNetrcPassword,
  kPgpassPassword,
  kKubernetesSecret,
  kMasterKey,
  kConnectionString,
  kCommandLinePassword,
  kDiscordBotToken,
  kPassword,
  kSecret,
  kForms,
};
const SecretKind& form_kind(Form form);

}  // namespace agentbox::policy::detect
