// sops:// on files that tests/integration/stores/sops.py encrypts, with keys of the real age.
#include "resolver/backends/sops.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <functional>
#include <regex>
#include <tuple>

#include "resolver/age.h"
#include "resolver_on.h"
#include "temporary.h"

namespace agentbox::resolver {
namespace {

constexpr const char* kPlain = R"({"db": {"password": "CANARY pass\nword", "port": 5432,
  "hosts": ["CANARY-a", {"deep": "CANARY-b"}], "on": true, "ratio": 1.5, "empty": "", "none": null},
  "note_unencrypted": "plain", "list_unencrypted": [1, -2, true, 2.5, "3", null], "top": "CANARY-top"})";

class SopsTest : public testing::Test {
 protected:
  void SetUp() override {
    if (std::system("command -v age age-keygen > /dev/null && python3 -c "
                    "'import cryptography' 2> /dev/null") != 0) {
      GTEST_SKIP() << "age or python3-cryptography is not installed";
    }
    make_key("key.txt");
    home_.write("plain.json", kPlain);
  }

  void make_key(const std::string& name) const {
    ASSERT_EQ(shell("age-keygen -o " + name + " && age-keygen -y " + name + " > recipient"), 0);
  }

  int shell(const std::string& script) const {
    return std::system(("cd '" + home_.path() + "' && { " + script + "; } 2> log").c_str());
  }

  void encrypt(const std::string& name, const std::string& format,
               const std::string& options = "") const {
    ASSERT_EQ(shell(std::string("python3 '") + AGENTBOX_SOURCE_DIR +
                    "/tests/integration/stores/sops.py' $(cat recipient) " + format + " " +
                    options + " < plain.json > " + name),
              0)
        << home_.read("log");
  }

  std::vector<std::string> ask(const std::vector<std::string>& texts) const {
    const std::string file = "SOPS_AGE_KEY_FILE=" + home_ / "key.txt";
    return ask_with({file}, texts);
  }

  std::vector<std::string> ask_with(const std::vector<std::string>& variables,
                                    const std::vector<std::string>& texts) const {
    std::vector<const char*> environment;
    for (const std::string& variable : variables) {
      environment.push_back(variable.c_str());
    }
    environment.push_back(nullptr);
    SopsBackend backend(home_.path(), Environment(environment.data()));
    return answers_of(backend, texts);
  }

  // Replaces the first `from` of a file.
  void edit(const std::string& name, const std::string& from, const std::string& to) const {
    std::string text = home_.read(name);
    const std::size_t at = text.find(from);
    ASSERT_NE(at, std::string::npos) << from;
    home_.write(name, text.replace(at, from.size(), to));
  }

  Temporary home_;
};

constexpr const char* kVersion = " v2026-06-10T21:22:08Z";

TEST_F(SopsTest, GivesValuesOfYamlAndJson) {
  for (const std::string format : {"yaml", "json"}) {
    const std::string file = "a/secrets." + format;
    std::filesystem::create_directories(home_ / "a");
    encrypt(file, format);
    const auto answers = ask({"sops://" + file + "#db.password", "sops://" + file + "#/db/password",
                              "sops://" + file + "#db.port", "sops://" + file + "#db.hosts.0",
                              "sops://" + file + "#db.hosts.1.deep", "sops://" + file + "#db.on",
                              "sops://" + file + "#note_unencrypted", "sops://" + file + "#top",
                              "sops://" + home_ / file + "#top"});
    const std::vector<std::string> expected = {
        "CANARY pass\nword", "CANARY pass\nword", "5432", "CANARY-a", "CANARY-b", "True", "plain",
        "CANARY-top",        "CANARY-top"};
    for (std::size_t i = 0; i < expected.size(); ++i) {
      EXPECT_EQ(answers[i], expected[i] + kVersion) << format;
    }
  }
}

