#include "launcher/values/dumped.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <cstdio>
#include <string>
#include <vector>

#include "launcher/values/known_values.h"

namespace agentbox::values {
namespace {

constexpr std::string_view kKey = "a key of the tests, 32 bytes long";
constexpr std::string_view kValue = "kT9#vQ2m!xW7pL4z\tR8&nB3^cY6*";

std::string format(const char* how, unsigned number) {
  char text[32];
  std::snprintf(text, sizeof text, how, number);
  return text;
}

std::string characters(std::string_view line) {
  std::string text(line);
  std::replace_if(
      text.begin(), text.end(), [](unsigned char c) { return std::isprint(c) == 0; }, '.');
  return text;
}

// As the tools write it.
enum class Tool { kXxd, kHexdumpC, kHexdump, kOdX1z, kOdC };

std::string dump(std::string_view bytes, Tool tool, std::size_t offset = 0) {
  std::string text;
  for (std::size_t at = 0; at < bytes.size(); at += 16) {
    const std::string_view line = bytes.substr(at, 16);
    const auto place = static_cast<unsigned>(offset + at);
    std::string columns;
    for (std::size_t i = 0; i < line.size(); ++i) {
      const unsigned byte = static_cast<unsigned char>(line[i]);
      switch (tool) {
        case Tool::kXxd:
          columns += format(i % 2 == 0 ? " %02x" : "%02x", byte);
          break;
        case Tool::kHexdumpC:
          columns += format(i == 8 ? "  %02x" : " %02x", byte);
          break;
        case Tool::kOdX1z:
          columns += format(" %02x", byte);
          break;
        case Tool::kHexdump:
          if (i % 2 == 0) {
            columns += format(
                " %04x", byte | (i + 1 < line.size() ? static_cast<unsigned char>(line[i + 1]) : 0U)
                                    << 8);
          }
          break;
        case Tool::kOdC:
          columns += byte == '\t'                           ? "  \\t"
                     : byte == '\n'                         ? "  \\n"
                     : std::isprint(static_cast<int>(byte)) ? std::string("   ") + line[i]
                                                            : format(" %03o", byte);
          break;
      }
    }
    switch (tool) {
      case Tool::kXxd:
        columns.resize(std::max<std::size_t>(columns.size(), 40), ' ');
        text += format("%08x:", place) + columns + "  " + characters(line);
        break;
      case Tool::kHexdumpC:
        columns.resize(std::max<std::size_t>(columns.size(), 49), ' ');
        text += format("%08x ", place) + columns + "  |" + characters(line) + "|";
        break;
      case Tool::kOdX1z:
        text += format("%07o", place) + columns + "  >" + characters(line) + "<";
        break;
      case Tool::kHexdump:
        text += format("%07x", place) + columns;
        break;
      case Tool::kOdC:
        text += format("%07o", place) + columns;
        break;
    }
    text += "\n";
  }
  return text;
}

std::string masked(const ValueSet& set, std::string text) {
  std::vector<Match> matches;
  set.find(text, matches);
  for (const Match& match : matches) {
    std::replace_if(
        text.begin() + static_cast<std::ptrdiff_t>(match.offset),
        text.begin() + static_cast<std::ptrdiff_t>(match.offset + match.length),
        [](char c) { return c != '\n'; }, '*');
  }
  return text;
}

class Dumped : public testing::TestWithParam<Tool> {
 protected:
  Dumped() : known_(kKey) { EXPECT_TRUE(known_.add(kValue, "PASSWORD", 1)); }
  KnownValues known_;
};

TEST_P(Dumped, NoByteOfAValueIsLeft) {
  for (std::size_t before = 0; before < 40; ++before) {
    const std::string file = std::string(before, '.') + std::string(kValue) + std::string(70, '.');
    const std::string text = "$ dump file\n" + dump(file, GetParam()) + "$ next\n";
    // Where only the value's own columns are not a dot's, whatever is left is a dot's.
    std::string rest = masked(*known_.snapshot(), text);
    const std::string of_dots =
        "$ dump file\n" + dump(std::string(file.size(), '.'), GetParam()) + "$ next\n";
    ASSERT_EQ(rest.size(), of_dots.size());
    for (std::size_t i = 0; i < rest.size(); ++i) {
      ASSERT_TRUE(rest[i] == '*' || rest[i] == of_dots[i]) << before << "\n" << rest;
    }
    EXPECT_EQ(std::count(rest.begin(), rest.end(), '\n'),
              std::count(text.begin(), text.end(), '\n'));
    EXPECT_NE(rest.find("$ next\n"), std::string::npos);
  }
}

TEST_P(Dumped, ALongDumpIsSearchedInParts) {
  std::string file;
  std::size_t count = 0;
  while (file.size() < 200000) {
    file += std::string(3000 + 7 * count++, '.') + std::string(kValue);
  }
  std::vector<Match> matches;
  known_.snapshot()->find(dump(file, GetParam()), matches);
  EXPECT_EQ(matches.size(), count);
}

INSTANTIATE_TEST_SUITE_P(Tools, Dumped,
                         testing::Values(Tool::kXxd, Tool::kHexdumpC, Tool::kHexdump, Tool::kOdX1z,
                                         Tool::kOdC));

TEST(DumpedRuns, AreLinesOfDumpsAlone) {
  const auto runs = [](std::string_view text) {
    std::vector<std::string> joined;
    DumpedRuns dumped(text);
    while (dumped.next(16)) {
      joined.emplace_back(dumped.joined());
    }
    return joined;
  };
  using Runs = std::vector<std::string>;
  EXPECT_EQ(runs(""), Runs());
  EXPECT_EQ(runs("00\n0000000\n00000000: \nsome words\n"), Runs());
  EXPECT_EQ(runs("00000000: 4142 43  ABC\nwords\n00000003: 4445  DE\n"), (Runs{"ABC", "DE"}));
  EXPECT_EQ(runs("00000000  41 42\n00000002  43 44\n00000004\n"), Runs{"ABCD"});
  EXPECT_EQ(runs("0000000   a   b  \\n\n0000003   c 101\n0000005\n"), Runs{"ab\ncA"});
  EXPECT_EQ(runs("0000000 4241 4443\n"), Runs{"ABCD"});
}

}  // namespace
}  // namespace agentbox::values
