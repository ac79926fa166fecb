#include "launcher/values/harvest.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "launcher/values/known_values.h"
#include "launcher/values/ordinary.h"

namespace agentbox::values {
namespace {

using Pairs = std::vector<std::pair<std::string, std::string>>;  // keys and values

Pairs harvested(std::string_view text, std::string_view path) {
  Pairs pairs;
  harvest(text, path,
          [&](std::string_view value, std::string_view key) { pairs.emplace_back(key, value); });
  return pairs;
}

struct Case {
  const char* name;
  const char* path;
  std::string text;
  Pairs expected;                     // among others
  std::vector<std::string> unwanted;  // values
};

class Harvest : public testing::TestWithParam<Case> {};

TEST_P(Harvest, TakesTheValues) {
  const Pairs pairs = harvested(GetParam().text, GetParam().path);
  std::string all;
  for (const auto& [key, value] : pairs) {
    all += "  " + key + " = " + value + "\n";
  }
  for (const auto& pair : GetParam().expected) {
    EXPECT_NE(std::find(pairs.begin(), pairs.end(), pair), pairs.end())
        << pair.first << " = " << pair.second << " is not among\n"
        << all;
  }
  for (const std::string& value : GetParam().unwanted) {
    EXPECT_TRUE(std::none_of(pairs.begin(), pairs.end(),
                             [&](const auto& pair) { return pair.second == value; }))
        << value << " is among\n"
        << all;
  }
}

std::string name_of(const testing::TestParamInfo<Case>& info) { return info.param.name; }

const Case kCases[] = {
    {"Dotenv",
     ".env",
     "# a comment\nPLAIN=plain-value-1\nexport EXPORTED=exported-value\nSPACED = spaced-value\n"
     "SINGLE='single $value'\nDOUBLE=\"double \\\"value\\\"\"\nCOMMENTED=before-it # after it\n"
     "HASHED=with#hash-in-it\nEMPTY=\nREFERENCE=op://vault/item/field\nVARIABLE=${OTHER_VALUE}\n"
     "# OLD_TOKEN=commented-out\n\nLAST=last-value",
     {{"PLAIN", "plain-value-1"},
      {"EXPORTED", "exported-value"},
      {"SPACED", "spaced-value"},
      {"SINGLE", "single $value"},
      {"DOUBLE", "double \"value\""},
      {"COMMENTED", "before-it"},
      {"HASHED", "with#hash-in-it"},
      {"OLD_TOKEN", "commented-out"},
      {"LAST", "last-value"}},
     {"op://vault/item/field", "${OTHER_VALUE}"}},
    {"DotenvOfSeveralLines",
     ".env.local",
     "A=\"first line\nsecond line\"\nB='third line\nfourth line'\nC=\"one\\ntwo "
     "three\"\nD=last-value\n",
     {{"A", "first line\nsecond line"},
      {"B", "third line\nfourth line"},
      {"C", "one\ntwo three"},
      {"D", "last-value"}},
     {}},
    {"ApostrophesHideNothing",
     ".env",
     "NOTE='tis an apostrophe\nTOKEN=token-value-1\nOTHER=it's\n",
     {{"TOKEN", "token-value-1"}},
     {}},
    {"WindowsLineEnds",
     ".env",
     "\xef\xbb\xbfTOKEN=token-value-1\r\nOTHER=\"other-value\"\r\n",
     {{"TOKEN", "token-value-1"}, {"OTHER", "other-value"}},
     {}},
    {"Json",
     "credentials.json",
     "{\n  \"user\": \"somebody-1\", \"nested\": {\"client_secret\": \"sl\\/ash "
     "\\u00e9\\ud83d\\ude00\"},\n"
     "  \"keys\": [\"first-key\", \"second-key\"], \"pin\": 1234567890, \"ref\": \"${VALUE}\"}\n",
     {{"user", "somebody-1"},
      {"client_secret", "sl/ash \xc3\xa9\xf0\x9f\x98\x80"},
      {"keys", "first-key"},
      {"keys", "second-key"},
      {"pin", "1234567890"}},
     {"${VALUE}", "client_secret"}},
    {"ServiceAccount",
     "sa.json",
     "{\"private_key\": \"-----BEGIN PRIVATE KEY-----\\nMIIEvQIBADANBgkq\\nhkiG9w0BAQEFAASC\\n"
     "-----END PRIVATE KEY-----\\n\"}",
     {{"PRIVATE KEY", "MIIEvQIBADANBgkq\nhkiG9w0BAQEFAASC"}},
     {}},
    {"DockerConfig",
     ".docker/config.json",
     "{\"auths\": {\"https://index.docker.io/v1/\": {\"auth\": "
     "\"c29tZWJvZHk6aHVudGVyMi1odW50ZXIy\"}}}",
     {{"auth", "c29tZWJvZHk6aHVudGVyMi1odW50ZXIy"}, {"password", "hunter2-hunter2"}},
     {}},
    {"Yaml",
     "secrets.yml",
     "db:\n  password: plain-value\n  \"quoted key\": 'it is quoted'\n  list:\n    - "
     "first-item=of-list\n"
     "    - token: token-in-list # comment\n  key: |\n    first line\n      second line\n\n    "
     "third\n"
     "  flow: {inner_token: flow-value-1, other: \"flow-value-2\"}\nlast: last-value\n",
     {{"password", "plain-value"},
      {"quoted key", "it is quoted"},
      {"token", "token-in-list"},
      {"key", "first line\n  second line\n\nthird"},
      {"inner_token", "flow-value-1"},
      {"other", "flow-value-2"},
      {"last", "last-value"}},
     {}},
    {"KubernetesSecret",
     "secret.yaml",
     "kind: Secret\ndata:\n  password: aHVudGVyMi1odW50ZXIy\n",
     {{"password", "aHVudGVyMi1odW50ZXIy"}, {"password", "hunter2-hunter2"}},
     {}},
    {"Toml",
     "secrets.toml",
     "[server]\napi_key = \"toml-value-1\"\nliteral = 'C:\\raw\\value'\nlong = \"\"\"\nfirst "
     "line\nsecond\"\"\"\n"
     "list = [ \"list-value-1\", \"list-value-2\" ]\n",
     {{"api_key", "toml-value-1"},
      {"literal", "C:\\raw\\value"},
      {"long", "first line\nsecond"},
      {"list", "list-value-1"},
      {"list", "list-value-2"}},
     {"[server]"}},
    {"Ini",
     ".aws/credentials",
     "[default]\naws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCY\n; "
     "password=commented-out\n",
     {{"aws_secret_access_key", "wJalrXUtnFEMI/K7MDENG/bPxRfiCY"}, {"password", "commented-out"}},
     {}},
    {"Properties",
     "gradle.properties",
     "signing.password=prop-value-1\nother: prop-value-2\nlong=first-part\\\n    second-part\n",
     {{"signing.password", "prop-value-1"},
      {"other", "prop-value-2"},
      {"long", "first-partsecond-part"}},
     {}},
    {"Shell",
     ".secrets.sh",
     "#!/bin/sh\nexport TOKEN=$'shell\\nvalue-1'\nsetenv OTHER other-value\n"
     "curl -H 'Authorization: Bearer bearer-value' --token=option-value https://host.example\n",
     {{"TOKEN", "shell\nvalue-1"},
      {"OTHER", "other-value"},
      {"", "bearer-value"},
      {"--token", "option-value"}},
     {}},
    {"Npmrc",
     ".npmrc",
     "registry=https://registry.example/\n//registry.example/:_authToken=npm_token-value\n",
     {{"//registry.example/:_authToken", "npm_token-value"}},
     {}},
    {"Netrc",
     ".netrc",
     "machine host.example\n  login somebody\n  password netrc-value\nmachine b login c password "
     "\"quoted value\"",
     {{"password", "netrc-value"}},
     {}},
    {"Pgpass",
     "home/.pgpass",
     "# comment\nhost:5432:*:user:pass\\:word\\\\1\n",
     {{"password", "pass:word\\1"}},
     {}},
    {"UrlWithAPassword",
     ".env",
     "DATABASE_URL=postgres://user:p%40ssw0rd@host:5432/db\n",
     {{"DATABASE_URL", "postgres://user:p%40ssw0rd@host:5432/db"},
      {"password", "p%40ssw0rd"},
      {"password", "p@ssw0rd"}},
     {}},
    {"ConnectionString",
     ".env",
     "STORAGE=DefaultEndpointsProtocol=https;AccountName=some;AccountKey=c3RvcmFnZQ/"
     "k+y==;Suffix=x\n",
     {{"AccountKey", "c3RvcmFnZQ/k+y=="}},
     {}},
    {"PrivateKey",
     "id_rsa",
     "-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA\nsecond-line-of-it\n-----END RSA PRIVATE "
     "KEY-----\n"
     "-----BEGIN CERTIFICATE-----\nMIICcertificate\n-----END CERTIFICATE-----\n",
     {{"RSA PRIVATE KEY", "MIIEpAIBAAKCAQEA\nsecond-line-of-it"}},
     {"MIICcertificate"}},
    {"OneValue",
     "secrets/db_password.txt",
     "only-value-of-it\n",
     {{"db_password", "only-value-of-it"}},
     {}},
    {"OneValueWithoutExtension",
     ".vault-token",
     "hvs.CAESIOnlyValue",
     {{".vault-token", "hvs.CAESIOnlyValue"}},
     {}},
    {"Xml",
     "settings.xml",
     "<server>\n  <password>xml-value-1</password>\n  <a token=\"attribute-value\"/>\n</server>",
     {{"password", "xml-value-1"}},
     {"<password>xml-value-1"}},
    {"AKeyStore",
     "release.jks",
     std::string("\xfe\xed\0binary", 9),
     {{"secret", std::string("\xfe\xed\0binary", 9)}},
     {}},
};

INSTANTIATE_TEST_SUITE_P(Files, Harvest, testing::ValuesIn(kCases), name_of);

TEST(HarvestOfJunk, NeverFailsAndTakesOnlyWhatStandsThere) {
  constexpr std::string_view kPieces[] = {"\"",
                                          "'",
                                          "\\",
                                          "\n",
                                          "=",
                                          ": ",
                                          "{",
                                          "}",
                                          "[",
                                          "]",
                                          "|\n  ",
                                          "\"\"\"",
                                          "<a>",
                                          "</a>",
                                          "#",
                                          "$'",
                                          "-----BEGIN PRIVATE KEY-----",
                                          "-----END ",
                                          "\\u12",
                                          "\\ud800",
                                          "%4",
                                          "://a:b@",
                                          "a=",
                                          "word-word",
                                          " ",
                                          "c29tZWJvZHk6aHVudGVyMi1odW50ZXIy",
                                          "\r\n",
                                          "\t",
                                          ",",
                                          ";",
                                          "`",
                                          "\xff",
                                          ">\n    "};
  std::mt19937 random(11);
  const char* const paths[] = {"", ".env", "a.json", ".netrc", ".pgpass", "a.yaml"};
  std::size_t taken = 0;
  for (int round = 0; round < 3000; ++round) {
    std::string text;
    for (std::size_t i = random() % 60; i > 0; --i) {
      text += kPieces[random() % std::size(kPieces)];
    }
    harvest(text, paths[random() % std::size(paths)],
            [&](std::string_view value, std::string_view) {
              EXPECT_GE(value.size(), kShortestKnown);
              ++taken;
            });
  }
  EXPECT_GT(taken, 1000U);
}

// What is known of a copy of a program's source.
std::vector<std::string> known_of(std::string_view text, std::string_view path) {
  std::vector<std::string> values;
  harvest(text, path, [&](std::string_view value, std::string_view key) {
    if (!is_ordinary(value, key)) {
      values.emplace_back(value);
    }
  });
  return values;
}

constexpr std::string_view kSource =
    "const std::string password = read_password(user);\n"
    "this.secret_token = config.secret_token;\n"
    "std::string_view secret = \"a message of the program\";\n"
    "token = \"{CANARY}\"\n"
    "auto passphrase = options.passphrase_of(account);\n"
    "private_key_secret = make_secret(std::move(bytes), Kind::kToken);\n";

TEST(HarvestOfSource, KnowsNoWordsOfAProgram) {
  for (const char* const path : {"launcher/main.cpp.bak", "x.py~", "y.js.orig", "z.go"}) {
    const std::vector<std::string> values = known_of(kSource, path);
    EXPECT_TRUE(values.empty()) << path << ": " << values.front();
  }
  // The control: as settings these are what a person chose.
  EXPECT_FALSE(known_of(kSource, "x.conf").empty());
}

TEST(HarvestOfSource, KnowsAProgramsSecrets) {
  const std::vector<std::string> values = known_of(
      "password = \"hunter2hunter2\"\n"
      "API_KEY = 'sk-proj-9fK2mQ7xV1pL4cR8tZ3wB6nH'\n"
      "url = \"postgres://app:Zk27LpWv@db.example.com/app\"\n"
      "token = os.environ.get(\"TOKEN\") or \"a8Kd93jLq02mXzP7wB6nHtZ3\"\n",
      "settings.py.bak");
  for (const char* const value : {"hunter2hunter2", "sk-proj-9fK2mQ7xV1pL4cR8tZ3wB6nH", "Zk27LpWv",
                                  "a8Kd93jLq02mXzP7wB6nHtZ3"}) {
    EXPECT_NE(std::find(values.begin(), values.end(), value), values.end()) << value;
  }
}

// What would take minutes if a line could make all that follow be read again.
TEST(HarvestOfJunk, IsLinear) {
  for (const std::string_view line : {"a=\\\n", "a: |\n", "a='''\n", "a=\"\\\"\n", "<a>",
                                      "a: \"\"\"x\n", "'\\ ", "-----BEGIN PRIVATE KEY-----"}) {
    std::string text;
    while (text.size() < 2'000'000) {
      text += line;
    }
    std::size_t bytes = 0;
    harvest(text, ".env", [&](std::string_view value, std::string_view) { bytes += value.size(); });
    EXPECT_LE(bytes, 64 * text.size()) << line;
  }
}

}  // namespace
}  // namespace agentbox::values
