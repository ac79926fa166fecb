#include "policy/parameters.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace agentbox::policy {
namespace {

Document document(const std::string& members) {
  return parse("{\"version\": 1, " + members + "}", "agentbox.json", "/project");
}

Policy policy_of(const std::string& members) {
  Sources sources;
  sources.user = document(members);
  return merge(sources, shipped_profile);
}

const char* const kTenants = R"(
  "secrets": {"db": {"from": "op://tenant-${tenant}/db/password", "as": {"env": "DB"}},
              "key": {"from": "sops://keys.yaml#${tenant}.key", "as": {"env": "KEY"}}},
  "scopes": {"db": {"secrets": ["db", "key"], "params": {"tenant": "[a-z.-]{1,12}"},
             "accounts": {"op": {"OP_SERVICE_ACCOUNT_TOKEN": "local://op-${tenant}"}}},
             "list": {"params": {"tenant": ["acme", "globex"], "zone": ["eu"]}},
             "any": {"params": {"tenant": "(?s).*"}}})";

std::string problem_of(const std::string& members) {
  try {
    policy_of(members);
  } catch (const base::Error& error) {
    return error.what();
  }
  return {};
}

// The refusal, or "".
std::string refusal(const Scope& scope, const Parameters& given, const Parameters& fixed = {}) {
  try {
    bind_parameters(scope, given, fixed);
  } catch (const base::Error& error) {
    EXPECT_EQ(error.status(), base::Status::kDenied);
    return error.what() + std::string("\n") + error.hint();
  }
  return {};
}

TEST(Parameters, BindReferencesAndAccounts) {
  const Policy policy = policy_of(kTenants);
  const Parameters values = bind_parameters(policy.scopes.at("db"), {{"tenant", "acme"}}, {});
  const Policy bound = bound_policy(policy, "db", values);
  EXPECT_EQ(bound.secrets.at("db").from, "op://tenant-acme/db/password");
  EXPECT_EQ(bound.secrets.at("key").from, "sops://keys.yaml#acme.key");
  EXPECT_EQ(bound.scopes.at("db").accounts.at("op").variables.at("OP_SERVICE_ACCOUNT_TOKEN"),
            "local://op-acme");
  EXPECT_EQ(bound.hash, policy.hash);
  EXPECT_EQ(policy.secrets.at("db").from, "op://tenant-${tenant}/db/password");
}

TEST(Parameters, NoPatternLetsAValueChangeAReference) {
  const Scope scope = policy_of(kTenants).scopes.at("any");
  EXPECT_EQ(refusal(scope, {{"tenant", "acme-1_x.y"}}), "");
  for (const std::string& value : std::initializer_list<std::string>{"acme/../globex",
                                                                     "acme/x",
                                                                     "acme%2Fx",
                                                                     "acme#x",
                                                                     "acme?attribute=otp",
                                                                     "acme&x",
                                                                     "",
                                                                     "..",
                                                                     ".",
                                                                     "a..b",
                                                                     "-x",
                                                                     "acme x",
                                                                     "acme\n",
                                                                     "acm\xc3\xa9",
                                                                     "\xff",
                                                                     "$x",
                                                                     "${tenant}",
                                                                     "a:b",
                                                                     "a@b",
                                                                     "a\\b",
                                                                     "a{b",
                                                                     std::string("a\0b", 3),
                                                                     std::string(65, 'a'),
                                                                     std::string(1 << 20, 'a')}) {
    EXPECT_NE(refusal(scope, {{"tenant", value}}), "") << value.substr(0, 40);
  }
}

TEST(Parameters, AValueMustMatchWholly) {
  const Policy policy = policy_of(kTenants);
  EXPECT_EQ(refusal(policy.scopes.at("db"), {{"tenant", "acme"}}), "");
  EXPECT_NE(refusal(policy.scopes.at("db"), {{"tenant", "Acme"}}).find("[a-z.-]{1,12}"),
            std::string::npos);
  EXPECT_NE(refusal(policy.scopes.at("db"), {{"tenant", "acme1"}}), "");
  const Scope& list = policy.scopes.at("list");
  EXPECT_EQ(refusal(list, {{"tenant", "acme"}, {"zone", "eu"}}), "");
  EXPECT_NE(refusal(list, {{"tenant", "other"}, {"zone", "eu"}}).find("acme, globex"),
            std::string::npos);
}

TEST(Parameters, AreNeededAndDeclared) {
  const Policy policy = policy_of(kTenants);
  EXPECT_NE(refusal(policy.scopes.at("db"), {}).find("--param tenant="), std::string::npos);
  EXPECT_NE(refusal(policy.scopes.at("db"), {{"tennant", "acme"}}).find("did you mean \"tenant\""),
            std::string::npos);
  EXPECT_NE(refusal(policy.scopes.at("main"), {{"tenant", "acme"}}), "");
}

