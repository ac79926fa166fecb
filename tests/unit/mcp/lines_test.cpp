#include "launcher/mcp/lines.h"

#include <gtest/gtest.h>

#include <vector>

namespace agentbox::mcp {
namespace {

std::vector<std::string> all(LineReader& reader) {
  std::vector<std::string> lines;
  while (const auto line = reader.next()) {
    lines.push_back(line->too_long ? "too long" : line->text);
  }
  return lines;
}

TEST(LinesTest, CutsAtLineEndsAndKeepsTheRest) {
  LineReader reader;
  reader.add("one\ntwo\r\n\nthr");
  EXPECT_EQ(all(reader), (std::vector<std::string>{"one", "two"}));
  reader.add("ee\n");
  EXPECT_EQ(all(reader), std::vector<std::string>{"three"});
}

TEST(LinesTest, EverySplitGivesTheSame) {
  const std::string text = "{\"a\":1}\r\n12345678\n123456789\nlast\n";
  for (std::size_t cut = 0; cut <= text.size(); ++cut) {
    LineReader reader(8);
    reader.add(text.substr(0, cut));
    std::vector<std::string> lines = all(reader);
    reader.add(text.substr(cut));
    for (std::string& line : all(reader)) {
      lines.push_back(std::move(line));
    }
    EXPECT_EQ(lines, (std::vector<std::string>{"{\"a\":1}", "12345678", "too long", "last"}))
        << cut;
  }
}

TEST(LinesTest, ALineWithoutEndIsNotKept) {
  LineReader reader(8);
  for (int i = 0; i < 1000; ++i) {
    reader.add("0123456789");
    EXPECT_TRUE(all(reader).empty());
  }
  reader.add("\nnext\n");
  EXPECT_EQ(all(reader), (std::vector<std::string>{"too long", "next"}));
}

}  // namespace
}  // namespace agentbox::mcp
