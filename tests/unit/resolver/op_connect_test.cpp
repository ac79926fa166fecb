// The 1Password Connect backend against the stand-in.
#include "resolver/backends/op_connect.h"

#include "resolver/backends/op.h"
#include "stand_in.h"

namespace agentbox::resolver {
namespace {

using Json = nlohmann::json;
using std::chrono::seconds;
using std::chrono::steady_clock;

const std::string kDev(26, 'd');
const std::string kOps(26, 'e');
const std::string kDb(26, 'a');

class OpConnectTest : public testing::Test {
 protected:
  static Json field(const std::string& id, const std::string& label, const std::string& value,
                    const std::string& section = "") {
    Json result = {{"id", id}, {"label", label}, {"type", "CONCEALED"}, {"value", value}};
    if (!section.empty()) {
      result["section"] = {{"id", section}};
    }
    return result;
  }

  OpConnectTest() {
    Json db = {{"id", kDb},
               {"title", "Database"},
               {"version", 7},
               {"sections", {{{"id", "s1"}, {"label", "Admin"}}, {{"id", "s2"}, {"label", "Two"}}}},
               {"fields",
                {field("username", "username", "root"), field("password", "password", "CANARY-1"),
                 field("f3", "token", "CANARY-admin", "s1"), field("f4", "twin", "x", "s1"),
                 field("f5", "twin", "y", "s2"), field("f6", "password", "CANARY-2", "s1")}},
               {"files", {{{"id", "file1"}, {"name", "key.pem"}, {"size", 9}}}}};
    db["fields"].push_back({{"id", "otp"},
                            {"label", "code"},
                            {"type", "OTP"},
                            {"value", "otpauth://totp/x"},
                            {"totp", "123456"}});
    Json twin = {{"id", std::string(26, 'b')}, {"title", "Twin"}};
    Json twin_again = {{"id", std::string(26, 'c')}, {"title", "Twin"}};
    Json archived = {{"id", std::string(26, 'f')}, {"title", "Database"}, {"state", "ARCHIVED"}};
    config_ = {{"token", "CANARY-token"},
               {"vaults",
                {{{"id", kDev}, {"name", "Dev"}, {"items", {db, twin, twin_again, archived}}},
                 {{"id", kOps}, {"name", "Ops"}, {"items", Json::array()}}}},
               {"files", {{"file1", "PEM\nbytes"}}}};
  }

  void start() {
    server_ = std::make_unique<StandIn>("op_connect", config_);
    variables_.set("OP_CONNECT_HOST", server_->url());
    variables_.set("OP_CONNECT_TOKEN", token_);
    variables_.set("SSL_CERT_FILE", server_->authority());
  }

  std::vector<std::string> resolve(const std::vector<std::string>& texts) {
    if (!server_) {
      start();
    }
    OpConnectBackend backend(Environment(variables_.get()));
    std::vector<Reference> references;
    for (const std::string& text : texts) {
      references.push_back(parse_reference(text));
    }
    std::vector<std::string> results;
    for (const Answer& answer : backend.resolve(references, steady_clock::now() + seconds(30))) {
      if (const auto* value = std::get_if<Value>(&answer)) {
        results.push_back(std::string(value->secret.reveal()) + " v" + value->version);
        continue;
      }
      const Failed& failed = std::get<Failed>(answer);
      results.push_back(std::string(failure_name(failed.failure)) + ": " + failed.message + " / " +
                        failed.hint);
      EXPECT_EQ(results.back().find("CANARY"), std::string::npos) << results.back();
    }
    EXPECT_EQ(results.size(), texts.size());
    return results;
  }

  std::string one(const std::string& reference) { return resolve({reference})[0]; }

