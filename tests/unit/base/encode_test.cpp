#include "base/encode.h"

#include <gtest/gtest.h>

namespace agentbox::base {
namespace {

TEST(Printable, KeepsTextAndEscapesWhatDrivesATerminal) {
  EXPECT_EQ(printable("plain ünïcode 漢字"), "plain ünïcode 漢字");
  EXPECT_EQ(printable("a\x1b[31mb\n"), "a\\x1b[31mb\\x0a");
  EXPECT_EQ(printable("\xc2\x9b" "1m"), "\\u{9b}1m");            // C1 CSI
  EXPECT_EQ(printable("\xe2\x80\xae" "evil"), "\\u{202e}evil");  // right-to-left override
}

TEST(Printable, EscapesEachInvalidByte) {
  EXPECT_EQ(printable("\xff\xfe"), "\\xff\\xfe");
  EXPECT_EQ(printable("\xc0\xaf"), "\\xc0\\xaf");          // overlong "/"
  EXPECT_EQ(printable("\xed\xa0\x80"), "\\xed\\xa0\\x80");  // surrogate
  EXPECT_EQ(printable("\xe2\x82"), "\\xe2\\x82");          // cut short
}

TEST(Utf8, KnowsWellFormedText) {
  EXPECT_TRUE(is_utf8("\xf0\x9f\x94\x91 key"));
  EXPECT_FALSE(is_utf8("\xf4\x90\x80\x80"));  // beyond U+10FFFF
  EXPECT_FALSE(is_utf8(std::string_view("a\x80", 2)));
}

TEST(Hex, WritesTwoDigitsAByte) { EXPECT_EQ(hex(std::string_view("\x00\xff\x10", 3)), "00ff10"); }

}  // namespace
}  // namespace agentbox::base
