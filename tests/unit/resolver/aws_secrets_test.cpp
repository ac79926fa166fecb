// The AWS Secrets Manager backend, its signatures and its chain of credentials.
#include "resolver/backends/aws_secrets.h"

#include <sys/stat.h>

#include "resolver/backends/aws_signature.h"
#include "resolver_on.h"

namespace agentbox::resolver {
namespace {

using Json = nlohmann::json;

// A vector of AWS's own test suite ("post-header-key-sort", without its query).
TEST(AwsSignature, IsThatOfTheTestSuite) {
  HttpRequest request;
  request.method = "POST";
  request.url = "https://example.amazonaws.com/";
  request.headers = {"My-Header1: value1"};
  AwsCredentials credentials;
  credentials.key_id = "AKIDEXAMPLE";
  credentials.key = Secret(std::string_view("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"));
  sign_for_aws(request, credentials, "us-east-1", "service", "20150830T123600Z");
  EXPECT_EQ(request.headers.back(),
            "Authorization: AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/"
            "aws4_request, SignedHeaders=host;my-header1;x-amz-date, Signature="
            "c5410059b04c1ee005303aed430f6e6645f61f4dc9e1461ec8f8916fdf18852c");
}

class AwsSecretsTest : public testing::Test {
 protected:
  void start() {
    server_ = std::make_unique<StandIn>("aws", config_);
    set("AWS_ENDPOINT_URL", server_->url());
    set("AWS_CA_BUNDLE", server_->authority());
    set("AWS_REGION", "us-east-1");
    set("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://127.0.0.1:1");
    set("HOME", home_.path());
    set("PATH", "/usr/bin:/bin");
  }
  void set(const std::string& name, const std::string& value) { variables_.set(name, value); }
  void keys(const std::string& id, const std::string& key) {
    set("AWS_ACCESS_KEY_ID", id);
    set("AWS_SECRET_ACCESS_KEY", key);
  }
  std::vector<std::string> resolve(const std::vector<std::string>& texts) {
    if (!server_) {
      start();
    }
    AwsSecretsBackend backend(Environment(variables_.get()), {home_.path() + "/project"});
    return answers_of(backend, texts);
  }
  std::string one(const std::string& reference) { return resolve({reference})[0]; }
  std::string fresh(const std::string& reference) {
    server_.reset();
    return one(reference);
  }