  Json config_;
  std::string token_ = "CANARY-token";
  Variables variables_;
  std::unique_ptr<StandIn> server_;
};

TEST_F(OpConnectTest, FindsByNameAndById) {
  const std::vector<std::string> results = resolve(
      {"op://Dev/Database/password", "op://dev/database/USERNAME", "op://Dev/Database/Admin/token",
       "op://Dev/Database/token", "op://Dev/Database/s1/password",
       "op://" + kDev + "/" + kDb + "/f3", "op://Dev/Database/key.pem"});
  EXPECT_EQ(results[0], "CANARY-1 v7");
  EXPECT_EQ(results[1], "root v7");
  EXPECT_EQ(results[2], "CANARY-admin v7");
  EXPECT_EQ(results[3], "CANARY-admin v7");
  EXPECT_EQ(results[4], "CANARY-2 v7");
  EXPECT_EQ(results[5], "CANARY-admin v7");
  EXPECT_EQ(results[6], "PEM\nbytes v7");
}

TEST_F(OpConnectTest, AsksOnceForAllFieldsOfAnItem) {
  start();
  resolve({"op://Dev/Database/password", "op://Dev/Database/username"});
  EXPECT_EQ(server_->requests().size(), 3u);  // vaults, title, item
}

TEST_F(OpConnectTest, AsksOnceAtAllByIds) {
  start();
  EXPECT_EQ(one("op://" + kDev + "/" + kDb + "/password"), "CANARY-1 v7");
  EXPECT_EQ(server_->requests().size(), 1u);
}

TEST_F(OpConnectTest, GivesAttributes) {
  EXPECT_EQ(one("op://Dev/Database/code?attribute=otp"), "123456 v7");
  EXPECT_EQ(one("op://Dev/Database/code"), "otpauth://totp/x v7");
  EXPECT_EQ(one("op://Dev/Database/code?attribute=type"), "OTP v7");
  EXPECT_TRUE(one("op://Dev/Database/password?attribute=otp").starts_with("not_found"));
  EXPECT_TRUE(one("op://Dev/Database/password?attribute=colour").starts_with("invalid_reference"));
  EXPECT_TRUE(
      one("op://Dev/Database/password?ssh-format=openssh").starts_with("invalid_reference"));
}

TEST_F(OpConnectTest, RefusesToGuess) {
  const std::string item = one("op://Dev/Twin/password");
  EXPECT_TRUE(item.starts_with("ambiguous: there is more than one item Twin")) << item;
  EXPECT_NE(item.find(std::string(26, 'c')), std::string::npos);
  EXPECT_TRUE(one("op://Dev/Database/twin").starts_with("ambiguous"));
  EXPECT_EQ(one("op://Dev/Database/Two/twin"), "y v7");
}

TEST_F(OpConnectTest, SaysWhatIsNotThereAndWhatIs) {
  EXPECT_NE(one("op://Dew/Database/password").find("did you mean Dev?"), std::string::npos);
  EXPECT_NE(one("op://Dev/Databse/password").find("did you mean Database?"), std::string::npos);
  EXPECT_NE(one("op://Dev/Database/pasword").find("did you mean password?"), std::string::npos);
  EXPECT_TRUE(one("op://Dev/Database/Nowhere/password").starts_with("not_found"));
  EXPECT_TRUE(one("op://Dev/" + std::string(26, 'z') + "/x").starts_with("not_found"));
  EXPECT_TRUE(one("op://" + std::string(26, 'z') + "/Database/x").starts_with("not_found"));
}

TEST_F(OpConnectTest, SaysThatTheTokenIsBad) {
  token_ = "CANARY-other";
  const std::string answer = one("op://Dev/Database/password");
  EXPECT_TRUE(answer.starts_with("auth_failed: 1Password Connect answered 401")) << answer;
  EXPECT_EQ(server_->requests().size(), 1u);
}

TEST_F(OpConnectTest, SaysThatAVaultIsOutOfScope) {
  config_["hidden"] = {kDev};
  EXPECT_TRUE(one("op://" + kDev + "/Database/password").starts_with("permission_denied"));
}

TEST_F(OpConnectTest, RefusesAnswersThatAreNone) {
  config_["faults"] = {{{"path", "vaults$"}, {"kind", "garbage"}}};
  EXPECT_TRUE(one("op://Dev/Database/password").starts_with("invalid_response"));
}

TEST_F(OpConnectTest, GoesBeforeTheProgram) {
  start();
  variables_.set("PATH", "/nowhere");
  OpBackend::Options options;
  options.environment = variables_.get();
  OpBackend backend(std::move(options));
  EXPECT_EQ(backend.name(), "op-connect");
  const std::vector<Answer> answers = backend.resolve(
      {parse_reference("op://Dev/Database/password")}, steady_clock::now() + seconds(30));
  EXPECT_EQ(std::get<Value>(answers.at(0)).secret.reveal(), "CANARY-1");
}

}  // namespace
}  // namespace agentbox::resolver