TEST_F(SopsTest, GivesValuesOfDotenvAndIni) {
  home_.write("plain.json", R"({"TOKEN": "CANARY=#1\nx", "PORT_unencrypted": "80"})");
  encrypt("x.env", "dotenv");
  home_.write("plain.json",
              R"({"db": {"password": "CANARY=; #1"}, "log": {"level_unencrypted": "1"}})");
  encrypt("x.ini", "ini");
  EXPECT_EQ(
      ask({"sops://x.env#TOKEN", "sops://x.ini#db.password", "sops://x.env#PORT_unencrypted"}),
      (std::vector<std::string>{std::string("CANARY=#1\nx") + kVersion,
                                std::string("CANARY=; #1") + kVersion,
                                std::string("80") + kVersion}));
}

TEST_F(SopsTest, RefusesWhatWasChanged) {
  const std::vector<std::pair<std::string, std::string>> edits = {
      {"\"note_unencrypted\": \"plain\"", "\"note_unencrypted\": \"other\""},  // in the MAC alone
      {"\"empty\": \"\"", "\"empty\": \"x\""},
      {"\"password\": \"ENC", "\"password\": \"\", \"was\": \"ENC"},
      {"\"top\": \"ENC", "\"pot\": \"ENC"},  // bound to its key
      {"\"lastmodified\": \"2026", "\"lastmodified\": \"2027"},
      {"\"mac\": \"ENC[AES256_GCM,data:", "\"mac\": \"ENC[AES256_GCM,data:AAAA"},
      {"\"none\": null", "\"none\": \"x\""},
      {"type:int", "type"},
  };
  encrypt("x.json", "json");
  const std::string good = home_.read("x.json");
  for (const auto& [from, to] : edits) {
    home_.write("x.json", good);
    EXPECT_EQ(ask({"sops://x.json#db.hosts.0"})[0], std::string("CANARY-a") + kVersion);
    edit("x.json", from, to);
    const auto answers = ask({"sops://x.json#db.hosts.0", "sops://x.json#absent"});
    EXPECT_EQ(answers[0].substr(0, 18), "invalid_response: ") << from << "\n" << answers[0];
    EXPECT_EQ(answers[1].substr(0, 18), "invalid_response: ") << from;
  }
}

TEST_F(SopsTest, RefusesValuesThatChangedPlaces) {
  home_.write("plain.json", R"({"list": ["CANARY-1", "CANARY-2"], "a": "CANARY-3"})");
  encrypt("x.env", "dotenv", "suffix=none");
  encrypt("x.json", "json");
  std::string text = home_.read("x.json");
  // Items of a list are bound to the same key: only the MAC tells their order.
  const std::size_t first = text.find("\"ENC"), second = text.find("\"ENC", first + 1);
  const std::string one = text.substr(first, text.find('"', first + 1) + 1 - first);
  const std::string two = text.substr(second, text.find('"', second + 1) + 1 - second);
  home_.write("x.json", text.replace(second, two.size(), one).replace(first, one.size(), two));
  EXPECT_NE(ask({"sops://x.json#a"})[0].find("invalid_response: x.json: the MAC is not that of"),
            std::string::npos);
}

// Two pieces of a text change places; each is from `begin` to the end of its line or its comma.
std::string swapped(std::string text, const std::string& one, const std::string& other) {
  const auto piece = [&](const std::string& begin) {
    const std::size_t at = text.find(begin) + begin.size();
    return std::pair(at, text.substr(at, text.find_first_of(",\n", text.find(']', at)) - at));
  };
  const auto [first, a] = piece(one);
  const auto [second, b] = piece(other);
  EXPECT_LT(first, second);
  return text.replace(second, b.size(), a).replace(first, a.size(), b);
}

// Every way to change a file without its key, each beside the file as it was.
TEST_F(SopsTest, RefusesEachKindOfTampering) {
  home_.write("plain.json", R"({"a": "CANARY-1", "b": "CANARY-2", "n": 5432, "list": ["CANARY-3",
      "CANARY-4"], "c_unencrypted": "plain", "d_unencrypted": "other"})");
  encrypt("x.json", "json");
  encrypt("x.yaml", "yaml");
  using Change = std::function<std::string(const std::string&)>;
  const auto replaced = [](const std::string& pattern, const std::string& with) {
    return [=](const std::string& text) {
      return std::regex_replace(text, std::regex(pattern), with,
                                std::regex_constants::format_first_only);
    };
  };
  const std::vector<std::tuple<std::string, std::string, Change>> changes = {
      {"a value for another", "x.json",
       [](const std::string& text) { return swapped(text, "\"a\": ", "\"b\": "); }},
      {"a value for another", "x.yaml",
       [](const std::string& text) { return swapped(text, "\na: ", "\nb: "); }},
      {"a plain value", "x.yaml",
       replaced("\\nc_unencrypted: \"plain\"", "\nc_unencrypted: \"x\"")},
      {"a key's name", "x.json", replaced("\"a\": ", "\"z\": ")},
      {"a key's name", "x.yaml", replaced("\\na: ", "\nz: ")},
      {"a plain key's place", "x.json",
       replaced("(\"c_unencrypted\": [^,]*), *\\s*(\"d_unencrypted\": [^,]*),", "$2, $1,")},
      {"a key's place", "x.yaml", replaced("\\n(a: .*)\\n(b: .*)\\n", "\n$2\n$1\n")},
      {"the place in a list", "x.json",
       replaced("(\"list\": \\[\\s*)(\"[^\"]*\"),(\\s*)(\"[^\"]*\")", "$1$4,$3$2")},
      {"an item of a list", "x.json", replaced("(\"list\": \\[\\s*)(\"[^\"]*\"),", "$1")},
      {"an item more", "x.json", replaced("(\"list\": \\[\\s*)(\"[^\"]*\"),", "$1$2, $2,")},
      {"no MAC", "x.json", replaced("\"mac\": \"[^\"]*\",", "")},
      {"an empty MAC", "x.json", replaced("\"mac\": \"[^\"]*\",", "\"mac\": \"\",")},
      {"a plain MAC", "x.json", replaced("\"mac\": \"[^\"]*\",", "\"mac\": \"00\",")},
      {"the time", "x.json", replaced("\"lastmodified\": \"2026", "\"lastmodified\": \"2027")},
      {"no time", "x.json", replaced("\"lastmodified\": \"[^\"]*\",", "")},
      {"the suffix", "x.json", replaced("_suffix\": \"_unencrypted", "_suffix\": \"a")},
      {"the suffix", "x.yaml", replaced("_suffix: \"_unencrypted", "_suffix: \"_plain")},
      {"what the MAC covers", "x.json",
       replaced("\"mac\": ", "\"mac_only_encrypted\": true, \"mac\": ")},
      {"a type that is none", "x.json", replaced("type:int", "type:secret")},
      {"a type that it has not", "x.json", replaced("type:str", "type:int")},
      {"no type", "x.json", replaced(",type:int", "")},
      {"a key twice", "x.yaml", replaced("\\n(a: .*)\\n", "\n$1\n$1\n")},
  };
  for (const auto& [what, file, change] : changes) {
    const std::string good = home_.read(file);
    const std::string bad = change(good);
    ASSERT_NE(good, bad) << what;
    for (const std::string key : {"a", "b", "c_unencrypted", "list.0", "n"}) {
      const std::string reference = "sops://" + file + "#" + key;
      ASSERT_TRUE(ask({reference})[0].ends_with(kVersion)) << ask({reference})[0];  // the control
      home_.write(file, bad);
      EXPECT_EQ(ask({reference})[0].substr(0, 18), "invalid_response: ")
          << what << " of " << file << "\n"
          << ask({reference})[0];
      home_.write(file, good);
    }
  }
}

