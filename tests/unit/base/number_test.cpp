#include "base/number.h"

#include <gtest/gtest.h>

#include "base/nearest.h"

namespace agentbox::base {
namespace {

TEST(Number, TakesOnlyPlainDecimals) {
  EXPECT_EQ(parse_number("0"), 0u);
  EXPECT_EQ(parse_number("18446744073709551615"), UINT64_MAX);
  for (const char* text : {"", " 1", "1 ", "1:", "+1", "-1", "0x0", "01", "1.0", "1e3",
                           "18446744073709551616", "٣"}) {
    EXPECT_FALSE(parse_number(text)) << text;
  }
  EXPECT_FALSE(parse_number("65536", 65535));
}

TEST(Size, KnowsBinarySuffixes) {
  EXPECT_EQ(parse_size("8G"), 8ull << 30);
  EXPECT_EQ(parse_size("512"), 512u);
  for (const char* text : {"G", "8g", "8GB", "8 G", "99999999999T"}) {
    EXPECT_FALSE(parse_size(text)) << text;
  }
}

TEST(Nearest, OffersANearNameOrNone) {
  const std::vector<std::string> names = {"network", "secrets", "scopes"};
  EXPECT_EQ(nearest("netwrok", names), "network");
  EXPECT_EQ(nearest("secret", names), "secrets");
  EXPECT_EQ(nearest("completely", names), "");
}

TEST(Number, DurationsHaveAUnit) {
  EXPECT_EQ(parse_duration("90s"), std::chrono::seconds(90));
  EXPECT_EQ(parse_duration("10m"), std::chrono::minutes(10));
  EXPECT_EQ(parse_duration("2h"), std::chrono::hours(2));
  EXPECT_EQ(parse_duration("7d"), std::chrono::hours(7 * 24));
  for (const char* text : {"", "m", "10", "10 m", "-1s", "1w", "1.5h", "010s", "99999999999999999d"}) {
    EXPECT_FALSE(parse_duration(text)) << text;
  }
}

}  // namespace
}  // namespace agentbox::base
