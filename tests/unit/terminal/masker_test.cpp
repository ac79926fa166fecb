#include "launcher/terminal/masker.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <map>
#include <random>
#include <string>
#include <vector>

#include "launcher/terminal/automaton.h"
#include "launcher/values/forms.h"

namespace agentbox::terminal {
namespace {

using Values = std::vector<std::pair<std::string, std::string>>;

MaskSet masks(const Values& values) {
  MaskSet set;
  for (const auto& [name, value] : values) {
    EXPECT_TRUE(set.add(name, resolver::Secret(value))) << name;
  }
  set.compile();
  return set;
}

std::string mask(const MaskSet& set, const std::vector<std::string>& pieces,
                 bool interactive = false) {
  Masker masker(set, interactive);
  std::string out;
  for (const std::string& piece : pieces) {
    masker.feed(piece, out);
  }
  masker.finish(out);
  return out;
}

std::string mark(const std::string& name) { return "<concealed by agentbox:" + name + ">"; }

TEST(Masker, PassesEverythingWithoutValues) {
  MaskSet set;
  set.compile();
  EXPECT_TRUE(set.empty());
  EXPECT_EQ(mask(set, {"any", std::string("\0text\n", 6)}), std::string("any\0text\n", 9));
}

TEST(Masker, RefusesValuesThatAreTooShort) {
  MaskSet set;
  EXPECT_FALSE(set.add("A", resolver::Secret(std::string_view("abc"))));
  EXPECT_FALSE(set.add("B", resolver::Secret(std::string_view("abc\n\r\n"))));
  EXPECT_TRUE(set.add("C", resolver::Secret(std::string_view("abcd"))));
  EXPECT_FALSE(set.empty());
}

// One expected output for each program that prints the value in its own way; the texts come from
// those programs.
struct Form {
  const char* value;
  const char* printed;
};
class MaskerForms : public testing::TestWithParam<Form> {};

TEST_P(MaskerForms, IsConcealedWithAnySplit) {
  const std::string printed = GetParam().printed;
  const MaskSet set = masks({{"KEY", GetParam().value}});
  const std::string text = "before " + printed + " after";
  const std::string expected = mask(set, {text});
  EXPECT_NE(expected.find(mark("KEY")), std::string::npos) << expected;
  EXPECT_EQ(expected.find(printed), std::string::npos);
  EXPECT_EQ(expected.substr(0, 7), "before ");
  EXPECT_EQ(expected.substr(expected.size() - 6), " after");
  for (std::size_t split = 1; split < text.size(); ++split) {
    EXPECT_EQ(mask(set, {text.substr(0, split), text.substr(split)}), expected) << split;
  }
}

INSTANTIATE_TEST_SUITE_P(
    Programs, MaskerForms,
    testing::Values(Form{"sk-ant-0123/+x", "sk-ant-0123/+x"},
                    Form{"sk-ant-0123/+x", "c2stYW50LTAxMjMvK3"},  // base64, start of the value
                    Form{"sk-ant-0123/+x",
                         "NrLWFudC0wMTIzLyt4"},  // after one byte: "As2st" without its edge
                    Form{"sk-ant-0123/+x", "zay1hbnQtMDEyMy8re"},             // after two bytes
                    Form{"a?>~b?>~c", "YT8-fmI_Pn5j"},                        // URL alphabet
                    Form{"sk-ant-0123", "736b2d616e742d30313233"},            // xxd -p
                    Form{"sk-ant-0jk3", "736B2D616E742D306A6B33"},            // Go %X
                    Form{"p@ss/w ord", "p%40ss%2Fw%20ord"},                   // encodeURIComponent
                    Form{"p@ss/w ord", "p%40ss%2fw%20ord"},                   // .NET
                    Form{"p@ss/w ord", "p%40ss/w%20ord"},                     // Python quote
                    Form{"p@ss/w ord", "p%40ss%2Fw+ord"},                     // HTML form
                    Form{"p@ss/w o|d", "p@ss/w%20o%7Cd"},                     // encodeURI
                    Form{"quo\"te\\x/", "quo\\\"te\\\\x/"},                   // JSON.stringify
                    Form{"quo\"te\\x/", "quo\\\"te\\\\x\\/"},                 // PHP json_encode
                    Form{"a<b>&c\x01z", "a\\u003cb\\u003e\\u0026c\\u0001z"},  // Go
                    Form{"schl\xc3\xbcssel", "schl\\u00fcssel"},              // Python ensure_ascii
                    Form{"schl\xc3\xbcssel", "schl\\u00FCssel"},              // Jackson, .NET
                    Form{"k\xf0\x9f\x94\x91y!", "k\\ud83d\\udd11y!"},         // a surrogate pair
                    Form{"ab\"c\nd", "ab\\\\\\\"c\\\\nd"},                    // JSON in JSON
                    Form{"it's me", "it'\\''s me"},                           // bash set -x
                    Form{"it's me", "it'\"'\"'s me"},                         // shlex.quote
                    Form{"a$b`c\"d\\e", "a\\$b\\`c\\\"d\\\\e"},               // declare -p
                    Form{"it's $me", "it\\'s\\ \\$me"},                       // printf %q
                    Form{"line\nit's\x01", "line\\nit\\'s\\001"},             // $'…'
                    Form{"first\nsecond", "first\r\nsecond"}));               // through a terminal

TEST(Masker, ConcealsLinesOfAKeyOneByOne) {
  const MaskSet set = masks({{"PEM", "-----BEGIN KEY-----\nMIIabcdefgh\nxyz\n  ijklmnop==\n"}});
  EXPECT_EQ(mask(set, {"  1 MIIabcdefgh|\n  2 ijklmnop==\n  3 xyz -----BEGIN KEY-----"}),
            "  1 " + mark("PEM") + "|\n  2 " + mark("PEM") + "\n  3 xyz -----BEGIN KEY-----");
}

TEST(Masker, ConcealsWrappedBase64) {
  std::string value;
  for (int i = 0; i < 90; ++i) {
    value.push_back(static_cast<char>('!' + i));
  }
  const MaskSet set = masks({{"LONG", value}});
  // printf %s "$value" | base64
  const std::string printed =
      "ISIjJCUmJygpKissLS4vMDEyMzQ1Njc4OTo7PD0+P0BBQkNERUZHSElKS0xNTk9QUVJTVFVWV1hZ\n"
      "WltcXV5fYGFiY2RlZmdoaWprbG1ub3BxcnN0dXZ3eHl6\n";
  EXPECT_EQ(mask(set, {printed}), mark("LONG") + "\n");
}

TEST(Masker, LeavesNoSuffixOfOverlappingValues) {
  const MaskSet nested = masks({{"SHORT", "abcdef"}, {"LONG", "abcdefghij"}});
  EXPECT_EQ(mask(nested, {"abcdefghij"}), mark("LONG"));
  EXPECT_EQ(mask(nested, {"abcdefgh"}), mark("SHORT") + "gh");
  const MaskSet crossing = masks({{"A", "11112222"}, {"B", "22223333x"}});
  EXPECT_EQ(mask(crossing, {"-11112222333", "3x-"}), "-" + mark("B") + "-");
  const MaskSet inner = masks({{"IN", "cdef"}, {"OUT", "abcdefgh"}});
  EXPECT_EQ(mask(inner, {"abcdefg", "!"}), "ab" + mark("IN") + "g!");
  EXPECT_EQ(mask(inner, {"abcdefg", "h"}), mark("OUT"));
}

TEST(Masker, RepeatedAndAdjacentValues) {
  const MaskSet set = masks({{"A", "abab"}});
  EXPECT_EQ(mask(set, {"ababab"}), mark("A"));  // two that overlap
  EXPECT_EQ(mask(set, {"xabababaybab"}), "x" + mark("A") + "aybab");
  const MaskSet other = masks({{"B", "wxyz"}});
  EXPECT_EQ(mask(other, {"wxyzwxyz"}), mark("B") + mark("B"));
}

TEST(Masker, HoldsExactlyWhatMayBeginAValue) {
  const MaskSet set = masks({{"A", "secret-value"}});
  Masker masker(set, false);
  std::string out;
  masker.feed("a line\nprompt> sec", out);
  EXPECT_EQ(out, "a line\nprompt> ");
  EXPECT_TRUE(masker.holding());
  masker.release_echo(out);  // not interactive: nothing is let out
  EXPECT_EQ(out, "a line\nprompt> ");
  masker.feed("ond\n", out);
  EXPECT_EQ(out, "a line\nprompt> second\n");
  EXPECT_FALSE(masker.holding());
  masker.feed("secret-valu", out);
  masker.finish(out);
  EXPECT_EQ(out, "a line\nprompt> second\nsecret-valu");
}

TEST(Masker, ShowsEchoAtOnceAndStillConcealsTheValue) {
  const MaskSet set = masks({{"A", "secret-value"}});
  Masker masker(set, true);
  std::string out;
  for (char c : std::string("secret-")) {
    masker.typed({&c, 1});
    masker.feed({&c, 1}, out);
  }
  EXPECT_EQ(out, "secret-");
  masker.feed("val", out);  // not typed
  EXPECT_EQ(out, "secret-");
  masker.feed("ue!", out);
  EXPECT_EQ(out, "secret-" + mark("A") + "!");
}

TEST(Masker, LettersTypedApartAreNoEcho) {
  const MaskSet set = masks({{"A", "secret-value"}});
  Masker masker(set, true);
  std::string out;
  masker.typed("t e r c e s");
  for (char c : std::string("secre")) {
    masker.feed({&c, 1}, out);
  }
  EXPECT_EQ(out, "s");  // that alone was typed so
}

TEST(Masker, ReleasesOnlyAShortPrefixInQuiet) {
  const MaskSet set = masks({{"A", "secret-value"}});
  Masker masker(set, true);
  std::string out;
  masker.feed("sec", out);
  EXPECT_EQ(out, "");
  masker.release_echo(out);
  EXPECT_EQ(out, "sec");
  masker.feed("r", out);
  masker.release_echo(out);
  EXPECT_EQ(out, "sec");
  masker.feed("et-value.", out);
  EXPECT_EQ(out, "sec" + mark("A") + ".");
}

TEST(Masker, ShowsTheMarkOfAWholeValueInQuiet) {
  const MaskSet set = masks({{"A", "secret"}, {"B", "secret-longer"}});
  Masker masker(set, true);
  std::string out;
  masker.feed("secret", out);
  EXPECT_EQ(out, "");
  masker.release_echo(out);
  EXPECT_EQ(out, mark("A"));
  masker.feed("-longer.", out);
  EXPECT_EQ(out, mark("A") + ".");  // and nothing of B
}

// The plainest possible masker: every text at every place, then the union.
std::string oracle(const std::string& text, const values::Forms& forms, const std::string& shown) {
  std::vector<bool> concealed(text.size()), joined(text.size());
  for (const values::Forms::Form& form : forms.all()) {
    const std::string_view pattern = forms.text(form);
    for (std::size_t at = text.find(pattern); at != std::string::npos;
         at = text.find(pattern, at + 1)) {
      for (std::size_t i = at; i < at + pattern.size(); ++i) {
        concealed[i] = true;
        joined[i] = joined[i] || i > at;  // belongs together with the byte before
      }
    }
  }
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (!concealed[i]) {
      out.push_back(text[i]);
    } else if (i == 0 || !joined[i]) {
      out += shown;
    }
  }
  return out;
}

TEST(Masker, AgreesWithThePlainestMaskerOnRandomTextsAndSplits) {
  std::mt19937 random(20240611);
  const auto below = [&](std::size_t n) {
    return std::uniform_int_distribution<std::size_t>(0, n - 1)(random);
  };
  for (int round = 0; round < 400; ++round) {
    // Few letters make overlaps likely; all bytes make the encodings differ.
    const std::string letters = round % 2 ? "ab" : "";
    const auto value = [&](std::size_t length) {
      std::string text;
      for (std::size_t i = 0; i < length; ++i) {
        text.push_back(letters.empty() ? static_cast<char>(below(256))
                                       : letters[below(letters.size())]);
      }
      return text;
    };
    MaskSet set;
    values::Forms forms;
    for (std::size_t i = 0, count = 1 + below(4); i < count; ++i) {
      const std::string secret = value(4 + below(30));
      if (set.add("N", resolver::Secret(secret))) {
        forms.add(secret, 0);
      }
    }
    set.compile();
    std::string text;
    for (std::size_t i = 0, count = below(20); i < count; ++i) {
      text += value(below(30));
      if (!forms.all().empty()) {
        const auto& form = forms.all()[below(forms.all().size())];
        // Whole texts, and texts cut short.
        text += forms.text(form).substr(0, below(2) ? form.length : below(form.length));
      }
    }
    std::vector<std::string> pieces;
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t length = 1 + below(12);
      pieces.push_back(text.substr(at, length));
      at += length;
    }
    const std::string expected = oracle(text, forms, mark("N"));
    ASSERT_EQ(mask(set, {text}), expected) << "round " << round;
    ASSERT_EQ(mask(set, pieces), expected) << "round " << round;
    Masker quick(set, true);  // without quiet and without typing: the same
    std::string out;
    for (const std::string& piece : pieces) {
      quick.feed(piece, out);
    }
    quick.finish(out);
    ASSERT_EQ(out, expected) << "round " << round;
  }
}

