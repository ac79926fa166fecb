#include "resolver/reference.h"

#include <gtest/gtest.h>

#include <random>

#include "base/error.h"

namespace agentbox::resolver {
namespace {

using Path = std::vector<std::string>;

TEST(IsReference, KnowsEverySchemeAndNothingElse) {
  for (const char* scheme : {"op", "vault", "doppler", "infisical", "aws-sm", "sops", "pass",
                             "keyring", "local", "env", "file", "exec"}) {
    EXPECT_TRUE(is_reference(std::string(scheme) + "://x")) << scheme;
    EXPECT_TRUE(is_reference(std::string(scheme) + "://")) << scheme;
    EXPECT_FALSE(is_reference(std::string(scheme) + ":/x")) << scheme;
    EXPECT_FALSE(is_reference(" " + std::string(scheme) + "://x")) << scheme;
  }
  EXPECT_TRUE(is_reference("OP://Vault/Item/field"));
  for (const char* literal : {"", "://", "x", "https://example.com", "postgres://u:p@h/db", "op",
                              "op:", "xop://a/b/c", "not a scheme op://a/b/c"}) {
    EXPECT_FALSE(is_reference(literal)) << literal;
  }
}

TEST(ParseReference, TakesOnePasswordsSyntax) {
  Reference reference = parse_reference("op://Development/Anthropic API/credential");
  EXPECT_EQ(reference.scheme, "op");
  EXPECT_EQ(reference.path, (Path{"Development", "Anthropic API", "credential"}));
  reference = parse_reference("OP://v/i/Admin Section/one-time password?attribute=otp");
  EXPECT_EQ(reference.scheme, "op");
  EXPECT_EQ(reference.text, "OP://v/i/Admin Section/one-time password?attribute=otp");
  EXPECT_EQ(reference.path.size(), 4u);
  EXPECT_EQ(reference.query, "attribute=otp");
  EXPECT_NO_THROW(parse_reference("op://v/key/private key?ssh-format=openssh"));
}

TEST(ParseReference, TakesTheOtherSchemes) {
  EXPECT_EQ(parse_reference("local://team/db.url").path, Path{"team/db.url"});
  EXPECT_EQ(parse_reference("env://HOME").path, Path{"HOME"});
  EXPECT_EQ(parse_reference("file:///etc/a%20b%25").path, (Path{"etc", "a b%"}));
  const Reference vault = parse_reference("vault://secret/prod/db?version=2#url");
  EXPECT_EQ(vault.path, (Path{"secret", "prod", "db"}));
  EXPECT_EQ(vault.query, "version=2");
  EXPECT_EQ(vault.fragment, "url");
}

TEST(ParseReference, RefusesMalformedOnes) {
  for (const std::string text : {"op://",
                                 "op://v",
                                 "op://v/i",
                                 "op://v//f",
                                 "op:///i/f",
                                 "op://v/i/s/f/x",
                                 "op://v/i/",
                                 "op://v/i/f ",
                                 "op:// v/i/f",
                                 "op://v/i/f\n",
                                 "op://v/i/f}}{{ op://x/y/z",
                                 "op://v/i/f#x",
                                 "op://v/i/f?",
                                 "op://v/i/f?attribute",
                                 "op://v/i/f?attribute=",
                                 "op://v/i/f?x=y",
                                 "op://v/i/f?attribute=a b",
                                 "op://v/i/$(id)",
                                 "op://v/i/\"f\"",
                                 "op://v/i/\xc3\xa9",
                                 "local://",
                                 "local:///x",
                                 "local://x/",
                                 "local://a//b",
                                 "local://a b",
                                 "local://a?b",
                                 "env://",
                                 "env://1A",
                                 "env://A-B",
                                 "env://A=B",
                                 "file://",
                                 "file://x",
                                 "file:///",
                                 "file:///a//b",
                                 "file:///a/../b",
                                 "file:///a/.",
                                 "file:///a%",
                                 "file:///a%2",
                                 "file:///a%zz",
                                 "file:///a%00",
                                 "file:///a%2fb",
                                 "file:///a?b",
                                 "vault://",
                                 "vault://a%0",
                                 "https://x",
                                 "",
                                 "op"}) {
    try {
      parse_reference(text);
      ADD_FAILURE() << text;
    } catch (const base::Error& error) {
      EXPECT_EQ(error.status(), base::Status::kConfiguration);
      EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos);
    }
  }
  EXPECT_THROW(parse_reference("local://" + std::string(129, 'a')), base::Error);
  EXPECT_NO_THROW(parse_reference("local://" + std::string(128, 'a')));
  EXPECT_THROW(parse_reference("vault://" + std::string(3000, 'a')), base::Error);
  EXPECT_THROW(parse_reference(std::string("vault://a\0b", 11)), base::Error);
}

TEST(NearMiss, FindsReferencesThatWereMeant) {
  for (const char* text : {" op://v/i/f", "\"op://v/i/f\"", "'local://x", "{{ op://v/i/f }}",
                           "op:/v/i/f", "op//v/i/f", "OP:/v/i/f", "local:/x", "ref+vault://a/b#/c",
                           "onepassword://v/i", "awssm://x", "valut://a", "dopler://a/b/c",
                           "postgres://u:op://v/i/f@h/db", "a op://v/i/f b", "<env://HOME>"}) {
    EXPECT_NE(near_miss(text), "") << text;
  }
}

TEST(NearMiss, LeavesLiteralsAlone) {
  for (const char* text : {"",
                           "x",
                           "op",
                           "op:x",
                           "operation",
                           "https://example.com/op",
                           "postgres://u:p@h:5432/db",
                           "redis://h",
                           "mysql://h",
                           "mongodb+srv://h",
                           "amqp://h",
                           "s3://bucket",
                           "ws://h",
                           "kafka://h",
                           "smtp://h",
                           "sqlite:///db",
                           "file:/dev/./urandom",
                           "vault:v1:abcd",
                           "http://shop://x",
                           "ftp://h",
                           "mailto:a@b",
                           "ssh://git@h",
                           "{\"a\": 1}",
                           "p@ss\"word'",
                           "op://v/i/f"}) {
    EXPECT_EQ(near_miss(text), "") << text;
  }
}

TEST(NearMiss, NeverQuotesTheValue) {
  for (const char* text : {" op://canary/i/f", "op:/canary", "onepassword://canary",
                           "valut://canary", "x op://canary/i/f"}) {
    EXPECT_EQ(near_miss(text).find("canary"), std::string::npos);
  }
}

// Any text is a reference, an error or a literal; nothing crashes, and what parses is whole.
TEST(ParseReference, SurvivesDamagedInput) {
  std::mt19937 random(20261124);  // always the same
  const std::string alphabet = "op:/localenvfi?#%=.-_ {}$\"'\n\t\xc3\x80" + std::string(1, '\0');
  const std::string seeds[] = {"op://v/i/s/f?attribute=otp", "local://a/b", "file:///a/%41",
                               "vault://a/b?c=d#e", "env://NAME"};
  int parsed = 0;
  for (int round = 0; round < 20000; ++round) {
    std::string text = seeds[random() % std::size(seeds)];
    for (std::size_t change = random() % 4; change > 0; --change) {
      const char c = alphabet[random() % alphabet.size()];
      const std::size_t at = random() % (text.size() + 1);
      if (random() % 2 == 0 || at == text.size()) {
        text.insert(at, 1, c);
      } else {
        text[at] = c;
      }
    }
    near_miss(text);
    try {
      const Reference reference = parse_reference(text);
      EXPECT_TRUE(is_reference(text));
      EXPECT_EQ(reference.text, text);
      EXPECT_FALSE(reference.path.empty());
      if (reference.scheme == "op") {
        EXPECT_EQ(text.find_first_of("{}\n\"$"), std::string::npos) << text;
      }
      ++parsed;
    } catch (const base::Error&) {
    }
  }
  EXPECT_GT(parsed, 1000);
}

}  // namespace
}  // namespace agentbox::resolver
