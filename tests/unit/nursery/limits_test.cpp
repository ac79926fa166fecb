// Who may start whom, and how many.
#include <gtest/gtest.h>

#include "launcher/nursery/admission.h"

namespace agentbox::nursery {
namespace {

using std::chrono::milliseconds;

class LimitsTest : public testing::Test {
 protected:
  LimitsTest() {
    for (const char* name : {"main", "tests", "deploy", "other"}) {
      policy_.scopes[name].name = name;
    }
    policy_.scopes["main"].spawn = {"tests", "deploy"};
    policy_.scopes["tests"].spawn = {"tests"};
    policy_.scopes["deploy"].detach = true;
  }

  static broker::SpawnRequest request(const std::string& scope, bool detach = false) {
    broker::SpawnRequest one;
    one.scope = scope;
    one.arguments = {"true"};
    one.directory = "/";
    one.detach = detach;
    return one;
  }

  // The code and message of a refusal; "" where it may.
  static std::string said(const std::optional<Refused>& refused) {
    return refused ? refused->code + ": " + refused->message : "";
  }

  const Parent main_{
      .box = "b1", .scope = "main", .chain = "main", .depth = 0, .of_command = false};
  const Clock::time_point now_ = Clock::now();
  policy::Policy policy_;
};

TEST_F(LimitsTest, TheListsOfTheScopesDecide) {
  Admission admission(policy_);
  EXPECT_EQ(said(admission.judge(main_, request("tests"), 0, now_)), "");
  EXPECT_EQ(said(admission.judge(main_, request("main"), 0, now_)),
            "denied: the policy does not let scope \"main\" start scope \"main\"");
  EXPECT_EQ(said(admission.judge(main_, request("other"), 0, now_)),
            "denied: the policy does not let scope \"main\" start scope \"other\"");
  // A name that is no scope at all gets the same answer: what there is beside is not told.
  EXPECT_EQ(said(admission.judge(main_, request("nothing\x1b"), 0, now_)),
            "denied: the policy does not let scope \"main\" start scope \"nothing\\x1b\"");
  EXPECT_EQ(admission.judge(main_, request("test"), 0, now_)->hint, "did you mean \"tests\"?");
  // What one may does not pass on to those that it starts.
  const Parent below{
      .box = "b2", .scope = "tests", .chain = "main/tests", .depth = 1, .of_command = false};
  EXPECT_EQ(said(admission.judge(below, request("tests"), 1, now_)), "");
  EXPECT_EQ(admission.judge(below, request("deploy"), 1, now_)->code, "denied");
}

TEST_F(LimitsTest, OnlyAScopeThatMayDetaches) {
  Admission admission(policy_);
  EXPECT_EQ(said(admission.judge(main_, request("deploy", true), 0, now_)), "");
  EXPECT_EQ(admission.judge(main_, request("tests", true), 0, now_)->code, "denied");
}

TEST_F(LimitsTest, TheDepthIsLimited) {
  const auto at = [](std::size_t depth) {
    return Parent{
        .box = "b", .scope = "tests", .chain = "main/tests", .depth = depth, .of_command = false};
  };
  Admission usual(policy_);
  EXPECT_EQ(said(usual.judge(at(kDepth - 1), request("tests"), 0, now_)), "");
  EXPECT_EQ(usual.judge(at(kDepth), request("tests"), 0, now_)->code, "limit");
  policy_.limits.spawn_depth = 0;
  Admission none(policy_);
  EXPECT_EQ(none.judge(main_, request("tests"), 0, now_)->code, "limit");
}

TEST_F(LimitsTest, HowManyAtOnceIsLimited) {
  Admission usual(policy_);
  EXPECT_EQ(said(usual.judge(main_, request("tests"), kConcurrent - 1, now_)), "");
  EXPECT_EQ(usual.judge(main_, request("tests"), kConcurrent, now_)->code, "limit");
  policy_.limits.spawn_concurrent = 2;
  Admission two(policy_);
  EXPECT_FALSE(two.full(1));
  EXPECT_TRUE(two.full(2));
  policy_.limits.spawn_concurrent = 0;
  Admission none(policy_);
  EXPECT_EQ(none.judge(main_, request("tests"), 0, now_)->code, "limit");
}

TEST_F(LimitsTest, HowFastIsLimited) {
  policy_.limits.spawn_concurrent = 5;
  Admission admission(policy_);
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(said(admission.judge(main_, request("tests"), 0, now_)), "") << i;
  }
  EXPECT_EQ(admission.judge(main_, request("tests"), 0, now_)->code, "limit");
  // Ten come back each second; a refusal costs nothing.
  const auto later = now_ + milliseconds(250);
  EXPECT_EQ(said(admission.judge(main_, request("tests"), 0, later)), "");
  EXPECT_EQ(said(admission.judge(main_, request("tests"), 0, later)), "");
  EXPECT_EQ(admission.judge(main_, request("tests"), 0, later)->code, "limit");
  // No more is saved up than the burst.
  const auto next_day = later + std::chrono::hours(24);
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(said(admission.judge(main_, request("tests"), 0, next_day)), "") << i;
  }
  EXPECT_EQ(admission.judge(main_, request("tests"), 0, next_day)->code, "limit");
}

TEST_F(LimitsTest, ManyAtOnceMayAlsoStartAtOnce) {
  policy_.limits.spawn_concurrent = 100;
  Admission admission(policy_);
  for (std::size_t i = 0; i < 100; ++i) {
    EXPECT_EQ(said(admission.judge(main_, request("tests"), i, now_)), "") << i;
  }
}

}  // namespace
}  // namespace agentbox::nursery
