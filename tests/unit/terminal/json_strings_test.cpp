#include "launcher/terminal/json_strings.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace agentbox::terminal {
namespace {

constexpr const char* kValue = "p\"w/\xc3\xa9\xf0\x9f\x98\x80 \\x\n1";  // all that can be escaped

class JsonStringsTest : public ::testing::Test {
 protected:
  JsonStringsTest() {
    resolver::SecretBuilder value;
    value.append(kValue);
    masks_.add("db", value.take());
    masks_.compile();
  }

  std::string pass(const std::string& text, std::size_t step = std::string::npos) {
    JsonStrings strings(masks_);
    Masker masker(masks_, false);
    std::string out;
    for (std::size_t at = 0; at < text.size(); at += std::min(step, text.size())) {
      strings.feed(std::string_view(text).substr(at, step), masker, out);
    }
    strings.finish(masker, out);
    masker.finish(out);
    return out;
  }

  // Every character as an escape.
  static std::string escaped() {
    return R"(\u0070\u0022\u0077\u002F\u00e9\uD83D\uDE00\u0020\u005c\u0078\u000a\u0031)";
  }

  MaskSet masks_;
};

TEST_F(JsonStringsTest, AValueIsFoundHoweverItIsEscaped) {
  const std::string mark = "<concealed by agentbox:db>";
  const nlohmann::json plain = kValue;
  for (const std::string& text : {plain.dump(), plain.dump(-1, ' ', true), '"' + escaped() + '"',
                                  std::string(R"("p\"w\/é😀 \\x\n\u0031")")}) {
    const std::string line = "{\"a\": 1.50, \"b\\u0063\":[" + text + "]}\n";
    for (const std::size_t step : {std::size_t{1}, std::size_t{7}, line.size()}) {
      EXPECT_EQ(pass(line, step), "{\"a\": 1.50, \"b\\u0063\":[\"" + mark + "\"]}\n") << text;
    }
  }
}

TEST_F(JsonStringsTest, AroundAValueTheStringStaysItself) {
  const std::string out = pass("[\"x\\u0022\\n " + escaped() + "\\\\y\"]\n");
  EXPECT_EQ(nlohmann::json::parse(out)[0], "x\"\n <concealed by agentbox:db>\\y");
}

TEST_F(JsonStringsTest, WhatHoldsNoValueKeepsItsBytes) {
  for (const char* text :
       {"{\"n\":123456789012345678901234567890,\"e\":\"\\u0041\\/\"}\n", "no \"json\\\" at all\n",
        "\"\\ud800\" \"\\x\" \"\\u12\"\n", "\n\n", "without an end \"\\u0041"}) {
    EXPECT_EQ(pass(text, 3), text);
  }
}

TEST_F(JsonStringsTest, ALongLineIsNotHeld) {
  const std::string text = std::string(JsonStrings::kLongestMessage + 100, 'x') + "\n";
  EXPECT_EQ(pass(text, 65536), text);
  EXPECT_EQ(pass(text + "\"" + escaped() + "\"\n", 65536),
            text + "\"<concealed by agentbox:db>\"\n");
}

TEST_F(JsonStringsTest, PlainTextIsMaskedToo) {
  EXPECT_EQ(pass(std::string("log: ") + kValue + "\n"), "log: <concealed by agentbox:db>\n");
}

}  // namespace
}  // namespace agentbox::terminal
