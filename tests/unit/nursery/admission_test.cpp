#include "launcher/nursery/admission.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace agentbox::nursery {
namespace {

policy::Policy policy_of(const std::string& text) {
  policy::Sources sources;
  sources.user = policy::parse(text, "policy.json", "/");
  return policy::merge(sources, [](const policy::Pattern& name) -> policy::Document {
    throw base::Error(base::Status::kConfiguration, name.text);
  });
}

class AdmissionTest : public ::testing::Test {
 protected:
  // The code of a refusal; empty: let in.
  std::string asked(const Parent& parent, broker::SpawnRequest request, std::size_t running = 0) {
    const auto refused = admission_.judge(parent, request, running, Clock::now());
    message_ = refused ? refused->message : "";
    return refused ? refused->code : "";
  }
  static broker::SpawnRequest command(std::vector<std::string> arguments) {
    broker::SpawnRequest request;
    request.command = arguments.front();
    request.scope = "github";
    request.arguments = std::move(arguments);
    return request;
  }

  const policy::Policy policy_ = policy_of(R"({"version": 1,
      "scopes": {"main": {"spawn": ["tests"]}, "tests": {}, "github": {}},
      "commands": {"gh": {"scope": "github", "args": ["pr", "issue view"]}},
      "limits": {"spawn_depth": 2}})");
  Admission admission_{policy_};
  const Parent main_{.box = "1", .scope = "main", .chain = "main", .depth = 0, .of_command = false};
  std::string message_;
};

TEST_F(AdmissionTest, JudgesACommandByItsArguments) {
  EXPECT_EQ(asked(main_, command({"gh", "pr", "list"})), "");
  EXPECT_EQ(asked(main_, command({"gh", "issue", "view"})), "");
  EXPECT_EQ(asked(main_, command({"gh", "api"})), "denied");
  EXPECT_NE(message_.find("gh api is not among"), std::string::npos) << message_;
  EXPECT_NE(message_.find("pr, issue view"), std::string::npos) << message_;
  for (const std::vector<std::string>& arguments : std::vector<std::vector<std::string>>{
           {"gh"}, {"gh", "--", "pr"}, {"gh", "issue"}, {"gh", "pr\n"}, {"gh", ""}}) {
    EXPECT_EQ(asked(main_, command(arguments)), "denied");
  }
}

TEST_F(AdmissionTest, ACommandIsNoRightToItsScope) {
  broker::SpawnRequest request;
  request.scope = "github";
  request.arguments = {"gh", "pr"};
  EXPECT_EQ(asked(main_, request), "denied");
  request.scope = "tests";
  EXPECT_EQ(asked(main_, request), "");
}

TEST_F(AdmissionTest, RefusesCommandsThatThereAreNot) {
  broker::SpawnRequest request = command({"git", "pr"});
  request.scope.clear();
  EXPECT_EQ(asked(main_, request), "denied");
}

TEST_F(AdmissionTest, TheBoxOfACommandStartsNone) {
  const Parent of_command{
      .box = "2", .scope = "github", .chain = "main/github", .depth = 1, .of_command = true};
  EXPECT_EQ(asked(of_command, command({"gh", "pr"})), "denied");
}

TEST_F(AdmissionTest, LimitsAreForCommandsToo) {
  Parent deep = main_;
  deep.depth = 2;
  EXPECT_EQ(asked(deep, command({"gh", "pr"})), "limit");
  EXPECT_EQ(asked(main_, command({"gh", "pr"}), kConcurrent), "limit");
}

TEST_F(AdmissionTest, NoCommandDetaches) {
  broker::SpawnRequest request = command({"gh", "pr"});
  request.detach = true;
  EXPECT_EQ(asked(main_, request), "denied");
}

TEST_F(AdmissionTest, TheRuleIsTheLineThatAllowsTheArguments) {
  EXPECT_EQ(admission_.rule(main_, command({"gh", "pr"})), "policy.json:3:55: command gh");
}

TEST(AdmissionOfTenantsTest, ACommandGetsTheParametersOfItsBoxAndNoOthers) {
  const policy::Policy policy = policy_of(R"({"version": 1,
      "scopes": {"main": {}, "github": {"params": {"tenant": "[a-z]{1,12}"}}},
      "commands": {"gh": {"scope": "github"}}})");
  Admission admission(policy);
  broker::SpawnRequest request;
  request.command = "gh";
  request.scope = "github";
  request.arguments = {"gh"};
  Parent parent{.box = "1", .scope = "main", .chain = "main", .depth = 0, .of_command = false};
  const auto judged = [&] { return admission.judge(parent, request, 0, Clock::now()); };
  ASSERT_TRUE(judged().has_value());
  EXPECT_NE(judged()->message.find("needs the parameter"), std::string::npos) << judged()->message;
  request.parameters = {{"tenant", "globex"}};
  EXPECT_TRUE(judged().has_value());
  parent.parameters = {{"tenant", "acme"}};
  EXPECT_FALSE(judged().has_value());
  EXPECT_EQ(admission.bind(parent, request), (policy::Parameters{{"tenant", "acme"}}));
}

}  // namespace
}  // namespace agentbox::nursery
