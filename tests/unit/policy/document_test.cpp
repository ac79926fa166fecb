#include "policy/document.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

#include "base/error.h"

namespace agentbox::policy {
namespace {

Document read(const std::string& text) { return parse(text, "agentbox.json", "/project"); }

// The error's text, or "" if there is none.
std::string refusal(const std::string& text) {
  try {
    read(text);
  } catch (const base::Error& error) {
    EXPECT_EQ(error.status(), base::Status::kConfiguration);
    return std::string(error.what()) + " | " + error.hint();
  }
  return "";
}

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

constexpr char kWhole[] = R"({
  // comments are allowed
  "$schema": "agentbox.schema.json",
  "version": 1,
  "description": "everything",
  "extends": ["claude"],
  "files": { "hide": ["**/.env*"], "redact": ["config/*.yaml"], "show": ["**/.env.example"],
             "readonly": ["infra/**"], "detect": "deny",
             "write_secrets": { "**": "deny", "notes/**": "allow" } },
  "history": "refuse",
  "home": { "read": [".config/tool"], "write": [".cache/tool"] },
  "environment": { "pass": ["LC_*"], "set": { "A": "b" } },
  "system": ["/nix"],
  /* and these */
  "secrets": {
    "anthropic": { "from": "op://Development/Anthropic API/credential",
                   "as": { "env": "ANTHROPIC_API_KEY", "file": "~/.key" },
                   "deliver": "placeholder", "hosts": ["api.anthropic.com"] },
    "npmrc": { "template": "npmrc.tpl", "as": { "file": "~/.npmrc" }, "description": "x" }
  },
  "scopes": { "main": { "secrets": ["anthropic"], "spawn": ["tests"] },
              "tests": { "network": ["localhost:5432"], "approve": "each", "description": "y" } },
  "network": ["api.anthropic.com:443"],
  "limits": { "memory": "8G", "processes": 2048, "files": 1024, "spawn_depth": 3,
              "spawn_concurrent": 16 },
  "view": "live",
  "user_namespaces": true
})";

TEST(Document, ReadsEveryKey) {
  const Document document = read(kWhole);
  EXPECT_EQ(document.extends.at(0).text, "claude");
  EXPECT_EQ(document.files.hide.at(0).text, "**/.env*");
  EXPECT_EQ(document.files.hide.at(0).place.text(), "agentbox.json:7:23");
  ASSERT_EQ(document.files.detect.size(), 1u);
  EXPECT_EQ(document.files.detect[0].pattern.text, "**");
  EXPECT_EQ(document.files.detect[0].choice, Detect::kDeny);
  ASSERT_EQ(document.files.write_secrets.size(), 2u);
  EXPECT_EQ(document.files.write_secrets[1].pattern.text, "notes/**");
  EXPECT_EQ(document.files.write_secrets[1].pattern.place.text(), "agentbox.json:9:47");
  EXPECT_EQ(document.files.write_secrets[1].choice, WriteSecrets::kAllow);
  EXPECT_EQ(document.history, History::kRefuse);
  EXPECT_EQ(document.home.write.at(0).text, ".cache/tool");
  EXPECT_EQ(document.environment.set.at("A"), "b");
  EXPECT_EQ(document.system.at(0).text, "/nix");
  const Secret& secret = document.secrets.at("anthropic");
  EXPECT_EQ(secret.env, "ANTHROPIC_API_KEY");
  EXPECT_EQ(secret.file, "~/.key");
  EXPECT_EQ(secret.deliver, Deliver::kPlaceholder);
  EXPECT_EQ(document.secrets.at("npmrc").template_file, "npmrc.tpl");
  EXPECT_EQ(document.scopes.at("tests").approve, Approve::kEach);
  EXPECT_EQ(document.network->at(0).text, "api.anthropic.com:443");
  EXPECT_EQ(document.limits.memory, std::uint64_t{8} << 30);
  EXPECT_EQ(document.limits.spawn_concurrent, 16u);
  EXPECT_EQ(document.view, ViewMode::kLive);
  EXPECT_EQ(document.user_namespaces, true);
}

TEST(Document, TellsAnEmptyListFromNone) {
  EXPECT_FALSE(read(R"({"version": 1})").network.has_value());
  EXPECT_TRUE(read(R"({"version": 1, "network": []})").network.has_value());
}

