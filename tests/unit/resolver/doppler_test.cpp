// The Doppler backend against the stand-in.
#include "resolver/backends/doppler.h"

#include "resolver_on.h"

namespace agentbox::resolver {
namespace {

using Json = nlohmann::json;

class DopplerTest : public testing::Test {
 protected:
  std::vector<std::string> resolve(const std::vector<std::string>& texts) {
    if (!server_) {
      server_ = std::make_unique<StandIn>("doppler", config_);
      variables_.set("DOPPLER_API_HOST", server_->url() + "/");
      variables_.set("SSL_CERT_FILE", server_->authority());
    }
    variables_.set("DOPPLER_TOKEN", token_);
    DopplerBackend backend(Environment(variables_.get()));
    return answers_of(backend, texts);
  }
  std::string one(const std::string& reference) { return resolve({reference})[0]; }

  Json config_ = {
      {"tokens",
       {{"dp.pt.CANARY", Json::object()},
        {"dp.st.CANARY", {{"project", "shop"}, {"config", "dev"}}}}},
      {"configs",
       {{"shop/dev", {{"DATABASE_URL", "CANARY-url\n"}, {"API_KEY", "k"}, {"HIDDEN", nullptr}}},
        {"shop/prd", {{"API_KEY", "CANARY-prd"}}}}}};
  std::string token_ = "dp.pt.CANARY";
  Variables variables_;
  std::unique_ptr<StandIn> server_;
};

TEST_F(DopplerTest, ReadsAConfigByOneRequest) {
  EXPECT_EQ(resolve({"doppler://shop/dev/DATABASE_URL", "doppler://shop/prd/API_KEY",
                     "doppler://shop/dev/API_KEY"}),
            (std::vector<std::string>{"CANARY-url\n", "CANARY-prd", "k"}));
  const std::vector<Json> requests = server_->requests();
  ASSERT_EQ(requests.size(), 2u);
  // Nothing is fetched that nobody wants.
  EXPECT_EQ(requests[0]["query"]["secrets"].get<std::string>().find("HIDDEN"), std::string::npos);
  EXPECT_EQ(requests[0]["headers"]["authorization"], "Bearer dp.pt.CANARY");
}

TEST_F(DopplerTest, SaysWhatIsNotThereAndWhatIs) {
  const std::string absent = one("doppler://shop/dev/DATABASE_URI");
  EXPECT_TRUE(absent.starts_with("not_found: the config has no secret DATABASE_URI")) << absent;
  EXPECT_NE(absent.find("did you mean DATABASE_URL?"), std::string::npos) << absent;
  EXPECT_TRUE(one("doppler://shop/stg/API_KEY").starts_with("not_found: Doppler answered 404"));
  EXPECT_TRUE(one("doppler://shop/dev/HIDDEN").starts_with("permission_denied"));
}

TEST_F(DopplerTest, SaysThatTheTokenIsBadOrTooNarrow) {
  token_ = "dp.st.CANARY";
  EXPECT_EQ(one("doppler://shop/dev/API_KEY"), "k");
  variables_ = Variables();
  server_.reset();
  token_ = "dp.st.CANARY";
  EXPECT_TRUE(one("doppler://shop/prd/API_KEY").starts_with("permission_denied"));
  variables_ = Variables();
  server_.reset();
  token_ = "dp.st.CANARY-other";
  const std::string bad = one("doppler://shop/dev/API_KEY");
  EXPECT_TRUE(bad.starts_with("auth_failed: Doppler answered 401: Invalid Service token")) << bad;
  token_ = "";
  variables_ = Variables();
  server_.reset();
  EXPECT_TRUE(one("doppler://shop/dev/API_KEY").starts_with("auth_required"));
}

TEST_F(DopplerTest, RefusesOtherReferences) {
  for (const char* reference : {"doppler://shop/dev", "doppler://shop/dev/A/B", "doppler:///dev/A",
                                "doppler://shop/dev/A#b", "doppler://shop/dev/A%2CB"}) {
    EXPECT_TRUE(one(reference).starts_with("invalid_reference")) << reference;
  }
}

TEST_F(DopplerTest, MeetsFaults) {
  config_["faults"] = {{{"path", "secrets"}, {"times", 1}, {"kind", "status"}, {"status", 500}},
                       {{"path", "secrets"}, {"times", 1}, {"kind", "garbage"}},
                       {{"path", "secrets"},
                        {"times", 1},
                        {"kind", "status"},
                        {"status", 429},
                        {"headers", {{"Retry-After", "3600"}}}}};
  // After the 500 it is tried again, and garbage comes.
  EXPECT_TRUE(one("doppler://shop/dev/API_KEY").starts_with("invalid_response"));
  const std::string limited = one("doppler://shop/dev/API_KEY");
  EXPECT_TRUE(limited.starts_with("rate_limited")) << limited;
  EXPECT_NE(limited.find("3600 seconds"), std::string::npos);
}

}  // namespace
}  // namespace agentbox::resolver
