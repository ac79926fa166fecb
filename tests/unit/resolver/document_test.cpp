#include "resolver/document.h"

#include <gtest/gtest.h>

namespace agentbox::resolver {
namespace {

std::string revealed(const Document::Node& node) {
  const std::optional<Secret> secret = node.secret();
  return secret ? std::string(secret->reveal()) : "(none)";
}

TEST(Document, ReadsWhatIsThere) {
  const auto document = Document::parse(Secret(std::string_view(
      R"( {"a" : {"b": ["x", 12, true, null, {"c": "d"}]}, "n": 1.10, "e": ""} )")));
  ASSERT_TRUE(document);
  const Document::Node root = document->root();
  EXPECT_EQ(revealed(root["a"]["b"][0]), "x");
  EXPECT_EQ(root["a"]["b"][1].integer(), 12);
  EXPECT_TRUE(root["a"]["b"][2].is_true());
  EXPECT_FALSE(root["a"]["b"][3]);
  EXPECT_EQ(revealed(root["a"]["b"][4]["c"]), "d");
  EXPECT_EQ(revealed(root["n"]), "1.10");
  EXPECT_EQ(revealed(root["e"]), "");
  EXPECT_TRUE(root["e"].is_string());
  EXPECT_EQ(root.names(), (std::vector<std::string>{"a", "e", "n"}));
}

TEST(Document, GivesNothingForWhatIsNot) {
  const auto document = Document::parse(Secret(std::string_view(R"({"a": 1})")));
  ASSERT_TRUE(document);
  const Document::Node absent = document->root()["b"]["c"][7]["d"];
  EXPECT_FALSE(absent);
  EXPECT_FALSE(absent.secret());
  EXPECT_EQ(absent.text(), "");
  EXPECT_EQ(absent.integer(), 0);
  EXPECT_EQ(absent.size(), 0u);
  EXPECT_FALSE(document->root()[0]);
  EXPECT_FALSE(document->root()["a"].is_string());
}

TEST(Document, DecodesEscapes) {
  const auto document = Document::parse(Secret(
      std::string_view(R"(["\"\\\/\b\f\n\r\t", "\u00e9\u20ac\ud83d\ude00", "\u0000", "é€😀"])")));
  ASSERT_TRUE(document);
  EXPECT_EQ(revealed(document->root()[0]), "\"\\/\b\f\n\r\t");
  EXPECT_EQ(revealed(document->root()[1]), "é€😀");
  EXPECT_EQ(revealed(document->root()[2]), std::string(1, '\0'));
  EXPECT_EQ(revealed(document->root()[3]), "é€😀");
}

TEST(Document, KeepsNumbersAsTheyStand) {
  const auto document = Document::parse(
      Secret(std::string_view("[123456789012345678901234567890, -0, 1e400, 0.10, -1.5E+3]")));
  ASSERT_TRUE(document);
  EXPECT_EQ(revealed(document->root()[0]), "123456789012345678901234567890");
  EXPECT_EQ(document->root()[0].integer(), 0);
  EXPECT_EQ(revealed(document->root()), "[123456789012345678901234567890,-0,1e400,0.10,-1.5E+3]");
}

TEST(Document, WritesWhatIsNoStringAsJson) {
  const auto document = Document::parse(Secret(
      std::string_view(R"({"v": {"z": "a\"b", "y": [1, true, null, {}, []], "é\n": "s9:1"}})")));
  ASSERT_TRUE(document);
  EXPECT_EQ(revealed(document->root()["v"]),
            R"({"y":[1,true,null,{},[]],"z":"a\"b","é\n":"s9:1"})");
}

TEST(Document, RefusesWhatIsNotJson) {
  for (const char* text : {"",
                           "{",
                           "}",
                           "[1,]",
                           "{\"a\"}",
                           "{\"a\":}",
                           "{1:2}",
                           "{1 : 2}",
                           "'a'",
                           "\"a",
                           "\"\\x\"",
                           "\"\\u12\"",
                           "\"\\ud800\"",
                           "\"\\ud800\\u0041\"",
                           "\"\\udc00\"",
                           "\"a\nb\"",
                           "01",
                           "1.",
                           ".5",
                           "1e",
                           "+1",
                           "--1",
                           "1 2",
                           "\"a\" \"b\"",
                           "12\"a\"",
                           "1true",
                           "true1",
                           "nul",
                           "NaN",
                           "[1}",
                           "// c\n1",
                           "\xff",
                           "\"\xc3\"",
                           "<html>"}) {
    EXPECT_FALSE(Document::parse(Secret(std::string_view(text)))) << text;
  }
}

TEST(Document, RefusesDepth) {
  const auto nested = [](std::size_t depth) {
    return Secret(std::string_view(std::string(depth, '[') + std::string(depth, ']')));
  };
  EXPECT_TRUE(Document::parse(nested(64)));
  EXPECT_FALSE(Document::parse(nested(65)));
}

TEST(Document, StaysReadableWhereItIsMoved) {
  auto first = Document::parse(Secret(std::string_view(R"({"a": "b"})")));
  ASSERT_TRUE(first);
  const Document second = std::move(*first);
  EXPECT_EQ(revealed(second.root()["a"]), "b");
}

TEST(JsonString, EscapesWhatItMust) {
  SecretBuilder builder;
  const std::string text("a\"\\\n\0é", 7);
  append_json_string(builder, text);
  const Secret json = builder.take();
  EXPECT_EQ(json.reveal(), "\"a\\\"\\\\\\u000a\\u0000é\"");
  const auto document = Document::parse(json.clone());
  ASSERT_TRUE(document);
  EXPECT_EQ(revealed(document->root()), text);
}

}  // namespace
}  // namespace agentbox::resolver
