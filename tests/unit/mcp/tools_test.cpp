#include "launcher/mcp/tools.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace agentbox::mcp {
namespace {

class Given : public Call {
 public:
  explicit Given(Json arguments) : arguments_(std::move(arguments)) {}
  const Json& arguments() const override { return arguments_; }
  int cancelled() const override { return -1; }
  void progress(const std::string&) override {}

 private:
  const Json arguments_;
};

class ToolsTest : public ::testing::Test {
 protected:
  ToolResult use(const std::string& name, Json arguments = Json::object()) {
    for (const Tool& tool : tools_) {
      if (tool.description.name == name) {
        Given call(std::move(arguments));
        return tool.run(call);
      }
    }
    throw std::runtime_error("no tool " + name);
  }

  std::vector<std::pair<std::string, Json>> asked_;
  broker::SpawnRequest spawned_;
  Json answer_ = {{"secrets", Json::array()}};
  std::vector<Tool> tools_ = box_tools(
      [this](const std::string& method, const Json& params) {
        asked_.emplace_back(method, params);
        return answer_;
      },
      [this](const broker::SpawnRequest& request, Call&) {
        spawned_ = request;
        return ToolResult{"ran", nullptr, false};
      });
};

TEST_F(ToolsTest, PassWhatTheBrokerSays) {
  EXPECT_EQ(use("list_secrets").structured, answer_);
  use("list_scopes");
  use("explain", {{"path", ".env"}});
  use("explain", {{"host", "example.com:443"}});
  const std::vector<std::pair<std::string, Json>> expected = {
      {"list_secrets", Json::object()},
      {"list_scopes", Json::object()},
      {"explain", {{"path", ".env"}}},
      {"explain", {{"host", "example.com:443"}}}};
  EXPECT_EQ(asked_, expected);
}

TEST_F(ToolsTest, ACommandIsPassedOnAsItIs) {
  use("run_scoped", {{"scope", "tests"}, {"command", {"npm", "test ;"}}, {"directory", "/p"}});
  EXPECT_EQ(spawned_.scope, "tests");
  EXPECT_EQ(spawned_.arguments, (std::vector<std::string>{"npm", "test ;"}));
  EXPECT_EQ(spawned_.directory, "/p");
  EXPECT_THROW(use("run_scoped", {{"scope", "tests"}, {"command", "npm test"}}), base::Error);
  EXPECT_THROW(use("run_scoped", {{"scope", "tests"}, {"command", Json::array()}}), base::Error);
}

TEST_F(ToolsTest, AScopeThatIsFixedIsNoArgument) {
  tools_ = scope_tools("db", [this](const broker::SpawnRequest& request, Call&) {
    spawned_ = request;
    return ToolResult{"ran", nullptr, false};
  });
  ASSERT_EQ(tools_.size(), 1u);
  EXPECT_FALSE(tools_[0].description.input["properties"].contains("scope"));
  use("run_scoped", {{"command", {"true"}}});
  EXPECT_EQ(spawned_.scope, "db");
  EXPECT_THROW(use("run_scoped", {{"scope", "other"}, {"command", {"true"}}}), base::Error);
}

TEST_F(ToolsTest, ASecretOnItsWayIsAskedForAgain) {
  std::vector<Json> answers = {
      {{"state", "pending"}},
      {{"state", "ready"}, {"secret", {{"name", "db"}, {"delivery", "value"}}}}};
  std::size_t next = 0;
  tools_ = box_tools(
      [&](const std::string& method, const Json& params) {
        EXPECT_EQ(method, "request_secret");
        EXPECT_EQ(params, (Json{{"name", "db"}, {"reason", "tests"}}));
        return answers.at(next++);
      },
      {});
  EXPECT_EQ(use("request_secret", {{"name", "db"}, {"reason", "tests"}}).structured,
            answers[1]["secret"]);
  EXPECT_EQ(next, 2u);
}

TEST_F(ToolsTest, WrongArgumentsDoNotReachTheBroker) {
  EXPECT_THROW(use("list_secrets", {{"x", 1}}), base::Error);
  EXPECT_THROW(use("explain"), base::Error);
  EXPECT_THROW(use("explain", {{"path", "a"}, {"host", "b:1"}}), base::Error);
  EXPECT_THROW(use("explain", {{"path", 3}}), base::Error);
  EXPECT_THROW(use("explain", {{"path", std::string(5000, 'x')}}), base::Error);
  EXPECT_THROW(use("explain", {{"path", std::string("a\0b", 3)}}), base::Error);
  EXPECT_THROW(use("request_secret", {{"name", "db"}}), base::Error);
  EXPECT_TRUE(asked_.empty());
}

TEST_F(ToolsTest, SchemasAreOfObjectsAndNamesAreUnique) {
  std::set<std::string> names;
  for (const Tool& tool : tools_) {
    EXPECT_TRUE(names.insert(tool.description.name).second);
    EXPECT_EQ(tool.description.input["type"], "object") << tool.description.name;
    EXPECT_EQ(tool.description.output["type"], "object") << tool.description.name;
    EXPECT_FALSE(tool.description.text.empty());
  }
}

}  // namespace
}  // namespace agentbox::mcp