TEST(Document, NamesTheNearestKeyAndThePlace) {
  const std::string text = refusal("{\n  \"version\": 1,\n  \"flies\": {}\n}");
  EXPECT_TRUE(has(text, "agentbox.json:3:3")) << text;
  EXPECT_TRUE(has(text, "\"flies\"")) << text;
  EXPECT_TRUE(has(text, "did you mean \"files\"?")) << text;
  EXPECT_TRUE(has(refusal(R"({"version":1,"files":{"hyde":[]}})"), "did you mean \"hide\"?"));
  EXPECT_TRUE(has(refusal(R"({"version":1,"secrets":{"a":{"form":"x"}}})"), "mean \"from\"?"));
}

TEST(Document, CountsColumnsAcrossCommentsEscapesAndNumbers) {
  EXPECT_TRUE(has(refusal("\xEF\xBB\xBF{ /* \"x\": { */ \"version\": 1, // ]\n \"a\\\"b\": 2 }"),
                  "agentbox.json:2:2"));
  EXPECT_TRUE(has(refusal("{\"version\": 1, \"limits\": {\"files\": 99, \"nope\": 1}}"),
                  "agentbox.json:1:40"));
}

TEST(Document, NamesWrongTypes) {
  const std::string text = refusal("{\"version\": 1,\n \"files\": {\"hide\": 5}}");
  EXPECT_TRUE(has(text,
                  "agentbox.json:2:20: \"files.hide\": expected a list of strings, found a "
                  "number"))
      << text;
  EXPECT_TRUE(has(refusal(R"({"version":1,"files":{"hide":["a", 3]}})"), "found a number in it"));
  EXPECT_TRUE(has(refusal(R"([])"), "the document: expected an object, found a list"));
  EXPECT_TRUE(has(refusal(R"({"version":"1"})"), "expected the number 1, found a string"));
}

TEST(Document, RefusesWhatIsNotStrictJson) {
  EXPECT_TRUE(has(refusal("{\"version\": 1,\n\"network\": [\"a.b:1\",]}"), "agentbox.json:2:21"));
  EXPECT_TRUE(has(refusal("{\"version\": 1,}"), "remove the comma"));
  EXPECT_TRUE(has(refusal("{\"version\": 1"), "ends too early"));
  EXPECT_TRUE(has(refusal(""), "agentbox.json:1:1"));
  EXPECT_TRUE(has(refusal("{\"version\": 1} x"), "not valid JSON"));
  EXPECT_TRUE(has(refusal("{\"version\": 1,\n \"version\": 1}"), "stands here again"));
  EXPECT_TRUE(has(refusal(std::string(40, '[')), "nested deeper"));
  EXPECT_TRUE(has(refusal(std::string((1 << 20) + 1, ' ')), "larger than 1 MiB"));
  EXPECT_NE(refusal(std::string("{\"version\": 1}\0", 15)), "");
}

