// The Vault backend against the stand-in.
#include "resolver/backends/vault.h"

#include "resolver/lease_keeper.h"
#include "stand_in.h"

namespace agentbox::resolver {
namespace {

using Json = nlohmann::json;
using std::chrono::seconds;
using std::chrono::steady_clock;

constexpr const char* kToken = "hvs.CANARY-token";

class VaultTest : public testing::Test {
 protected:
  void start(bool with_token = true) {
    server_ = std::make_unique<StandIn>("vault", config_);
    set("VAULT_ADDR", server_->url() + "/");
    set("VAULT_CACERT", server_->authority());
    set("HOME", home_.path());
    if (with_token) {
      set("VAULT_TOKEN", kToken);
    }
  }

  void set(const std::string& name, const std::string& value) { variables_.set(name, value); }

  std::vector<Answer> resolve(const std::vector<std::string>& texts) {
    if (!backend_) {
      backend_ = std::make_unique<VaultBackend>(Environment(variables_.get()));
    }
    std::vector<Reference> references;
    for (const std::string& text : texts) {
      references.push_back(parse_reference(text));
    }
    std::vector<Answer> answers = backend_->resolve(references, steady_clock::now() + seconds(30));
    EXPECT_EQ(answers.size(), texts.size());
    for (const Answer& answer : answers) {
      if (const auto* failed = std::get_if<Failed>(&answer)) {
        EXPECT_EQ((failed->message + failed->hint).find("CANARY"), std::string::npos)
            << failed->message;
      }
    }
    return answers;
  }

  static std::string text(const Answer& answer) {
    if (const auto* value = std::get_if<Value>(&answer)) {
      return std::string(value->secret.reveal()) +
             (value->version.empty() ? "" : " v" + value->version);
    }
    const Failed& failed = std::get<Failed>(answer);
    return std::string(failure_name(failed.failure)) + ": " + failed.message + " / " + failed.hint;
  }

  std::string one(const std::string& reference) { return text(resolve({reference})[0]); }

  std::size_t asked(const std::string& path) {
    std::size_t count = 0;
    for (const Json& request : server_->requests()) {
      count += request["path"] == "/v1/" + path ? 1 : 0;
    }
    return count;
  }

