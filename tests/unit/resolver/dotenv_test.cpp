#include "resolver/dotenv.h"

#include <gtest/gtest.h>

#include <random>

#include "base/error.h"
#include "temporary.h"

namespace agentbox::resolver {
namespace {

const char* const kEnvironment[] = {"HOME=/home/u", "EMPTY=", "APP_ENV=prod", nullptr};

std::vector<EnvEntry> parse(std::string_view text) {
  return parse_dotenv(Secret(text), "f.env", lookup_in(kEnvironment));
}

// The value of the only entry.
std::string value(std::string_view text) {
  const std::vector<EnvEntry> entries = parse(text);
  if (entries.size() != 1) {
    return "entries: " + std::to_string(entries.size());
  }
  if (const Reference* reference = std::get_if<Reference>(&entries[0].value)) {
    return "reference " + reference->text;
  }
  return std::string(std::get<Secret>(entries[0].value).reveal());
}

std::string error(std::string_view text) {
  try {
    parse(text);
  } catch (const base::Error& failure) {
    EXPECT_EQ(failure.status(), base::Status::kConfiguration);
    return failure.what() + (" | " + failure.hint());
  }
  return "no error";
}

TEST(Dotenv, TakesPlainLines) {
  EXPECT_EQ(value("A=b"), "b");
  EXPECT_EQ(value("\xef\xbb\xbf"
                  "A=b\r\n"),
            "b");
  EXPECT_EQ(value("  export  A = b c \t\n"), "b c");
  EXPECT_EQ(value("# note\n\n   # more\nA=\n"), "");
  EXPECT_EQ(value("A= # nothing"), "");
  EXPECT_EQ(value("A=b # note"), "b");
  EXPECT_EQ(value("A=b#c"), "b#c");
  EXPECT_EQ(value("A=#c"), "#c");
  EXPECT_EQ(value("A=b=c"), "b=c");
  EXPECT_EQ(value("A=x\"y'z\\n"), "x\"y'z\\n");
  EXPECT_EQ(value("export=1"), "1");
  EXPECT_TRUE(parse("").empty());
  EXPECT_TRUE(parse("# only\n\r\n").empty());
}

TEST(Dotenv, TakesQuotes) {
  EXPECT_EQ(value("A='b # $HOME \\n \"'"), "b # $HOME \\n \"");
  EXPECT_EQ(value("A=\"b # c\" # note"), "b # c");
  EXPECT_EQ(value("A=\"\\n\\r\\t\\\\\\\"\\$HOME\\x\""), "\n\r\t\\\"$HOME\\x");
  EXPECT_EQ(value("A=`it's \"x\"`"), "it's \"x\"");
  EXPECT_EQ(value("A=\"one\ntwo\r\nthree\"\n"), "one\ntwo\nthree");
  EXPECT_EQ(value("A='one\ntwo'"), "one\ntwo");
  EXPECT_EQ(value("A=\"\""), "");
}

TEST(Dotenv, FillsInVariables) {
  EXPECT_EQ(value("A=$HOME/x"), "/home/u/x");
  EXPECT_EQ(value("A=\"${HOME}/${ APP_ENV }\""), "/home/u/prod");
  EXPECT_EQ(value("A=${NONE:-d e}"), "d e");
  EXPECT_EQ(value("A=${EMPTY:-d}"), "d");
  EXPECT_EQ(value("A=${HOME:-${NONE}}"), "/home/u");  // what is not used need not exist
}

TEST(Dotenv, FillsInEarlierKeysFirst) {
  const std::vector<EnvEntry> entries = parse("HOME=/x\nB=${HOME}/y\nC=$B$EMPTY\nD=${N:-${B}z}");
  ASSERT_EQ(entries.size(), 4u);
  EXPECT_EQ(std::get<Secret>(entries[1].value).reveal(), "/x/y");
  EXPECT_EQ(std::get<Secret>(entries[2].value).reveal(), "/x/y");
  EXPECT_EQ(std::get<Secret>(entries[3].value).reveal(), "/x/yz");
  EXPECT_EQ(value("A=5$ \\$HOME a$1"), "5$ $HOME a$1");
}

TEST(Dotenv, DoesNotLookIntoWhatItFilledIn) {
  const std::vector<EnvEntry> entries = parse("A='$HOME'\nB=$A");
  EXPECT_EQ(std::get<Secret>(entries.at(1).value).reveal(), "$HOME");
}

TEST(Dotenv, KnowsReferences) {
  EXPECT_EQ(value("A=op://Dev/My Item/field # note"), "reference op://Dev/My Item/field");
  EXPECT_EQ(value("A=\"op://$APP_ENV/db/password\""), "reference op://prod/db/password");
  EXPECT_EQ(value("A=vault://secret/db#url"), "reference vault://secret/db#url");
  const std::vector<EnvEntry> entries = parse("A=local://x\nB=${A}\n");
  EXPECT_EQ(std::get<Reference>(entries.at(1).value).text, "local://x");
}

TEST(Dotenv, LastOfTwoWins) {
  const std::vector<EnvEntry> entries = parse("A=1\nB=2\nA=3\n");
  ASSERT_EQ(entries.size(), 2u);
  EXPECT_EQ(entries[0].name, "A");
  EXPECT_EQ(entries[0].line, 3);
  EXPECT_EQ(std::get<Secret>(entries[0].value).reveal(), "3");
}

TEST(Dotenv, ErrorsNameTheLineAndNoValue) {
  const std::pair<const char*, const char*> cases[] = {
      {"A=1\nCANARY", "f.env:2: neither"},
      {"A=1\n\nB-C=CANARY", "f.env:3: neither"},
      {"1A=CANARY", "f.env:1: neither"},
      {"=CANARY", "f.env:1: neither"},
      {"export A", "f.env:1: neither"},
      {"A: CANARY", "f.env:1: neither"},
      {"A=\"x\ny\nCANARY", "f.env:1: A: the quote is not closed"},
      {"A='CANARY", "f.env:1: A: the quote"},
      {"A=\"x\n\" CANARY", "f.env:2: A: more text"},
      {"A='it\\'CANARY'", "f.env:1: A: more text"},
      {"A=pa$CANARY", "f.env:1: A: the value refers to a variable that is not set"},
      {"A=${CANARY}", "f.env:1: A: the value refers"},
      {"A=${HOME-CANARY}", "f.env:1: A: only ${NAME}"},
      {"A=${HOME:?CANARY}", "f.env:1: A: only ${NAME}"},
      {"A=${CANARY", "f.env:1: A: only ${NAME}"},
      {"A=${HOME:-CANARY\n}", "f.env:1: A: ${ is not closed"},
      {"A=$(cat CANARY)", "f.env:1: A: commands"},
      {"A=op:/CANARY/x", "f.env:1: A: it begins like a reference"},
      {"A=' op://CANARY/x/y'", "f.env:1: A: it is a reference with"},
      {"A=op://x/y", "f.env:1: A: malformed reference"},
      {"A=op://v/i/f\nB=x-$A", "f.env:2: B: a variable that is a reference"},
      {"A=op://v/i/f\nB=$A$A", "f.env:2: B: a variable that is a reference"},
  };
  for (const auto& [text, expected] : cases) {
    const std::string message = error(text);
    EXPECT_TRUE(message.starts_with(expected)) << text << "\n" << message;
    EXPECT_EQ(message.find("CANARY"), std::string::npos) << text << "\n" << message;
  }
  EXPECT_TRUE(error(std::string_view("A=x\0y", 5)).starts_with("f.env:1: a NUL byte"));
}

TEST(Dotenv, SaysWhereAValueStandsAndWhatItUses) {
  const std::string text =
      "A=1 # one\nexport B = 'x y'  # two\nC=\"${A}-${D:-$B}\"\r\nA=last  \nE=${A:-$B}#f\nF=";
  const std::vector<EnvEntry> entries =
      parse_dotenv_whole(Secret(text), "f.env", lookup_in(kEnvironment));
  std::string seen;
  for (const EnvEntry& entry : entries) {
    seen += entry.name + "[" + text.substr(entry.begin, entry.end - entry.begin) + "]";
    for (const std::string& name : entry.uses) {
      seen += name + ",";
    }
  }
  EXPECT_EQ(seen, "A[1]B['x y']C[\"${A}-${D:-$B}\"]A,B,A[last]E[${A:-$B}#f]A,F[]");
  EXPECT_EQ(std::get<Secret>(entries[4].value).reveal(), "last#f");
}

TEST(Dotenv, PutsAnEmptyValueBeforeItsComment) {
  const std::vector<EnvEntry> entries = parse("A= # note\n");
  EXPECT_EQ(entries[0].begin, 2u);
  EXPECT_EQ(entries[0].end, 2u);
}

TEST(Dotenv, QuotesNoVariablesValueInAnError) {
  const std::string said = error("PASSWORD=hunter2\nA=op://v/${PASSWORD}%/f\n");
  EXPECT_NE(said.find("op://v/${PASSWORD}%/f"), std::string::npos) << said;
  EXPECT_EQ(said.find("hunter2"), std::string::npos) << said;
}

TEST(Dotenv, ReadsAFile) {
  const Temporary directory;
  directory.write("a.env", "A=1\n");
  EXPECT_EQ(read_dotenv(directory / "a.env", lookup_in(kEnvironment)).size(), 1u);
  EXPECT_THROW(read_dotenv(directory / "none", lookup_in(kEnvironment)), base::SystemError);
  directory.write("big.env", "A=" + std::string(1 << 20, 'x'));
  EXPECT_THROW(read_dotenv(directory / "big.env", lookup_in(kEnvironment)), base::Error);
}

// Whatever the file holds, it is entries with valid names or an error that names a line of it.
TEST(Dotenv, SurvivesDamagedInput) {
  std::mt19937 random(20261124);  // always the same
  const std::string seed =
      "# c\nexport A=\"x $HOME ${N:-y} \\n\"\r\nB='q'\nC=op://v/i/f\nD=$C\nE=a # b\nF=`z`\n";
  const std::string alphabet = "AB=\"'`$\\{}:-# \t\r\n()op/" + std::string(1, '\0');
  int parsed = 0;
  for (int round = 0; round < 5000; ++round) {
    std::string text = seed;
    for (std::size_t change = 1 + random() % 4; change > 0; --change) {
      const std::size_t at = random() % text.size();
      switch (random() % 3) {
        case 0:
          text.insert(at, 1, alphabet[random() % alphabet.size()]);
          break;
        case 1:
          text.erase(at, 1 + random() % 5);
          break;
        default:
          text[at] = alphabet[random() % alphabet.size()];
      }
    }
    try {
      for (const EnvEntry& entry : parse(text)) {
        EXPECT_TRUE(is_variable_name(entry.name));
        EXPECT_GE(entry.line, 1);
        if (const Secret* literal = std::get_if<Secret>(&entry.value)) {
          EXPECT_FALSE(is_reference(literal->reveal()));
        }
      }
      ++parsed;
    } catch (const base::Error& failure) {
      EXPECT_TRUE(std::string(failure.what()).starts_with("f.env:")) << failure.what();
    }
  }
  EXPECT_GT(parsed, 500);
}

}  // namespace
}  // namespace agentbox::resolver
