#include "launcher/terminal/escapes.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

namespace agentbox::terminal {
namespace {

std::string feed(EscapeFilter& filter, const std::string& input) {
  std::vector<char> out(EscapeFilter::room_for(input.size()));
  return {out.data(), filter.feed(input, out)};
}

// At once, byte by byte, and in two pieces at every place: always the same.
std::string filtered(const std::string& input) {
  EscapeFilter whole;
  const std::string expected = feed(whole, input);
  EscapeFilter single;
  std::string out;
  for (char c : input) {
    out += feed(single, std::string(1, c));
  }
  EXPECT_EQ(out, expected);
  for (std::size_t split = 1; split < std::min<std::size_t>(input.size(), 200); ++split) {
    EscapeFilter halves;
    std::string both = feed(halves, input.substr(0, split));
    both += feed(halves, input.substr(split));
    EXPECT_EQ(both, expected);
  }
  return expected;
}

class Passes : public testing::TestWithParam<std::string> {};
TEST_P(Passes, Unchanged) { EXPECT_EQ(filtered("a" + GetParam() + "b"), "a" + GetParam() + "b"); }
INSTANTIATE_TEST_SUITE_P(
    Harmless, Passes,
    testing::Values("\033[1;31mred\033[0m\r\n\t", "\033[?1049h\033[2J\033[H", "\033[c", "\033[>c",
                    "\033[6n", "\033[?u", "\033[>1u", "\033[<u", "\033[?2026h", "\033[?2026$p",
                    "\033[?2004h", "\033[14t", "\033[22;0t", "\033[23;0t", "\033(0qqq\033(B",
                    "\0337\0338\033=\033>\033c", "\033]0;title \xc3\xa9\007", "\033]2;t\033\\",
                    "\033]8;id=1;https://example.com/x\033\\link\033]8;;\033\\",
                    "\033]9;4;1;50\007", "\033]9;done\007", "\033]10;?\007", "\033]11;?\033\\",
                    "\033]4;1;rgb:ff/00/00\007", "\033]133;A\007", "\033]777;notify;a;b\007",
                    "\033P0;1q#0;2;0;0;0#0~~\033\\", "\033P+q544e\033\\",
                    "\033_Gf=24,s=1,v=1,t=d;AAAA\033\\", "\033_Ga=q,i=1;\033\\",
                    "caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x94\x91 \xc2\xa0", "\033[38;2;1;2;3m",
                    "\033[1 q", "\033[>4;2m"));

class Drops : public testing::TestWithParam<std::string> {};
TEST_P(Drops, Entirely) { EXPECT_EQ(filtered("a" + GetParam() + "b"), "ab"); }
INSTANTIATE_TEST_SUITE_P(
    Dangerous, Drops,
    testing::Values("\033]52;c;ZXZpbA==\007", "\033]52;c;?\007", "\033]52;c;?\033\\",
                    "\033]052;c;?\033\\", "\033]5522;x\033\\",  // clipboard
                    "\033[21t", "\033[20t", "\033[8;1;1t", "\033[3;0;0t", "\033[2t", "\033[0021t",
                    "\033[21;0t", "\033[>0t",                          // title, window
                    "\033P$qm\033\\", "\033P0;0|17/6576696c0d\033\\",  // DECRQSS, DECUDK
                    "\033P\033\\", "\033P1$tx\033\\",
                    "\033_Gt=f,f=100;L2V0Yy9wYXNzd2Q=\033\\",  // kitty reads a file
                    "\033_Gf=100,t=t;eA==\033\\", "\033_Ga=T,t=s;eA==\033\\", "\033_other\033\\",
                    "\033^private\033\\", "\033Xstart of string\033\\", "\033[5i", "\033[?4i",
                    "\033[1;1;1;1;1;1*y",  // reads the screen
                    "\033]50;?\007", "\033]1337;File=:eA==\007", "\033]7;file:///x\007",
                    "\033]9;7;calc\007", "\033]9;9;x\007", "\033]46;/tmp/log\007",
                    "\033]3;PROP=x\007", "\033]x\007", "\033]\007",
                    "\x05",                                            // ENQ
                    "\xc2\x9b", "\x9b", "\x90", "\x9d", "\xc2\x9d"));  // C1
// The sequences above have to be dropped and nothing else with them; hyperlinks keep their text.
TEST(EscapeFilter, DropsTheTargetOfAHyperlinkThatIsNoWebAddress) {
  for (const std::string scheme : {"file:///etc/passwd", "vscode://x", "javascript:x", "ssh://h"}) {
    EXPECT_EQ(filtered("\033]8;;" + scheme + "\033\\text\033]8;;\033\\"), "text\033]8;;\033\\");
  }
}

TEST(EscapeFilter, C1ControlsDoNotBeginASequence) {
  EXPECT_EQ(filtered("\xc2\x9d"
                     "52;c;?\007"),
            "52;c;?\007");
  EXPECT_EQ(filtered("\xe2\x82\x9b"
                     "21t"),
            "\xe2\x82\x9b"
            "21t");  // within a character
  EXPECT_EQ(filtered("\x9b"
                     "21t"),
            "21t");
}

TEST(EscapeFilter, JudgesASequenceInsideAnother) {
  EXPECT_EQ(filtered("\033]0;title\033]52;c;?\007b"), "\033]0;title\033\\b");
  EXPECT_EQ(filtered("\033[1\033]52;c;?\007b"), "b");
  EXPECT_EQ(filtered("\033Pq#0~\033]52;c;?\007b"), "\033Pq#0~\033\\b");
  EXPECT_EQ(filtered("\033[2\n1tb"), "\nb");  // a control is executed within a sequence
  EXPECT_EQ(filtered("\033[2\0301tb"), "\0301tb");
  EXPECT_EQ(filtered("\033\033]52;c;?\007b"), "b");
  // The passthrough of tmux: what is left is a terminator alone.
  EXPECT_EQ(filtered("\033Ptmux;\033\033]52;c;eA==\007\033\\b"), "\033\\b");
  EXPECT_EQ(filtered("\033]5\0302;c;?\007b"), "\0302;c;?\007b");
  EXPECT_EQ(filtered("\033]5\n2;c;?\007b"), "b");
  EXPECT_EQ(filtered("\033[\177"
                     "21tb"),
            "b");
}

TEST(EscapeFilter, DropsWhatIsTooLongAndWhatNeverEnds) {
  EXPECT_EQ(filtered("\033]0;" + std::string(3 * EscapeFilter::kLongest, 'x') + "\007b").size(),
            1u);
  EXPECT_EQ(filtered("a\033]52;c;"), "a");
  EXPECT_EQ(filtered("a\033["), "a");
}

TEST(EscapeFilter, NeverWritesMoreThanItAskedRoomFor) {
  std::string worst;
  for (int i = 0; i < 5000; ++i) {
    worst += i % 2 ? "\033Pq" : "\033]0";
  }
  EscapeFilter filter;
  std::vector<char> out(EscapeFilter::room_for(worst.size()));
  EXPECT_LE(filter.feed(worst, out), out.size());
}

TEST(EscapeFilter, KnowsWhatIsLeftSwitchedOn) {
  EscapeFilter filter;
  feed(filter, "\033[?1049h\033[?25l\033[?1000;1006h\033[?2004h\033[>1u\033[1m");
  EXPECT_EQ(filter.modes(),
            kAlternate | kCursorHidden | kMouse | kPaste | kKittyKeyboard | kAttributes);
  feed(filter, "\033[0m\033[<u\033[?2004l\033[?1006;1000l\033[?25h\033[?1049l");
  EXPECT_EQ(filter.modes(), 0u);
  feed(filter, "\033(0\033[1;5r\033]11;#000\007");
  EXPECT_EQ(filter.modes(), kCharset | kScrollRegion | kColours);
  feed(filter, "\033c");
  EXPECT_EQ(filter.modes(), 0u);
}

TEST(EscapeFilter, CountsWhatATerminalAnswers) {
  EscapeFilter filter;
  feed(filter, "\033[31m\033]0;t\007\033[21t\033[H");
  EXPECT_EQ(filter.queries(), 0u);
  feed(filter, "\033[c\033[6n\033]11;?\007\033[?u\033[?2026$p\033P+q544e\033\\");
  EXPECT_EQ(filter.queries(), 6u);
}

}  // namespace
}  // namespace agentbox::terminal