TEST(Masker, GoesOverToAFurtherSetWithoutLosingWhatItHolds) {
  std::mt19937 random(5);
  const auto below = [&](std::size_t n) {
    return std::uniform_int_distribution<std::size_t>(0, n - 1)(random);
  };
  for (int round = 0; round < 400; ++round) {
    const auto value = [&](std::size_t length) {
      std::string text;
      while (text.size() < length) {
        text.push_back(static_cast<char>(below(256)));
      }
      return text;
    };
    const std::vector<std::string> secrets = {value(4 + below(30)), value(4 + below(30)),
                                              value(4 + below(30))};
    values::Forms forms[2];
    MaskSet sets[2];
    for (std::size_t i = 0; i < secrets.size(); ++i) {
      for (std::size_t set = i < 2 ? 0 : 1; set < 2; ++set) {
        ASSERT_TRUE(sets[set].add("N", resolver::Secret(secrets[i])));
        forms[set].add(secrets[i], 0);
      }
    }
    sets[0].compile();
    sets[1].compile();
    // Whole texts and texts cut short, before and after; the third value afterwards alone.
    std::string text;
    std::size_t change = 0;
    for (int i = 0; i < 20; ++i) {
      const values::Forms& known = forms[i < 10 ? 0 : 1];
      const auto& form = known.all()[below(known.all().size())];
      text += known.text(form).substr(0, below(2) ? form.length : below(form.length));
      text += value(below(3));
      change = i < 10 ? text.size() - below(2) : change;
    }
    Masker masker(sets[0], round % 2 == 1);
    std::string out;
    bool changed = false;
    for (std::size_t at = 0; at < text.size();) {
      if (!changed && at >= change) {
        sets[0].replace(std::move(sets[1]));
        changed = true;
      }
      const std::size_t limit = changed ? text.size() : std::max(change, at + 1);
      const std::size_t length = std::min(1 + below(12), limit - at);
      masker.feed(text.substr(at, length), out);
      at += length;
    }
    masker.finish(out);
    ASSERT_EQ(out, oracle(text, forms[1], mark("N"))) << "round " << round;
  }
}