  Json config_ = {
      {"keys",
       {{"AKIA1", {{"secret", "CANARY-key"}}},
        {"ASIA2", {{"secret", "CANARY-temporary"}, {"token", "CANARY-token"}}},
        {"AKIA3", {{"secret", "CANARY-old"}, {"expired", true}}}}},
      {"secrets",
       {{"prod/db",
         {{"versions",
           {{"v-1", {{"string", "CANARY-before"}, {"stages", {"AWSPREVIOUS"}}}},
            {"v-2",
             {{"string", R"({"password": "CANARY-db", "port": 5432})"},
              {"stages", {"AWSCURRENT"}}}}}}}},
        {"binary", {{"versions", {{"v-1", {{"binary", "q80BAg=="}, {"stages", {"AWSCURRENT"}}}}}}}},
        {"gone", {{"deleted", true}, {"versions", Json::object()}}}}},
      {"denied", {"secret-of-others"}},
      {"roles", {{"arn:aws:iam::1:role/reader", "ASIA2"}}},
      {"jwt", "CANARY.web.jwt"}};
  Temporary home_;
  Variables variables_;
  std::unique_ptr<StandIn> server_;
};

TEST_F(AwsSecretsTest, ReadsValuesKeysVersionsAndBytes) {
  keys("AKIA1", "CANARY-key");
  EXPECT_EQ(
      resolve({"aws-sm://prod/db#password", "aws-sm://us-east-1/prod/db#port",
               "aws-sm://prod/db?stage=AWSPREVIOUS", "aws-sm://prod/db?version=v-1",
               "aws-sm://arn:aws:secretsmanager:us-east-1:1:secret:prod/db-AbCdEf#password",
               "aws-sm://binary"}),
      (std::vector<std::string>{"CANARY-db vv-2", "5432 vv-2", "CANARY-before vv-1",
                                "CANARY-before vv-1", "CANARY-db vv-2", "\xab\xcd\x01\x02 vv-1"}));
  // Both keys of one secret are one request.
  EXPECT_EQ(server_->requests().size(), 5u);
}

TEST_F(AwsSecretsTest, SaysWhatIsWrong) {
  keys("AKIA1", "CANARY-key");
  EXPECT_TRUE(one("aws-sm://prod/dc").starts_with("not_found: AWS answered 400 ResourceNotFound"));
  EXPECT_NE(one("aws-sm://prod/db#pasword").find("did you mean password?"), std::string::npos);
  EXPECT_TRUE(one("aws-sm://gone").starts_with("not_found: AWS answered 400 InvalidRequest"));
  EXPECT_TRUE(one("aws-sm://secret-of-others").starts_with("permission_denied"));
  EXPECT_TRUE(one("aws-sm://prod/db?stage=AWSPREVIOUS#x").starts_with("invalid_reference"));
  EXPECT_TRUE(one("aws-sm://binary#x").starts_with("invalid_reference"));
  for (const char* reference :
       {"aws-sm://a%20b", "aws-sm://a?stage=", "aws-sm://a?x=y", "aws-sm://arn:aws:x"}) {
    EXPECT_TRUE(one(reference).starts_with("invalid_reference")) << reference;
  }
}

TEST_F(AwsSecretsTest, SaysThatTheKeysAreBad) {
  keys("AKIA1", "CANARY-wrong");
  EXPECT_TRUE(
      one("aws-sm://prod/db").starts_with("auth_failed: AWS answered 403 InvalidSignature"));
  variables_ = Variables();
  keys("AKIA9", "CANARY-key");
  EXPECT_TRUE(fresh("aws-sm://prod/db").starts_with("auth_failed: AWS answered 400 Unrecognized"));
  variables_ = Variables();
  keys("AKIA3", "CANARY-old");
  EXPECT_TRUE(fresh("aws-sm://prod/db").starts_with("auth_failed: AWS answered 400 ExpiredToken"));
  variables_ = Variables();
  EXPECT_TRUE(fresh("aws-sm://prod/db").starts_with("auth_required: there are no AWS credentials"));
}

TEST_F(AwsSecretsTest, SignsWithTemporaryKeys) {
  keys("ASIA2", "CANARY-temporary");
  set("AWS_SESSION_TOKEN", "CANARY-token");
  EXPECT_EQ(one("aws-sm://prod/db#password"), "CANARY-db vv-2");
}

TEST_F(AwsSecretsTest, TakesTheDefaultProfile) {
  home_.write(".aws/credentials",
              "[other]\naws_access_key_id = AKIA9\n[default]\naws_access_key_id = AKIA1\n"
              "aws_secret_access_key = CANARY-key\n");
  EXPECT_EQ(one("aws-sm://prod/db#password"), "CANARY-db vv-2");
}

TEST_F(AwsSecretsTest, TakesTheRegionOfTheProfile) {
  home_.write(".aws/config",
              "[profile work]\nregion = us-east-1\ns3 =\n  region = nested\n"
              "aws_access_key_id=AKIA1\naws_secret_access_key=CANARY-key\n");
  start();
  variables_ = Variables();
  set("AWS_ENDPOINT_URL", server_->url());
  set("AWS_CA_BUNDLE", server_->authority());
  set("HOME", home_.path());
  set("AWS_PROFILE", "work");
  EXPECT_EQ(one("aws-sm://prod/db#password"), "CANARY-db vv-2");
}

TEST_F(AwsSecretsTest, AssumesARoleFromASourceProfile) {
  home_.write(".aws/config",
              "[profile work]\nrole_arn = arn:aws:iam::1:role/reader\nsource_profile = base\n"
              "[profile circle]\nrole_arn = arn:aws:iam::1:role/reader\nsource_profile = circle2\n"
              "[profile circle2]\nrole_arn = arn:aws:iam::1:role/reader\nsource_profile = circle\n"
              "[profile code]\nrole_arn = x\nmfa_serial = y\nsource_profile = base\n"
              "[profile sso]\nsso_session = corp\n");
  home_.write(".aws/credentials",
              "[base]\naws_access_key_id = AKIA1\naws_secret_access_key = CANARY-key\n");
  for (const auto& [profile, answer] :
       {std::pair{"work", "CANARY-db vv-2"},
        {"circle", "auth_required: AWS profiles name"},
        {"code", "auth_required: the role of AWS profile code wants an MFA code"},
        {"sso", "auth_required: AWS profile sso logs in by SSO"},
        {"none", "auth_required: there is no AWS profile none"}}) {
    variables_ = Variables();
    set("AWS_PROFILE", profile);
    const std::string got = fresh("aws-sm://prod/db#password");
    EXPECT_TRUE(got.starts_with(answer)) << got;
  }
}

TEST_F(AwsSecretsTest, RunsACredentialProcess) {
  home_.write("bin/keys",
              "#!/bin/sh\necho \"$1\" >" + home_.path() + "/argument\nenv >" + home_.path() +
                  "/environment\n"
                  "echo '{\"Version\": 1, \"AccessKeyId\": \"ASIA2\", \"SecretAccessKey\": "
                  "\"CANARY-temporary\", \"SessionToken\": \"CANARY-token\"}'\n");
  ::chmod((home_ / "bin/keys").c_str(), 0755);
  home_.write(".aws/config",
              "[default]\ncredential_process = " + home_.path() + "/bin/keys \"two words\"\n");
  set("GITHUB_TOKEN", "CANARY-other");
  EXPECT_EQ(one("aws-sm://prod/db#password"), "CANARY-db vv-2");
  EXPECT_EQ(home_.read("argument"), "two words\n");
  EXPECT_EQ(home_.read("environment").find("CANARY"), std::string::npos);
  home_.write("bin/keys", "#!/bin/sh\necho CANARY-leak >&2\nexit 3\n");
  const std::string failed = one("aws-sm://prod/db");
  EXPECT_TRUE(failed.starts_with("auth_failed: credential_process")) << failed;
}

TEST_F(AwsSecretsTest, RunsNoCredentialProcessOfTheProject) {
  home_.write("project/keys", "#!/bin/sh\ntouch " + home_.path() + "/ran\n");
  ::chmod((home_ / "project/keys").c_str(), 0755);
  home_.write(".aws/config", "[default]\ncredential_process = keys\n");
  set("PATH", home_ / "project");
  start();
  EXPECT_NE(one("aws-sm://prod/db").find("is not trusted"), std::string::npos);
  std::filesystem::create_directories(home_ / "links");
  std::filesystem::create_symlink(home_ / "project/keys", home_ / "links/keys");
  for (const char* directory : {"project", "links"}) {
    home_.write(".aws/config", "[default]\ncredential_process = " + home_ / directory + "/keys\n");
    EXPECT_NE(fresh("aws-sm://prod/db").find("is not trusted"), std::string::npos) << directory;
  }
  EXPECT_FALSE(std::filesystem::exists(home_ / "ran"));
  home_.write(".aws/config", "[default]\ncredential_process = ./keys\n");
  EXPECT_NE(fresh("aws-sm://prod/db").find("was not found"), std::string::npos);
}

TEST_F(AwsSecretsTest, TakesAWebIdentity) {
  home_.write("jwt", "CANARY.web.jwt\n");
  set("AWS_WEB_IDENTITY_TOKEN_FILE", home_ / "jwt");
  set("AWS_ROLE_ARN", "arn:aws:iam::1:role/reader");
  EXPECT_EQ(one("aws-sm://prod/db#password"), "CANARY-db vv-2");
}

TEST_F(AwsSecretsTest, AsksTheContainersEndpoint) {
  config_["container"] = {{"token", "CANARY-container"}, {"key", "ASIA2"}};
  start();
  home_.write("token", "CANARY-container\n");
  set("AWS_CONTAINER_CREDENTIALS_FULL_URI", server_->url() + "/container");
  set("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", home_ / "token");
  EXPECT_EQ(one("aws-sm://prod/db#password"), "CANARY-db vv-2");
  variables_ = Variables();
  start();
  set("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://evil.example.com/container");
  EXPECT_TRUE(one("aws-sm://prod/db").starts_with("unavailable: http://evil.example.com is not"));
}

TEST_F(AwsSecretsTest, AsksTheInstancesMetadataByVersionTwo) {
  config_["instance"] = {{"role", "web"}, {"key", "ASIA2"}};
  StandIn metadata("aws", config_, false);
  set("AWS_EC2_METADATA_SERVICE_ENDPOINT", metadata.url() + "/");
  EXPECT_EQ(one("aws-sm://prod/db#password"), "CANARY-db vv-2");
  EXPECT_EQ(metadata.requests().at(0)["method"], "PUT");
  variables_ = Variables();
  set("AWS_EC2_METADATA_DISABLED", "true");
  EXPECT_TRUE(fresh("aws-sm://prod/db").starts_with("auth_required"));
}

TEST_F(AwsSecretsTest, SaysThatNoRegionIsNamed) {
  start();
  variables_ = Variables();
  set("HOME", home_.path());
  keys("AKIA1", "CANARY-key");
  EXPECT_TRUE(one("aws-sm://prod/db").starts_with("invalid_reference: no AWS region"));
}

TEST_F(AwsSecretsTest, MeetsFaults) {
  keys("AKIA1", "CANARY-key");
  config_["faults"] = {
      {{"path", "/"}, {"times", 1}, {"kind", "status"}, {"status", 500}},
      {{"path", "/"},
       {"times", 1},
       {"kind", "status"},
       {"status", 400},
       {"body", {{"__type", "com.amazon#ThrottlingException:x"}, {"message", "Rate exceeded"}}}},
      {{"path", "/"}, {"times", 1}, {"kind", "garbage"}}};
  // The 500 is tried again, and throttled then: AWS says that with 400, which is not tried again.
  EXPECT_TRUE(one("aws-sm://prod/db").starts_with("rate_limited"));
  EXPECT_TRUE(one("aws-sm://prod/db").starts_with("invalid_response"));
}

}  // namespace
}  // namespace agentbox::resolver