TEST(Document, RefusesValues) {
  const char* const documents[] = {
      R"({})",
      R"({"version": 2})",
      R"({"version": 1.0})",
      R"({"version":1,"view":"dead"})",
      R"({"version":1,"files":{"detect":"on"}})",
      R"({"version":1,"files":{"hide":[""]}})",
      R"({"version":1,"files":{"hide":["!a"]}})",
      R"({"version":1,"files":{"hide":["../a"]}})",
      R"({"version":1,"files":{"hide":["a//b"]}})",
      R"({"version":1,"files":{"hide":["a**"]}})",
      R"({"version":1,"files":{"hide":["[a"]}})",
      R"({"version":1,"files":{"hide":["{a,b}"]}})",
      R"({"version":1,"files":{"hide":["~/a"]}})",
      R"({"version":1,"files":{"hide":["a\u0000b"]}})",
      R"({"version":1,"files":{"hide":["a\nb"]}})",
      R"({"version":1,"home":{"read":["*"]}})",
      R"({"version":1,"home":{"read":[".*"]}})",
      R"({"version":1,"home":{"read":["a/**"]}})",
      R"({"version":1,"home":{"read":["/etc"]}})",
      R"({"version":1,"home":{"read":["a/../b"]}})",
      R"({"version":1,"environment":{"pass":["*"]}})",
      R"({"version":1,"environment":{"pass":["A=B"]}})",
      R"({"version":1,"environment":{"set":{"A-B":"x"}}})",
      R"({"version":1,"environment":{"set":{"A":1}}})",
      R"({"version":1,"environment":{"set":{"A":"\u0000"}}})",
      R"({"version":1,"system":["nix"]})",
      R"({"version":1,"system":["/"]})",
      R"({"version":1,"system":["/a/../etc"]})",
      R"({"version":1,"network":["example.com"]})",
      R"({"version":1,"network":["*:443"]})",
      R"({"version":1,"extends":"claude"})",
      R"({"version":1,"extends":["../x"]})",
      R"({"version":1,"secrets":{"a/b":{"from":"x","as":{"env":"A"}}}})",
      R"({"version":1,"secrets":{"a":{"as":{"env":"A"}}}})",
      R"({"version":1,"secrets":{"a":{"from":"x"}}})",
      R"({"version":1,"secrets":{"a":{"from":"x","template":"y","as":{"env":"A"}}}})",
      R"({"version":1,"secrets":{"a":{"from":"x","as":{"env":"A B"}}}})",
      R"({"version":1,"secrets":{"a":{"from":"x","as":{"file":"/etc/x"}}}})",
      R"({"version":1,"secrets":{"a":{"from":"x","as":{"file":"~/../x"}}}})",
      R"({"version":1,"secrets":{"a":{"from":"x","as":{"env":"A"},"deliver":"placeholder"}}})",
      R"({"version":1,"secrets":{"a":{"from":"x","as":{"env":"A"},"hosts":["a.b:443"]}}})",
      R"({"version":1,"secrets":{"a":{"from":"x","as":{"env":"A"},"refresh":"10m"}}})",
      R"({"version":1,"secrets":{"a":{"from":"x","as":{"file":"A"},"refresh":"9s"}}})",
      R"({"version":1,"secrets":{"a":{"from":"x","as":{"file":"A"},"refresh":"31d"}}})",
      R"({"version":1,"secrets":{"a":{"from":"x","as":{"env":"A"},"offline":"1h"}}})",
      R"({"version":1,"secrets":{"a":{"from":"x","as":{"env":"A"},"cache":"2h","offline":"1h"}}})",
      R"({"version":1,"scopes":{"a":{"secrets":["x","x"]}}})",
      R"({"version":1,"scopes":{"a":{"approve":"always"}}})",
      R"({"version":1,"limits":{"processes":-1}})",
      R"({"version":1,"limits":{"processes":0}})",
      R"({"version":1,"limits":{"processes":1.5}})",
      R"({"version":1,"limits":{"memory":"8X"}})",
      R"({"version":1,"limits":{"memory":true}})",
      R"({"version":1,"user_namespaces":"yes"})",
  };
  for (const char* document : documents) {
    EXPECT_EQ(refusal(document).rfind("agentbox.json:1:", 0), 0u) << document;
  }
}

TEST(Document, AMalformedReferenceIsForTheResolver) {
  EXPECT_EQ(refusal(R"({"version":1,"secrets":{"a":{"from":"op:/x","as":{"env":"A"}}}})"), "");
}

// Whatever the bytes, parse() gives a document or an Error.
TEST(Document, SurvivesRandomBytes) {
  std::mt19937 random(1);
  const std::string whole = kWhole;
  std::size_t read_ones = 0;
  for (int round = 0; round < 20000; ++round) {
    std::string text = whole;
    const int changes = 1 + static_cast<int>(random() % 4);
    for (int i = 0; i < changes; ++i) {
      const std::size_t at = random() % text.size();
      switch (random() % 4) {
        case 0:
          text[at] = static_cast<char>(random());
          break;
        case 1:
          text.erase(at, random() % 8);
          break;
        case 2:
          text.insert(at, 1, "{}[]\",:/*\\n0-"[random() % 13]);
          break;
        default:
          text.insert(at, whole.substr(random() % whole.size(), random() % 32));
      }
    }
    if (round % 10 == 0) {
      for (char& c : text) {
        c = static_cast<char>(random());
      }
    }
    try {
      read(text);
      ++read_ones;
    } catch (const base::Error& error) {
      ASSERT_EQ(std::string(error.what()).rfind("agentbox.json:", 0), 0u) << error.what();
    }
  }
  EXPECT_GT(read_ones, 100u);  // some changes fall into comments and strings
}

}  // namespace
}  // namespace agentbox::policy
