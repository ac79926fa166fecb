#include <gtest/gtest.h>

#include <random>
#include <string>

#include "policy/file_rules.h"

namespace agentbox::policy {
namespace {

TEST(Redact, KeepsKeysAndHidesValues) {
  EXPECT_EQ(redact("KEY=value\n"), "KEY=*****\n");
  EXPECT_EQ(redact("export KEY = \"va lue\"\r\n"), "export KEY = \"******\"\r\n");
  EXPECT_EQ(redact("# old: hunter2\n"), "#*************\n");
  EXPECT_EQ(redact("host: db\nport: 5432"), "host: **\nport: ****");
  EXPECT_EQ(redact("{\n  \"a\": \"x\",\n  \"b\": 12,\n  \"c\": {\n    \"d\": true\n  }\n}\n"),
            "{\n  \"a\": \"*\",\n  \"b\": ***\n  \"c\": {\n    \"d\": ****\n  }\n}\n");
  EXPECT_EQ(redact("[default]\nkey = abc\n"), "[default]\nkey = ***\n");
  EXPECT_EQ(redact("- one\n- key: two\n"), "- ***\n- key: ***\n");
  EXPECT_EQ(redact("a:\n  b: c\n"), "a:\n  b: *\n");
  EXPECT_EQ(redact("URL=https://u:p@h/?k=v # c"), "URL=**********************");
}

TEST(Redact, TakesWhatItDoesNotKnowForAValue) {
  EXPECT_EQ(redact("hunter2\n"), "*******\n");
  EXPECT_EQ(redact("QUJDRA==\n"), "********\n");
  EXPECT_EQ(redact("user:hash\n"), "*********\n");
  EXPECT_EQ(redact("machine h login u password p\n"), "****************************\n");
}

// Each holds the canary where a line-by-line reading would take it, or what is beside it, for a
// key.
TEST(Redact, LetsNoCanaryThrough) {
  const std::string canary = "Cq7Zt9xK";
  for (const std::string& text : {
           "K=\"first\n" + canary + "=x\nlast\"\nA=b\n",
           "k: |\n  first\n  " + canary + ": x\n\n  " + canary + "=y\nn: m\n",
           "- k: >-\n    " + canary + ": x\n",
           "k = '''\n" + canary + " = 1\n'''\n",
           "K=a\\\n" + canary + "=b\n",
           "k: plain\n   " + canary + ": goes on\n",
           "-----BEGIN PRIVATE KEY-----\n" + canary + "=a\n-----END PRIVATE KEY-----\n",
           "K=\"-----BEGIN X-----\n" + canary + "=a\n-----END X-----\"\n",
           "{\"a\":\"" + canary + "\",\"b\":{\"" + canary + "\":1}}",
           "\"a\": \"x\\\" " + canary + "\"\n",
           "k: \"" + canary + "\n",
           "k:\n  [" + canary + "]\n",
           "k:\n[" + canary + "]\n",
           "# K=" + canary + "\n; " + canary + "\n// " + canary + "\n",
           canary + "=\n" + canary + "==\n",
           canary,
           std::string("\0", 1) + canary,
           "K=v\r" + canary + "\r",
       }) {
    const std::string redacted = redact(text);
    EXPECT_EQ(redacted.find(canary), std::string::npos) << text << "\n---\n" << redacted;
    EXPECT_EQ(redacted.size(), text.size());
  }
}

TEST(Redact, KeepsLengthAndLinesOfAnything) {
  std::mt19937 random(3);
  const std::string alphabet("ab=:\"'|>-#[]{}, \\\n\r\t\0\xff", 23);
  for (int i = 0; i < 50000; ++i) {
    std::string text(random() % 60, 'x');
    for (char& c : text) {
      c = alphabet[random() % alphabet.size()];
    }
    const std::string redacted = redact(text);
    ASSERT_EQ(redacted.size(), text.size());
    for (std::size_t k = 0; k < text.size(); ++k) {
      ASSERT_TRUE(redacted[k] == text[k] || redacted[k] == '*') << text;
      ASSERT_TRUE(text[k] != '\n' || redacted[k] == '\n');
    }
  }
}

TEST(HoldsCredential, FindsThem) {
  for (const char* text : {
           "//registry.npmjs.org/:_authToken=npm_abcdefghijklmnop1234\n",
           "_auth=dXNlcjpwYXNz\n",
           "//r/:_password = \"aGVsbG8=\"\n",
           "# //r/:_authToken=abc\n",
           "npmAuthToken: \"abc\"\n",
           "npmScopes:\n  x:\n    npmAuthIdent: \"u:p\"\n",
           "[pypi]\nusername = __token__\npassword = pypi-abc\n",
           "index-url = https://user:hunter2@pypi.example/simple\n",
           "registry=https://0123456789abcdef0123@host/\n",
           "{\"http-basic\":{\"x\":{\"username\":\"u\",\"password\":\"p\"}}}",
           "<add key=\"ClearTextPassword\" value=\"p\" />",
           "ossrhPassword=p\n",
           "_authToken=${TOKEN:-fallback}\n",
           "-----BEGIN PRIVATE KEY-----\n",
       }) {
    EXPECT_TRUE(holds_credential(text)) << text;
  }
}

TEST(HoldsCredential, LeavesReferencesAndSettingsAlone) {
  for (const char* text : {
           "",
           "registry=https://registry.npmjs.org/\nlegacy-peer-deps=true\nalways-auth=true\n",
           "//registry.npmjs.org/:_authToken=${NPM_TOKEN}\n",
           "npmAuthToken: \"${NPM_TOKEN-}\"\n",
           "//r/:_authToken={{ op://Dev/npm/token }}\n",
           "password = $PYPI_PASSWORD\n",
           "index-url = https://${USER}:${PASS}@pypi.example/simple\n",
           "url=ssh://git@github.com/a/b\n",
           "nodeLinker: node-modules\nyarnPath: .yarn/releases/yarn-4.0.0.cjs\n",
       }) {
    EXPECT_FALSE(holds_credential(text)) << text;
  }
}

}  // namespace
}  // namespace agentbox::policy