TEST(Masker, AFurtherSetMustContinueTheOneBefore) {
  MaskSet set = masks({{"A", "abcdef"}});
  EXPECT_ANY_THROW(set.replace(masks({{"B", "ghijkl"}, {"A", "abcdef"}})));
  EXPECT_ANY_THROW(set.replace(MaskSet()));
  Masker masker(set, false);
  set.replace(masks({{"A", "abcdef"}, {"B", "ghijkl"}}));
  std::string out;
  masker.feed("abcdef ghijkl", out);
  masker.finish(out);
  EXPECT_EQ(out, mark("A") + " " + mark("B"));
}

TEST(Masker, AnEmptySetCanBeReplaced) {
  MaskSet set;
  set.compile();
  Masker masker(set, true);
  std::string out;
  masker.feed("abcdef", out);
  set.replace(masks({{"A", "abcdef"}}));
  masker.feed("abcdef", out);
  masker.finish(out);
  EXPECT_EQ(out, "abcdef" + mark("A"));
}

TEST(Masker, FiftyLongValuesFitIntoTheUsualLimitOfLockedMemory) {
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_MEMLOCK, &before), 0);
  // For root the limit does not bind; run as an unprivileged user, too.
  const rlimit usual{std::min<rlim_t>(before.rlim_max, 8 << 20), before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_MEMLOCK, &usual), 0);
  std::mt19937 random(7);
  std::uniform_int_distribution<int> printable('!', '~');
  MaskSet set;
  std::vector<std::string> values;
  for (int i = 0; i < 50; ++i) {
    std::string value;
    for (int k = 0; k < 200; ++k) {
      value.push_back(static_cast<char>(printable(random)));
    }
    values.push_back(value);
    ASSERT_TRUE(set.add("V", resolver::Secret(value)));
  }
  set.compile();
  std::string text;
  for (const std::string& value : values) {
    text += value + "\n";
  }
  EXPECT_EQ(mask(set, {text}).find(values[49].substr(0, 20)), std::string::npos);
  setrlimit(RLIMIT_MEMLOCK, &before);
}

TEST(Masker, RefusesAnUnfinishedSet) {
  MaskSet set;
  ASSERT_TRUE(set.add("A", resolver::Secret(std::string_view("abcdef"))));
  EXPECT_ANY_THROW(Masker(set, false));
}

TEST(Masker, NamesCannotDriveTheTerminal) {
  const MaskSet set = masks({{"A\033[2J", "abcdef"}});
  EXPECT_EQ(mask(set, {"abcdef"}).find('\033'), std::string::npos);
}

}  // namespace
}  // namespace agentbox::terminal
