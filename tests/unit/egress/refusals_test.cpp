#include "launcher/egress/refusals.h"

#include <gtest/gtest.h>

namespace agentbox::egress {
namespace {

Connection refusal(const std::string& subject) { return {subject, false, "not named", nullptr}; }

TEST(Refusals, ListsEachOnceAWindow) {
  Refusals refusals;
  const Refusals::Clock::time_point start;
  EXPECT_TRUE(refusals.admit(refusal("a.test"), start));
  EXPECT_FALSE(refusals.admit(refusal("a.test"), start));
  EXPECT_TRUE(refusals.admit(refusal("b.test"), start));
  EXPECT_FALSE(refusals.summary(start));
  const std::optional<Connection> summary = refusals.summary(start + Refusals::kWindow);
  ASSERT_TRUE(summary);
  EXPECT_EQ(summary->subject, "*");
  EXPECT_FALSE(summary->allowed);
  EXPECT_EQ(summary->reason, "1 more refusals within a minute, repeated or too many to list");
  EXPECT_TRUE(refusals.admit(refusal("a.test"), start + Refusals::kWindow));
}

TEST(Refusals, CountsTheOverflow) {
  Refusals refusals;
  const Refusals::Clock::time_point start;
  std::size_t listed = 0;
  for (int i = 0; i < 1000; ++i) {
    listed += refusals.admit(refusal(std::to_string(i)), start) ? 1U : 0U;
  }
  EXPECT_EQ(listed, Refusals::kListed);
  EXPECT_TRUE(refusals.summary(start, true)->reason.starts_with("936 "));
}

TEST(Refusals, SayNothingOfAQuietWindow) {
  Refusals refusals;
  const Refusals::Clock::time_point start;
  EXPECT_FALSE(refusals.summary(start, true));
  refusals.admit(refusal("a.test"), start);
  EXPECT_FALSE(refusals.summary(start + Refusals::kWindow));
}

}  // namespace
}  // namespace agentbox::egress
