#include "launcher/values/ordinary.h"

#include <gtest/gtest.h>

#include <string_view>

namespace agentbox::values {
namespace {

struct Value {
  std::string_view key, value;
};

TEST(Ordinary, IsNoSecretUnderAnyName) {
  for (const Value& v : {
           Value{"DB_NAME", "production1"},
           {"DB_HOST", "localhost:5432"},
           {"NODE_ENV", "development"},
           {"LOG_LEVEL", "information"},
           {"APP_PORT", "12345678"},
           {"AWS_REGION", "eu-central-1"},
           {"IMAGE", "node:18.20.4-alpine3.19"},
           {"DB_HOST", "db-primary-01.internal.example.com"},
           {"API_URL", "https://api.example.com/v1/projects"},
           {"EMAIL", "first.last@example.com"},
           {"START", "2024-06-11T12:34:56Z"},
           {"FEATURES", "search,export,billing"},
           {"NAME", "ProductionServerConfiguration"},
           {"CERT_FILE", "/etc/ssl/certs/ca-certificates.crt"},
           {"PASSWORD_FILE", "/run/secrets/db_password"},
           {"TOKEN_URL", "https://login.example.com/oauth2/v2.0/token"},
           {"SECRET_NAME", "production-database"},
           {"AUTH_METHOD", "client_secret_basic"},
           {"DB_PASSWORD", "password"},
           {"DB_PASSWORD", "postgres"},
           {"secrets", "anthropic"},
           {"what is said here of a secret in a sentence", "that it is one"},
           {"DB_PASSWORD", "changeme123"},
           {"API_KEY", "your-api-key-here"},
           {"API_KEY", "xxxxxxxxxxxxxxxxxxxx"},
           {"API_KEY", "<api key>"},
           {"PIN", "12345678"},
           {"PIN", "00000000"},
           {"TOKEN", "${GITHUB_TOKEN}"},
           {"TOKEN", "$GITHUB_TOKEN"},
           {"TOKEN", "op://vault/item/field"},
           {"TOKEN", "{{ .Values.token }}"},
           {"TOKEN", "$(cat /run/token)"},
           {"TOKEN", "{CANARY}"},
           {"API_KEY", "sk-proj-{name}"},
           {"password", "{user.password_2}"},
           {"LOGIN_SECRET", "user:<password>"},
           {"DATABASE_URL", "postgres://{user}:{password}@{host}/db"},
           {"INTEGRITY", "sha512-abcdefgh"},
           {"", "npm install --save-dev typescript@5.4.2"},
           {"AZURE_TENANT_ID", "72f988bf-86f1-41af-91ab-2d7cd011db47"},
           {"STRIPE_PUBLISHABLE_KEY", "pk_live_9fK2mQ7xV1pL4cR8tZ3wB6nH"},
           {"GIT_COMMIT", "6a945203f8fd02d09bad8b13341a4908f422bf94"},
           {"", "ssh-ed25519"},
           {"", "Content-Type: application/json"},
           {"", "b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAABFwAAAAdzc2gtcn"},
       }) {
    EXPECT_TRUE(is_ordinary(v.value, v.key)) << v.key << "=" << v.value;
  }
}

// The control: what differs from the above by its name or by its looks.
TEST(Ordinary, IsNotWhatASecretIs) {
  for (const Value& v : {
           Value{"DB_PASSWORD", "production1"},
           {"DB_PASSWORD", "{aB3}x9#kLm2"},
           {"DB_PASSWORD", "{8kd02mf83}"},
           {"DB_PASSWORD", "hunter<2>hunter"},
           {"dbPassword", "correct horse battery"},
           {"password", "hunter2hunter2"},
           {"POSTGRES_PASSWORD", "83749265"},
           {"spring.datasource.password", "Sommer-2024"},
           {"client-secret", "kdwpqhzmtrsb"},
           {"API_KEY", "9f86d081884c7d65"},
           {"_authToken", "npm_a8Kd93jLq02mXzP7"},
           {"", "sk-proj-9fK2mQ7xV1pL4cR8tZ3wB6nH"},
           {"OPENAI", "sk-9fK2mQ7xV1pL4cR8tZ3wB6nH"},
           {"X", "ghp_Xq81mZk27LpWv93TnBs64RyCd05HfJg1"},
           {"X", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYzK3q9x8T2v"},
           {"X", "d1f0c2a94b7e4f0e8a3f5d6c7b8a9e01"},
           {"DATABASE_URL", "postgres://app:Zk27LpWv@db.example.com/app"},
           {"HOOK",
            "https://hooks.slack.com/services/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"},
           {"SESSION_ID", "9fK2mQ7xV1pL4cR8tZ3wB6nH"},
           {"ADMIN", "Tr0ub4dor&3horse"},
           {"PRIVATE KEY", "MIIEvQIBADANBgkqhkiG9w0BAQEFAASC"},
       }) {
    EXPECT_FALSE(is_ordinary(v.value, v.key)) << v.key << "=" << v.value;
  }
}

TEST(Ordinary, PasswordInUrl) {
  EXPECT_EQ(password_in_url("postgres://user:pa:ss@word@host/db?a=b@c"), "pa:ss@word");
  EXPECT_EQ(password_in_url("https://host:8080/path@x"), "");
  EXPECT_EQ(password_in_url("https://user@host/"), "");
  EXPECT_EQ(password_in_url("user:password@host"), "");
}

}  // namespace
}  // namespace agentbox::values