TEST(Parameters, OfABoxAboveAreFixed) {
  const Scope scope = policy_of(kTenants).scopes.at("db");
  const Parameters above = {{"tenant", "acme"}, {"zone", "eu"}};
  EXPECT_EQ(bind_parameters(scope, {}, above), (Parameters{{"tenant", "acme"}}));
  EXPECT_EQ(refusal(scope, {{"tenant", "acme"}}, above), "");
  EXPECT_NE(refusal(scope, {{"tenant", "globex"}}, above).find("tenant=acme"), std::string::npos);
  // What is fixed must be allowed here too.
  EXPECT_NE(refusal(scope, {}, {{"tenant", "ACME"}}), "");
}

TEST(Parameters, NoDotBehindTheNumberSign) {
  const Policy policy = policy_of(kTenants);
  EXPECT_THROW(bound_policy(policy, "db", {{"tenant", "a.b"}}), base::Error);
  EXPECT_EQ(bound_text("op://a-${t}/b", {{"t", "a.b"}}, {}), "op://a-a.b/b");
}

TEST(Parameters, PolicyIsCheckedWithItsPlace) {
  const auto scope = [](const std::string& keys) { return "\"scopes\": {\"db\": {" + keys + "}}"; };
  for (const std::string& members :
       {scope(R"("params": {"tenant": "[a-z"})"), scope(R"("params": {"tenant": []})"),
        scope(R"("params": {"tenant": ""})"), scope(R"("params": {"tenant": ["a/b"]})"),
        scope(R"("params": {"tenant": 1})"), scope(R"("params": {"a b": "x"})"),
        scope(R"("accounts": {"opp": {"OP_SERVICE_ACCOUNT_TOKEN": "x"}})"),
        scope(R"("accounts": {"op": {"OP_CONNECT_HOST": "x"}})"),
        scope(R"("accounts": {"op": {}})"), scope(R"("accounts": {"op": "x"})"),
        scope(R"("accounts": {"op": {"OP_SERVICE_ACCOUNT_TOKEN": ""}})"),
        scope(R"("accounts": {"vault": {"VAULT_ROLE_ID": "x"}})"),
        scope(R"("accounts": {"vault": {"VAULT_TOKEN": "x", "VAULT_ROLE_ID": "y"}})"),
        scope(R"("accounts": {"op": {"OP_SERVICE_ACCOUNT_TOKEN": "local://${t}"}})"),
        std::string(R"("secrets": {"a": {"from": "op://${t/a/b", "as": {"env": "A"}}})"),
        std::string(R"("secrets": {"a": {"from": "op://$t/a/b", "as": {"env": "A"}}})"),
        std::string(R"("secrets": {"a": {"from": "${t}://a/b", "as": {"env": "A"}}})"),
        std::string(R"("secrets": {"a": {"from": "op://${t}/a/b", "as": {"env": "A"}}})")}) {
    EXPECT_EQ(problem_of(members).substr(0, 16), "agentbox.json:1:") << members;
  }
  EXPECT_EQ(problem_of(scope(R"("params": {"t": "a+"},
      "accounts": {"vault": {"VAULT_ROLE_ID": "r-${t}", "VAULT_SECRET_ID": "env://S"}})")),
            "");
}

TEST(Parameters, ARepositorysNeedTrust) {
  Sources sources;
  sources.user = document(R"("scopes": {"db": {"params": {"t": ["a"]},
      "accounts": {"op": {"OP_CONNECT_TOKEN": "local://t"}}}})");
  sources.repository = document(R"("scopes": {"db": {"params": {"t": ["a", "b"]}}})");
  std::string all;
  for (const Widening& widening : widenings(sources, shipped_profile)) {
    all += widening.what + "\n";
  }
  EXPECT_NE(all.find("scope db: parameter t: a, b"), std::string::npos) << all;
  EXPECT_NE(all.find("op no longer with an account of its own"), std::string::npos) << all;
  sources.repository = sources.user;
  EXPECT_TRUE(widenings(sources, shipped_profile).empty());
}

TEST(Parameters, OfACommandLine) {
  EXPECT_EQ(read_parameters({"a=b", "c=d=e"}), (Parameters{{"a", "b"}, {"c", "d=e"}}));
  for (const char* word : {"a", "=b", "a b=c"}) {
    EXPECT_THROW(read_parameters({word}), base::Error) << word;
  }
  EXPECT_THROW(read_parameters({"a=b", "a=b"}), base::Error);
  EXPECT_EQ(text_of({{"a", "b"}, {"c", "d"}}), "a=b, c=d");
}

}  // namespace
}  // namespace agentbox::policy