// sops keeps comments out of its MAC: they may change, the values may not.
TEST_F(SopsTest, GivesTheSameWhateverItsComments) {
  encrypt("x.yaml", "yaml");
  edit("x.yaml", "# a comment", "# top: another");
  EXPECT_EQ(ask({"sops://x.yaml#top"})[0], std::string("CANARY-top") + kVersion);
}

TEST_F(SopsTest, RefusesNumbersThatAreOutOfRange) {
  for (const std::string number :
       {"9223372036854775808", "-9223372036854775809", "1e999", "1e-999"}) {
    home_.write("x.yaml", "a: " + number + "\nsops:\n  mac: x\n  lastmodified: y\n");
    EXPECT_NE(ask({"sops://x.yaml#a"})[0].find("a number in it is out of range"), std::string::npos)
        << ask({"sops://x.yaml#a"})[0];
  }
}

TEST_F(SopsTest, RefusesASectionThatStandsTwice) {
  home_.write("plain.json", R"({"db": {"password": "CANARY-1"}, "b": {"password": "CANARY-2"}})");
  encrypt("x.ini", "ini");
  EXPECT_EQ(ask({"sops://x.ini#db.password"})[0], std::string("CANARY-1") + kVersion);
  edit("x.ini", "[b]", "[db]");
  EXPECT_NE(ask({"sops://x.ini#db.password"})[0].find("a section stands in it twice"),
            std::string::npos);
}

TEST_F(SopsTest, GivesNothingThatTheMacDoesNotCover) {
  encrypt("x.json", "json", "only_encrypted=true");
  const auto answers = ask({"sops://x.json#top", "sops://x.json#note_unencrypted"});
  EXPECT_EQ(answers[0], std::string("CANARY-top") + kVersion);
  EXPECT_NE(answers[1].find("neither encrypted nor covered by the MAC"), std::string::npos);
  edit("x.json", "\"note_unencrypted\": \"plain\"", "\"note_unencrypted\": \"other\"");
  EXPECT_EQ(ask({"sops://x.json#top"})[0], std::string("CANARY-top") + kVersion);
}

