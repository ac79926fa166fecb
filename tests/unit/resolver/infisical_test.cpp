// The Infisical backend against the stand-in.
#include "resolver/backends/infisical.h"

#include "resolver_on.h"

namespace agentbox::resolver {
namespace {

using Json = nlohmann::json;

class InfisicalTest : public testing::Test {
 protected:
  void start() {
    server_ = std::make_unique<StandIn>("infisical", config_);
    variables_.set("INFISICAL_API_URL", server_->url() + "/api/");
    variables_.set("SSL_CERT_FILE", server_->authority());
    if (!token_.empty()) {
      variables_.set("INFISICAL_TOKEN", token_);
    }
    backend_ = std::make_unique<InfisicalBackend>(Environment(variables_.get()));
  }
  std::vector<std::string> resolve(const std::vector<std::string>& texts) {
    if (!server_) {
      start();
    }
    return answers_of(*backend_, texts);
  }
  std::string one(const std::string& reference) { return resolve({reference})[0]; }

  Json config_ = {
      {"tokens", {"eyJ.CANARY"}},
      {"expired", {"eyJ.CANARY-old"}},
      {"identities", {{"id-1", "CANARY-client-secret"}}},
      {"forbidden", {"p2"}},
      {"folders",
       {{"p1/dev/",
         {{"secrets", {{"URL", "CANARY-url"}, {"OWN", "own"}, {"HIDDEN", nullptr}}},
          {"imports", {"p1/shared/a", "p1/shared/b"}}}},
        {"p1/dev/api/v1", {{"secrets", {{"KEY", "deep\n"}}}}},
        {"p1/shared/a", {{"secrets", {{"OWN", "imported"}, {"ONCE", "once"}, {"TWICE", "x"}}}}},
        {"p1/shared/b", {{"secrets", {{"TWICE", "y"}}}}}}}};
  std::string token_ = "eyJ.CANARY";
  Variables variables_;
  std::unique_ptr<StandIn> server_;
  std::unique_ptr<InfisicalBackend> backend_;
};

TEST_F(InfisicalTest, ReadsAFolderByOneRequest) {
  EXPECT_EQ(resolve({"infisical://p1/dev/URL", "infisical://p1/dev/api/v1/KEY",
                     "infisical://p1/dev/OWN", "infisical://p1/dev/ONCE"}),
            (std::vector<std::string>{"CANARY-url v3", "deep\n v3", "own v3", "once v3"}));
  EXPECT_EQ(server_->requests().size(), 2u);
}

TEST_F(InfisicalTest, RefusesToGuessBetweenImports) {
  EXPECT_TRUE(one("infisical://p1/dev/TWICE").starts_with("ambiguous"));
}

TEST_F(InfisicalTest, SpeaksToOlderServers) {
  config_["v3_only"] = true;
  EXPECT_EQ(one("infisical://p1/dev/URL"), "CANARY-url v3");
  EXPECT_EQ(server_->requests().back()["path"], "/api/v3/secrets/raw");
}

TEST_F(InfisicalTest, LogsInAndGivesTheTokenBack) {
  token_ = "";
  variables_.set("INFISICAL_UNIVERSAL_AUTH_CLIENT_ID", "id-1");
  variables_.set("INFISICAL_UNIVERSAL_AUTH_CLIENT_SECRET", "CANARY-client-secret");
  EXPECT_EQ(one("infisical://p1/dev/URL"), "CANARY-url v3");
  const std::vector<std::unique_ptr<Lease>> leases = backend_->take_leases();
  ASSERT_EQ(leases.size(), 1u);
  EXPECT_FALSE(leases[0]->needed());
  EXPECT_FALSE(leases[0]->revoke(std::chrono::steady_clock::now() + std::chrono::seconds(30)));
  EXPECT_EQ(server_->requests().back()["path"], "/api/v1/auth/token/revoke");
}

TEST_F(InfisicalTest, SaysThatTheIdentityIsBad) {
  token_ = "";
  variables_.set("INFISICAL_CLIENT_ID", "id-1");
  variables_.set("INFISICAL_CLIENT_SECRET", "CANARY-wrong");
  const std::string answer = one("infisical://p1/dev/URL");
  EXPECT_TRUE(answer.starts_with("auth_failed: Infisical answered 401: Invalid credentials"))
      << answer;
}

TEST_F(InfisicalTest, TellsATokenThatIsOverFromAMissingRole) {
  token_ = "eyJ.CANARY-old";
  EXPECT_TRUE(one("infisical://p1/dev/URL").starts_with("auth_failed: Infisical answered 403"));
  server_.reset();
  variables_ = Variables();
  token_ = "eyJ.CANARY";
  EXPECT_TRUE(one("infisical://p2/dev/URL").starts_with("permission_denied"));
  EXPECT_TRUE(one("infisical://p1/dev/HIDDEN").starts_with("permission_denied"));
}

TEST_F(InfisicalTest, SaysWhatIsNotThereAndWhatIs) {
  EXPECT_NE(one("infisical://p1/dev/URI").find("did you mean URL?"), std::string::npos);
  EXPECT_TRUE(one("infisical://p1/prod/URL").starts_with("not_found: Infisical answered 404"));
}

TEST_F(InfisicalTest, SaysThatThereIsNoToken) {
  token_ = "";
  EXPECT_TRUE(one("infisical://p1/dev/URL").starts_with("auth_required"));
}

TEST_F(InfisicalTest, RefusesOtherReferences) {
  for (const char* reference : {"infisical://p1/dev", "infisical://p1/dev//URL",
                                "infisical://p1/dev/../URL", "infisical://p1/dev/URL?version=1"}) {
    EXPECT_TRUE(one(reference).starts_with("invalid_reference")) << reference;
  }
}

TEST_F(InfisicalTest, RefusesAnswersThatAreNone) {
  config_["faults"] = {{{"path", "secrets"}, {"kind", "short"}}};
  EXPECT_TRUE(one("infisical://p1/dev/URL").starts_with("invalid_response"));
}

}  // namespace
}  // namespace agentbox::resolver
