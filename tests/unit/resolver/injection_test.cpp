#include "resolver/injection.h"

#include <gtest/gtest.h>

#include <map>

#include "base/error.h"

namespace agentbox::resolver {
namespace {

const std::map<std::string, std::string, std::less<>> kVariables = {
    {"ENVIRONMENT", "prod"}, {"EMPTY", ""}, {"TRICK", "op://v/i/trick"}};

// Literals as they are, references in angle brackets.
std::string parsed(std::string_view text) {
  const Lookup lookup = [](std::string_view name) -> std::optional<std::string_view> {
    const auto found = kVariables.find(name);
    return found == kVariables.end() ? std::nullopt
                                     : std::optional<std::string_view>(found->second);
  };
  try {
    std::string result;
    for (const auto& piece : parse_injection(text, "t.yaml", lookup)) {
      const auto* reference = std::get_if<Reference>(&piece);
      result += reference != nullptr ? "<" + reference->text + ">" : std::get<std::string>(piece);
    }
    return result;
  } catch (const base::Error& error) {
    return std::string("error: ") + error.what();
  }
}

TEST(Injection, TakesEnclosedReferences) {
  EXPECT_EQ(parsed("a: {{ op://Vault/My Item/field }}\nb: {{local://x/y}}!"),
            "a: <op://Vault/My Item/field>\nb: <local://x/y>!");
}

TEST(Injection, TakesReferencesBeforeABraceOfTheText) {
  EXPECT_EQ(parsed("{\"port\":{{ op://v/i/port }}}"), "{\"port\":<op://v/i/port>}");
  EXPECT_EQ(parsed("{{ op://v/i/${ENVIRONMENT}}}"), "<op://v/i/prod>");
}

TEST(Injection, QuotesNoVariablesValueInAnError) {
  for (const char* text : {"{{ op://v/$ENVIRONMENT%/f }}", "op://v/$ENVIRONMENT"}) {
    const std::string said = parsed(text);
    EXPECT_NE(said.find("/$ENVIRONMENT"), std::string::npos) << said;
    EXPECT_EQ(said.find("prod"), std::string::npos) << said;
  }
}

TEST(Injection, TakesBareReferencesOfOneScheme) {
  EXPECT_EQ(parsed("db://u:op://v/i/f@host"), "db://u:<op://v/i/f>@host");
  EXPECT_EQ(parsed("\"op://v/i/s/f?attribute=otp\","), "\"<op://v/i/s/f?attribute=otp>\",");
  EXPECT_EQ(parsed("ref+op://v/i/f xop://v/i/f local://x"), "ref+op://v/i/f xop://v/i/f local://x");
}

TEST(Injection, FillsInVariables) {
  EXPECT_EQ(parsed("$ENVIRONMENT ${ ENVIRONMENT } ${NO:-default} ${EMPTY}."),
            "prod prod default .");
  EXPECT_EQ(parsed("op://v-$ENVIRONMENT/${ITEM:-db}/f"), "<op://v-prod/db/f>");
  EXPECT_EQ(parsed("{{ op://v/${ENVIRONMENT}/f}}"), "<op://v/prod/f>");
  EXPECT_EQ(parsed("cost: 5$ $1 ${} $"), "cost: 5$ $1 ${} $");
  // What is filled in is not looked into again.
  EXPECT_EQ(parsed("$TRICK"), "op://v/i/trick");
}

TEST(Injection, LeavesQuotedText) {
  EXPECT_EQ(parsed(R"({{ "{{ test op://prod/x " }})"), "{{ test op://prod/x ");
  EXPECT_EQ(parsed(R"({{"say \"hi\" $X"}})"), R"(say "hi" $X)");
}

TEST(Injection, NamesThePlaceOfAMistake) {
  EXPECT_EQ(parsed("\n\n{{ op://v/i/f"), "error: t.yaml:3: \"{{\" is not closed");
  EXPECT_EQ(parsed("{{ .Values.x }}"), "error: t.yaml:1: \"{{ … }}\" holds no reference");
  EXPECT_EQ(parsed("a\n$UNSET"), "error: t.yaml:2: a variable that stands here is not set");
  EXPECT_EQ(parsed("{{ \"x }}"), "error: t.yaml:1: the text in {{ \"…\" }} is not closed");
  EXPECT_NE(parsed("x op://v/i").find("error: t.yaml:1: "), std::string::npos);
}

TEST(Injection, MayReferToNothing) {
  EXPECT_EQ(parsed("plain\n"), "plain\n");
  EXPECT_EQ(parsed(""), "");
}

TEST(Injection, SurvivesAnything) {
  const std::string bytes = "{}$\"\\ op:/-vifE\n:N";
  unsigned state = 7;
  for (int round = 0; round < 20000; ++round) {
    std::string text;
    for (int i = 0; i < 24; ++i) {
      state = state * 1664525 + 1013904223;
      text += bytes[(state >> 16) % bytes.size()];
    }
    parsed(text);
  }
}

}  // namespace
}  // namespace agentbox::resolver