  Json config_ = {
      {"tokens", {{kToken, Json::object()}}},
      {"mounts",
       {{"secret/", {{"type", "kv"}, {"options", {{"version", "2"}}}}},
        {"secretv1/", {{"type", "kv"}, {"options", nullptr}}},
        {"database/", {{"type", "database"}, {"options", nullptr}}}}},
      {"secrets",
       {{"secret/app",
         {{{"data", {{"password", "old"}}}},
          {{"data",
            {{"password", "CANARY-2 \n\"x\" "},
             {"port", 5432},
             {"on", true},
             {"none", nullptr},
             {"deep", {{"a", Json::array({1, "b"})}}}}}}}},
        {"secret/gone", {{{"data", {{"a", "b"}}}, {"deleted", true}}}},
        {"secret/with space/é", {{{"data", {{"k", "spaced"}}}}}},
        {"secretv1/app", {{{"data", {{"password", "CANARY-v1"}}}}}},
        {"database/creds/ro", {{{"data", {{"username", "user-$N"}, {"password", "CANARY-$N"}}}}}}}},
      {"namespaces",
       {{"team",
         {{"mounts", {{"secret/", {{"type", "kv"}, {"options", {{"version", "2"}}}}}}},
          {"secrets", {{"secret/app", {{{"data", {{"password", "of the team"}}}}}}}}}}}},
      {"approles", {{"role-1", "CANARY-secret-id"}}},
      {"jwt_roles", {{"ci", "CANARY.jwt"}}},
      {"wrapped",
       {{"hvs.CANARY-wrap", {{"auth", {{"client_token", kToken}}}}},
        {"hvs.CANARY-wrap-id", {{"data", {{"secret_id", "CANARY-secret-id"}}}}}}}};
  Temporary home_;
  Variables variables_;
  std::unique_ptr<StandIn> server_;
  std::unique_ptr<VaultBackend> backend_;
};

TEST_F(VaultTest, ReadsBothVersionsOfTheKeyValueEngine) {
  start();
  const std::vector<Answer> answers =
      resolve({"vault://secret/app#password", "vault://secret/app?version=1#password",
               "vault://secretv1/app#password", "vault://secret/app#port",
               "vault://secret/with%20space/%C3%A9#k"});
  EXPECT_EQ(text(answers[0]), "CANARY-2 \n\"x\"  v2");
  EXPECT_EQ(text(answers[1]), "old v1");
  EXPECT_EQ(text(answers[2]), "CANARY-v1");
  EXPECT_EQ(text(answers[3]), "5432 v2");
  EXPECT_EQ(text(answers[4]), "spaced v1");
  EXPECT_EQ(asked("secret/data/app"), 2u);  // once for each version, not for each key
}

TEST_F(VaultTest, WritesWhatIsNoStringAsJson) {
  start();
  EXPECT_EQ(one("vault://secret/app#deep"), "{\"a\":[1,\"b\"]} v2");
  EXPECT_EQ(one("vault://secret/app#on"), "true v2");
  EXPECT_TRUE(one("vault://secret/app#none").starts_with("not_found"));
}

TEST_F(VaultTest, AsksOnceWhatIsMounted) {
  start();
  resolve({"vault://secret/app#password"});
  resolve({"vault://secret/app#password", "vault://secret/gone#a"});
  EXPECT_EQ(asked("sys/internal/ui/mounts/secret/app"), 1u);
  EXPECT_EQ(asked("sys/internal/ui/mounts/secret/gone"), 0u);
}

TEST_F(VaultTest, KnowsServersThatDoNotTellTheirMounts) {
  config_["old_server"] = true;
  start();
  EXPECT_EQ(one("vault://secretv1/app#password"), "CANARY-v1");
}

TEST_F(VaultTest, GoesIntoNamespaces) {
  start();
  EXPECT_EQ(one("vault://secret/app?namespace=team#password"), "of the team v1");
  EXPECT_EQ(one("vault://secret/app#port"), "5432 v2");
}

TEST_F(VaultTest, TakesTheNamespaceOfTheEnvironment) {
  start();
  set("VAULT_NAMESPACE", "team/");
  EXPECT_EQ(one("vault://secret/app#password"), "of the team v1");
}

TEST_F(VaultTest, ReadsTheTokensFile) {
  start(false);
  home_.write(".vault-token", std::string(kToken) + "\n");
  EXPECT_EQ(one("vault://secret/app#port"), "5432 v2");
}

TEST_F(VaultTest, SaysThatThereIsNoToken) {
  start(false);
  EXPECT_TRUE(one("vault://secret/app#port").starts_with("auth_required: there is no Vault token"));
  EXPECT_TRUE(server_->requests().empty());
}

TEST_F(VaultTest, SaysThatThereIsNoServer) {
  EXPECT_TRUE(one("vault://secret/app#port").starts_with("unavailable: no Vault server is named"));
}

TEST_F(VaultTest, LogsInByAppRoleAndGivesTheTokenBack) {
  start(false);
  set("VAULT_ROLE_ID", "role-1");
  set("VAULT_SECRET_ID", "CANARY-secret-id");
  EXPECT_EQ(one("vault://secret/app#port"), "5432 v2");
  std::vector<std::unique_ptr<Lease>> leases = backend_->take_leases();
  ASSERT_EQ(leases.size(), 1u);
  EXPECT_FALSE(leases[0]->needed());
  EXPECT_FALSE(leases[0]->revoke(steady_clock::now() + seconds(30)));
  EXPECT_EQ(asked("auth/token/revoke-self"), 1u);
}

TEST_F(VaultTest, SaysThatTheSecretIdIsWrong) {
  start(false);
  set("VAULT_ROLE_ID", "role-1");
  set("VAULT_SECRET_ID", "CANARY-wrong");
  EXPECT_TRUE(one("vault://secret/app#port").starts_with("auth_failed: Vault answered 400"));
  EXPECT_EQ(asked("auth/approle/login"), 1u);
}

TEST_F(VaultTest, LogsInByJwtAtAMountOfItsOwn) {
  start(false);
  home_.write("jwt", "CANARY.jwt\n");
  set("VAULT_ROLE", "ci");
  set("VAULT_JWT_FILE", home_ / "jwt");
  set("VAULT_AUTH_MOUNT", "ci/runner");
  EXPECT_EQ(one("vault://secret/app#port"), "5432 v2");
  EXPECT_EQ(asked("auth/ci/runner/login"), 1u);
}

TEST_F(VaultTest, UnwrapsATokenOnce) {
  start(false);
  set("VAULT_WRAPPED_TOKEN", "hvs.CANARY-wrap");
  EXPECT_EQ(one("vault://secret/app#port"), "5432 v2");
  EXPECT_EQ(one("vault://secret/app#port"), "5432 v2");
  EXPECT_EQ(asked("sys/wrapping/unwrap"), 1u);
  backend_.reset();
  EXPECT_TRUE(one("vault://secret/app#port").starts_with("auth_failed: Vault answered 400"));
}

TEST_F(VaultTest, UnwrapsASecretId) {
  start(false);
  set("VAULT_ROLE_ID", "role-1");
  set("VAULT_WRAPPED_TOKEN", "hvs.CANARY-wrap-id");
  EXPECT_EQ(one("vault://secret/app#port"), "5432 v2");
}

TEST_F(VaultTest, TellsATokenThatIsOverFromAPolicyThatForbids) {
  config_["denied"] = {"secret/data/app"};
  start();
  EXPECT_TRUE(one("vault://secret/app#port").starts_with("permission_denied: Vault answered 403"));
  Variables other;
  variables_ = Variables();
  backend_.reset();
  set("VAULT_ADDR", server_->url());
  set("VAULT_CACERT", server_->authority());
  set("VAULT_TOKEN", "hvs.CANARY-expired");
  EXPECT_TRUE(one("vault://secret/app#port").starts_with("auth_failed: Vault answered 403"));
}

TEST_F(VaultTest, SaysWhatIsNotThereAndWhatIs) {
  start();
  const std::vector<Answer> answers =
      resolve({"vault://secret/apq#password", "vault://secret/app#pasword", "vault://secret/gone#a",
               "vault://secret/data/app#password", "vault://secret/app?version=9#password"});
  EXPECT_NE(text(answers[0]).find("no secret apq in secret/ / did you mean app?"),
            std::string::npos)
      << text(answers[0]);
  EXPECT_NE(text(answers[1]).find("no key pasword / did you mean password?"), std::string::npos);
  EXPECT_NE(text(answers[2]).find("version 1 was deleted"), std::string::npos) << text(answers[2]);
  EXPECT_NE(text(answers[3]).find("leave out \"data/\""), std::string::npos) << text(answers[3]);
  for (const Answer& answer : answers) {
    EXPECT_TRUE(text(answer).starts_with("not_found")) << text(answer);
  }
}

TEST_F(VaultTest, RefusesReferencesThatNameNoKey) {
  start();
  for (const char* reference :
       {"vault://secret/app", "vault://secret#a", "vault://secret/../sys/seal#a",
        "vault://secret//app#a", "vault://secret/a%2Fb#a", "vault://secret/app?version=x#a",
        "vault://secret/app?namespace=a%0Ab#a", "vault://secret/app?address=https://evil#a"}) {
    EXPECT_TRUE(one(reference).starts_with("invalid_reference")) << reference;
  }
  EXPECT_TRUE(server_->requests().empty());
}

TEST_F(VaultTest, SaysThatItIsSealed) {
  config_["sealed"] = true;
  start();
  const std::string answer = one("vault://secret/app#port");
  EXPECT_TRUE(answer.starts_with("unavailable: Vault answered 503: Vault is sealed")) << answer;
}

TEST_F(VaultTest, SaysThatItIsAskedTooOften) {
  config_["faults"] = {{{"path", "data/app"},
                        {"kind", "status"},
                        {"status", 429},
                        {"headers", {{"Retry-After", "77"}}}}};
  start();
  const std::string answer = one("vault://secret/app#port");
  EXPECT_TRUE(answer.starts_with("rate_limited")) << answer;
  EXPECT_NE(answer.find("77 seconds"), std::string::npos);
}

TEST_F(VaultTest, RefusesAnswersThatAreNone) {
  for (const char* kind : {"garbage", "short"}) {
    config_["faults"] = {{{"path", "data/app"}, {"kind", kind}}};
    variables_ = Variables();
    backend_.reset();
    start();
    EXPECT_TRUE(one("vault://secret/app#port").starts_with("invalid_response")) << kind;
  }
}

TEST_F(VaultTest, NeverShowsAMessageThatQuotesTheToken) {
  config_["faults"] = {{{"path", "data/app"},
                        {"kind", "status"},
                        {"status", 400},
                        {"body", {{"errors", {std::string("bad token ") + kToken}}}}}};
  start();
  EXPECT_NE(one("vault://secret/app#port").find("is not shown"), std::string::npos);
}

TEST_F(VaultTest, MakesOneUserForAllKeysAndKeepsItsLease) {
  config_["lease"] = 60;
  start(false);
  set("VAULT_ROLE_ID", "role-1");
  set("VAULT_SECRET_ID", "CANARY-secret-id");
  const std::vector<Answer> answers =
      resolve({"vault://database/creds/ro#username", "vault://database/creds/ro#password"});
  EXPECT_EQ(text(answers[0]), "user-1");
  EXPECT_EQ(text(answers[1]), "CANARY-1");
  EXPECT_EQ(std::get<Value>(answers[0]).lifetime, seconds(60));

  std::vector<std::string> events;
  std::vector<std::unique_ptr<Lease>> leases = backend_->take_leases();
  ASSERT_EQ(leases.size(), 2u);
  EXPECT_EQ(leases[0]->reference(), "vault://database/creds/ro#username");
  EXPECT_TRUE(leases[1]->needed());
  EXPECT_FALSE(leases[0]->renew(steady_clock::now() + seconds(30)));
  {
    LeaseKeeper keeper(std::move(leases), [&](const LeaseKeeper::Event& event) {
      events.push_back(event.action + (event.failed ? " failed" : " ok"));
    });
  }
  EXPECT_EQ(events, (std::vector<std::string>{"revoke ok", "revoke ok"}));
  EXPECT_EQ(asked("sys/leases/revoke"), 1u);
  EXPECT_EQ(server_->requests().back()["path"], "/v1/auth/token/revoke-self");
}

}  // namespace
}  // namespace agentbox::resolver
