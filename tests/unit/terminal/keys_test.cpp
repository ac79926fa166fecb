#include "launcher/terminal/keys.h"

#include <gtest/gtest.h>

namespace agentbox::terminal {
namespace {

TEST(ReservedKeyTest, IsFoundInEachOfItsForms) {
  for (const std::string form : {"\x1d", "\033[93;5u", "\033[93;5:1u", "\033[27;5;93~"}) {
    const auto key = find_reserved_key("ab" + form + "c");
    ASSERT_TRUE(key) << form;
    EXPECT_EQ(key->begin, 2U);
    EXPECT_EQ(key->length, form.size());
  }
  EXPECT_FALSE(find_reserved_key("a]b\033[93u\033[A"));
  EXPECT_EQ(find_reserved_key("\033[93;5u\x1d")->begin, 0U);
}

// Whole, and one byte at a time.
std::string keys(const std::string& input) {
  PlainKeys whole;
  const std::string result = whole.feed(input);
  PlainKeys split;
  std::string other;
  for (const char byte : input) {
    other += split.feed({&byte, 1});
  }
  EXPECT_EQ(result, other);
  return result;
}

TEST(PlainKeysTest, LeavesOutWhatATerminalSaysByItself) {
  EXPECT_EQ(keys("ayb"), "ayb");
  EXPECT_EQ(keys("\033[?1;2;yR"), "R");       // y ends the sequence, as it does in a terminal
  EXPECT_EQ(keys("\033[M yyn"), "n");         // mouse, X10
  EXPECT_EQ(keys("\033[M\xc3\xa9yyn"), "n");  // mouse, mode 1005
  EXPECT_EQ(keys("\033[<0;121;5Mn"), "n");    // mouse, SGR
  EXPECT_EQ(keys("\033]11;rgb:y/y/y\033\\n"), "n");
  EXPECT_EQ(keys("\033]0;y\an"), "n");
  EXPECT_EQ(keys("\033P1$ry\033\\n"), "n");
  EXPECT_EQ(keys("\033OyN"), "N");
  EXPECT_EQ(keys("\033[Iy"), "y");  // focus
  EXPECT_EQ(keys("\033[200~y\ny\033[201~n"), "n");
  EXPECT_EQ(keys("\033yn"), "n");  // Alt-y is no y
  EXPECT_EQ(keys("\033]y\033]y\an"), "n");
}

TEST(PlainKeysTest, NothingBeforeTheTerminalsLastAnswerCounts) {
  PlainKeys typed;
  EXPECT_EQ(typed.feed("y"), "y");
  EXPECT_FALSE(typed.attributes_answered());
  EXPECT_EQ(typed.feed("yy\033[?62;4cn"), "n");
  EXPECT_TRUE(typed.attributes_answered());
}

}  // namespace
}  // namespace agentbox::terminal