TEST_F(SopsTest, TakesIdentitiesFromWhereSopsDoes) {
  encrypt("x.yaml", "yaml");
  const std::string file = home_.read("key.txt");
  const std::string key = file.substr(file.find("AGE-SECRET"));
  home_.write("config/sops/age/keys.txt", file);
  home_.write(".config/sops/age/keys.txt", file);
  for (const std::string& variable :
       {"SOPS_AGE_KEY=" + key, "XDG_CONFIG_HOME=" + home_ / "config", "HOME=" + home_.path()}) {
    EXPECT_EQ(ask_with({variable}, {"sops://x.yaml#top"})[0], std::string("CANARY-top") + kVersion);
  }
  const std::string none = ask_with({"HOME=/nowhere"}, {"sops://x.yaml#top"})[0];
  EXPECT_EQ(none.substr(0, 15), "auth_required: ");
  EXPECT_NE(none.find("/nowhere/.config/sops/age/keys.txt"), std::string::npos) << none;
  make_key("other.txt");
  const std::string wrong =
      ask_with({"SOPS_AGE_KEY_FILE=" + home_ / "other.txt"}, {"sops://x.yaml#top"})[0];
  EXPECT_EQ(wrong.substr(0, 13), "auth_failed: ");
  std::string broken = key;
  broken[20] = broken[20] == 'Q' ? 'P' : 'Q';
  EXPECT_EQ(ask_with({"SOPS_AGE_KEY=" + broken}, {"sops://x.yaml#top"})[0].substr(0, 15),
            "auth_required: ");
}

TEST_F(SopsTest, SaysWhatIsNotThere) {
  encrypt("x.json", "json");
  home_.write("plain.yaml", "a: b\n");
  home_.write("twice.yaml", "a: &x b\nc: *x\n");
  std::filesystem::create_symlink("x.json", home_ / "link.json");
  const auto answers =
      ask({"sops://x.json#db.pasword", "sops://y.json#a", "sops://x.json#db", "sops://x.json",
           "sops://../x.json#a", "sops://link.json#top", "sops://x.txt#a", "sops://plain.yaml#a",
           "sops://twice.yaml#a", "sops://x.json#db.none"});
  EXPECT_EQ(answers[0],
            "not_found: x.json: it has no key \"pasword\" / did you mean \"password\"?");
  EXPECT_NE(answers[1].find("not_found: there is no file y.json"), std::string::npos);
  EXPECT_NE(answers[2].find("a map or a list"), std::string::npos);
  for (const std::size_t i : {3u, 4u, 5u, 6u}) {
    EXPECT_EQ(answers[i].substr(0, 19), "invalid_reference: ") << answers[i];
  }
  EXPECT_NE(answers[7].find("it is not a SOPS file"), std::string::npos);
  EXPECT_NE(answers[8].find("anchors"), std::string::npos);
  EXPECT_NE(answers[9].find("null"), std::string::npos);
}

TEST_F(SopsTest, RefusesWhatIsNestedTooDeeply) {
  const std::string deep(200'000, '[');
  home_.write("x.json", "{\"a\":" + deep + "1" + std::string(deep.size(), ']') +
                            ",\"sops\":{\"mac\":\"x\",\"lastmodified\":\"y\"}}");
  EXPECT_NE(ask({"sops://x.json#a"})[0].find("nested too deeply"), std::string::npos);
}

TEST_F(SopsTest, OpensWhatAgeSealed) {
  const std::vector<Secret> identities = read_age_identities(home_.read("key.txt"));
  ASSERT_EQ(identities.size(), 1u);
  for (const std::size_t size : {0u, 1u, 32u, 65536u}) {
    const std::string plain(size, 'p');
    home_.write("in", plain);
    ASSERT_EQ(shell("age -a -r $(cat recipient) -o out in"), 0);
    const std::string sealed = home_.read("out");
    const std::optional<Secret> opened = open_age(sealed, identities);
    ASSERT_TRUE(opened) << size;
    EXPECT_EQ(opened->reveal(), plain);
    // Wherever a byte of it is changed, it does not open.
    for (std::size_t at = 40; at + 40 < sealed.size(); at += sealed.size() / 50 + 1) {
      std::string damaged = sealed;
      damaged[at] = damaged[at] == 'A' ? 'B' : 'A';
      EXPECT_FALSE(open_age(damaged, identities)) << at;
    }
    EXPECT_FALSE(open_age(sealed.substr(0, sealed.size() / 2), identities));
  }
}

}  // namespace
}  // namespace agentbox::resolver
