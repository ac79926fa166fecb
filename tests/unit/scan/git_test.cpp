#include "launcher/scan/git.h"

#include <gtest/gtest.h>

#include "launcher/scan/selection.h"

namespace agentbox::scan {
namespace {

// What git makes of such lines is in tests/integration/session/scan_test.py.
TEST(IgnoreLine, NamesOneFileFromItsRepository) {
  EXPECT_EQ(ignore_line("", ".env"), "/.env");
  EXPECT_EQ(ignore_line("", "a/b.env"), "/a/b.env");
  EXPECT_EQ(ignore_line("a", "a/b.env"), "/b.env");
}

TEST(IgnoreLine, EscapesWhatAPatternMeans) {
  EXPECT_EQ(ignore_line("", "a*[b]?\\"), "/a\\*\\[b\\]\\?\\\\");
  EXPECT_EQ(ignore_line("", "end "), "/end\\ ");
  EXPECT_EQ(ignore_line("", "#a"), "/#a");
  EXPECT_EQ(ignore_line("", "two\nlines"), "/two?lines");
}

TEST(Selection, HoldsWhatIsAskedForAndBelow) {
  const Selection all({});
  EXPECT_TRUE(all.holds("a"));
  EXPECT_TRUE(all.reaches("a"));
  const Selection some({"a/b", "c"});
  EXPECT_TRUE(some.holds("a/b"));
  EXPECT_TRUE(some.holds("a/b/c"));
  EXPECT_FALSE(some.holds("a/bc"));
  EXPECT_FALSE(some.holds("a"));
  EXPECT_TRUE(some.reaches("a"));
  EXPECT_TRUE(some.reaches("a/b/c"));
  EXPECT_FALSE(some.reaches("a/c"));
  EXPECT_FALSE(some.reaches("ca"));
}

}  // namespace
}  // namespace agentbox::scan
