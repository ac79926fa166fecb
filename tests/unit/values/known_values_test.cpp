#include "launcher/values/known_values.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <random>
#include <string>
#include <thread>
#include <tuple>

#include "base/error.h"
#include "launcher/values/forms.h"
#include "launcher/values/ordinary.h"
#include "launcher/values/wrapped.h"

namespace agentbox::values {
namespace {

constexpr std::string_view kKey = "a key of the tests, 32 bytes long";
constexpr std::string_view kToken = "sk-proj-9fK2mQ7xV1pL4cR8tZ3wB6nH";

std::vector<Match> find(const KnownValues& known, std::string_view text) {
  std::vector<Match> matches;
  known.snapshot()->find(text, matches);
  return matches;
}

bool finds(const KnownValues& known, std::string_view text) { return !find(known, text).empty(); }

TEST(KnownValues, FindsAValueAndNothingElse) {
  KnownValues known(kKey);
  EXPECT_TRUE(known.snapshot()->empty());
  ASSERT_TRUE(known.add(kToken, "OPENAI_API_KEY", 7));
  EXPECT_FALSE(known.snapshot()->empty());
  const std::string text = "key: " + std::string(kToken) + "\n";
  const std::vector<Match> matches = find(known, text);
  ASSERT_EQ(matches.size(), 1U);
  EXPECT_EQ(matches[0].offset, 5U);
  EXPECT_EQ(matches[0].length, kToken.size());
  EXPECT_EQ(matches[0].source, 7U);
  std::string other = text;
  other[20] ^= 1;
  EXPECT_FALSE(finds(known, other));
  EXPECT_FALSE(finds(known, text.substr(0, text.size() - 2)));
}

// The plainest search: every form at every place.
std::vector<Match> oracle(std::string_view text, const Forms& forms) {
  std::vector<Match> all, joined;
  for (const Forms::Form& form : forms.all()) {
    const std::string_view pattern = forms.text(form);
    for (std::size_t at = text.find(pattern); at != std::string_view::npos;
         at = text.find(pattern, at + 1)) {
      const std::size_t end = at + pattern.size();
      const std::size_t before = form.shares_before && at > 0 && is_encoded(text[at - 1]);
      const std::size_t after = form.shares_after && end < text.size() && is_encoded(text[end]);
      all.push_back({at - before, before + pattern.size() + after, form.name});
    }
  }
  std::sort(all.begin(), all.end(), [](const Match& a, const Match& b) {
    return std::tuple(a.offset, b.length, a.source) < std::tuple(b.offset, a.length, b.source);
  });
  for (const Match& match : all) {
    if (!joined.empty() && match.offset < joined.back().offset + joined.back().length) {
      joined.back().length =
          std::max(joined.back().length, match.offset + match.length - joined.back().offset);
    } else {
      joined.push_back(match);
    }
  }
  return joined;
}

std::string print(const std::vector<Match>& matches) {
  std::string text;
  for (const Match& match : matches) {
    text += std::to_string(match.offset) + "+" + std::to_string(match.length) + "=" +
            std::to_string(match.source) + " ";
  }
  return text;
}

class Random {
 public:
  explicit Random(unsigned seed) : engine_(seed) {}
  std::size_t below(std::size_t n) {
    return std::uniform_int_distribution<std::size_t>(0, n - 1)(engine_);
  }
  std::string text(std::size_t length, std::string_view letters) {
    std::string text;
    for (std::size_t i = 0; i < length; ++i) {
      text.push_back(letters.empty() ? static_cast<char>(below(256))
                                     : letters[below(letters.size())]);
    }
    return text;
  }

 private:
  std::mt19937 engine_;
};

TEST(KnownValues, AgreesWithThePlainestSearchOnRandomValuesAndTexts) {
  Random random(20240611);
  std::size_t found = 0;
  for (int round = 0; round < 300; ++round) {
    // Few letters make overlaps likely; all bytes make the encodings differ.
    const std::string_view letters = round % 3 == 0   ? ""
                                     : round % 3 == 1 ? "ab1Z"
                                                      : "0123456789abcdefXYZ/+\"\\ -_";
    KnownValues known(kKey);
    Forms forms;
    for (std::size_t i = 0, count = 1 + random.below(5); i < count; ++i) {
      const std::string value = random.text(8 + random.below(40), letters);
      if (known.add(value, "PASSWORD", static_cast<std::uint32_t>(i))) {
        forms.add_encodings(trim_newlines(value), static_cast<std::uint32_t>(i));
        for (const std::string_view line : secret_lines(value)) {
          if (!is_ordinary(line, "")) {
            forms.add_literal(line, static_cast<std::uint32_t>(i));
          }
        }
      }
    }
    std::string text;
    for (std::size_t i = 0, count = random.below(30); i < count; ++i) {
      text += random.text(random.below(20), letters);
      if (!forms.all().empty()) {
        const std::string_view form = forms.text(forms.all()[random.below(forms.all().size())]);
        text += form.substr(0, random.below(2) ? form.size() : random.below(form.size()));
      }
    }
    const std::vector<Match> expected = oracle(text, forms);
    found += expected.size();
    ASSERT_EQ(print(find(known, text)), print(expected)) << "round " << round;
  }
  EXPECT_GT(found, 1000U);
}

TEST(KnownValues, FindsALongValueByItsPiecesInEachEncoding) {
  Random random(7);
  for (const std::size_t length : {586U, 594U, 1140U, 1163U, 3000U, 20000U}) {
    const std::string value =
        random.text(length, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/\"+ ");
    KnownValues known(kKey);
    ASSERT_TRUE(known.add(value, "SIGNING_SECRET", 1));
    EXPECT_LE(known.snapshot()->reach(), ValueSet::kReach);
    Forms forms;
    forms.add_encodings(value, 0);
    for (const Forms::Form& form : forms.all()) {
      const std::string text = "before " + std::string(forms.text(form)) + " after";
      std::size_t covered = 0;
      for (const Match& match : find(known, text)) {
        EXPECT_GE(match.offset, 7U);
        EXPECT_LE(match.offset + match.length, 7 + form.length);
        covered += match.length;
      }
      // Between lines that are found one by one stand line ends.
      EXPECT_GE(covered * 32, form.length * 30) << length << ": " << forms.text(form).substr(0, 60);
    }
  }
}

TEST(KnownValues, FindsTheLinesOfAKey) {
  Random random(8);
  std::string key = "-----BEGIN PRIVATE KEY-----\n";
  std::vector<std::string> lines;
  for (int i = 0; i < 25; ++i) {
    lines.push_back(
        random.text(64, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/+"));
    key += lines.back() + "\n";
  }
  key += "-----END PRIVATE KEY-----\n";
  KnownValues known(kKey);
  ASSERT_TRUE(known.add(key, "private_key", 3));
  for (const std::string& line : lines) {
    EXPECT_TRUE(finds(known, "    \"" + line + "\",\r\n")) << line;
  }
  EXPECT_FALSE(finds(known, "-----BEGIN PRIVATE KEY-----"));
  std::string escaped;
  for (const char c : key) {
    escaped += c == '\n' ? "\\n" : std::string(1, c);
  }
  EXPECT_TRUE(finds(known, escaped));
}

TEST(KnownValues, AreFoundThroughWindowsThatOverlap) {
  Random random(9);
  KnownValues known(kKey);
  std::vector<std::string> values;
  for (std::uint32_t i = 0; i < 20; ++i) {
    values.push_back(random.text(8 + random.below(700), "abcdefgh0123456789ABCDEF"));
    ASSERT_TRUE(known.add(values.back(), "TOKEN", i));
  }
  const std::shared_ptr<const ValueSet> set = known.snapshot();
  for (int round = 0; round < 50; ++round) {
    std::string text;
    while (text.size() < 40000) {
      text += random.text(random.below(3000), "abcdefgh0123456789ABCDEF") +
              values[random.below(values.size())];
    }
    std::vector<Match> whole;
    set->find(text, whole);
    std::vector<bool> expected(text.size()), covered(text.size());
    const auto mark = [](std::vector<bool>& bytes, std::size_t at,
                         const std::vector<Match>& matches) {
      for (const Match& match : matches) {
        std::fill_n(bytes.begin() + static_cast<std::ptrdiff_t>(at + match.offset), match.length,
                    true);
      }
    };
    mark(expected, 0, whole);
    const std::size_t window = ValueSet::kReach + 1 + random.below(9000);
    for (std::size_t at = 0; at < text.size(); at += window - ValueSet::kReach) {
      std::vector<Match> matches;
      set->find(std::string_view(text).substr(at, window), matches);
      mark(covered, at, matches);
    }
    ASSERT_EQ(covered, expected) << "round " << round;
  }
}

TEST(KnownValues, RefuseWhatIsOrdinary) {
  KnownValues known(kKey);
  EXPECT_FALSE(known.add("production1", "DB_NAME", 0));
  EXPECT_FALSE(finds(known, "production1"));
  EXPECT_TRUE(known.add("production1", "DB_PASSWORD", 0));
  EXPECT_TRUE(finds(known, "production1"));
  EXPECT_FALSE(known.add("Zx7", "DB_PASSWORD", 0));
  EXPECT_FALSE(known.add("op://vault/item/field", "DB_PASSWORD", 0));
}

TEST(KnownValues, GrowAndKeepEarlierSnapshots) {
  Random random(10);
  KnownValues known(kKey);
  const std::uint64_t first = known.generation();
  const std::shared_ptr<const ValueSet> none = known.snapshot();
  EXPECT_EQ(known.snapshot(), none);
  ASSERT_TRUE(known.add(kToken, "TOKEN", 1));
  EXPECT_GT(known.generation(), first);
  const std::uint64_t second = known.generation();
  const std::shared_ptr<const ValueSet> one = known.snapshot();
  ASSERT_TRUE(known.add(kToken, "TOKEN", 2));  // known already
  EXPECT_EQ(known.generation(), second);
  EXPECT_EQ(known.snapshot(), one);
  std::vector<std::string> values;
  for (std::uint32_t i = 0; i < 3000; ++i) {  // so many that the large index is made anew
    values.push_back(
        random.text(24, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"));
    ASSERT_TRUE(known.add(values.back(), "TOKEN", 10 + i));
    if (i % 100 == 0) {
      EXPECT_TRUE(finds(known, values[i / 2]));
    }
  }
  for (std::uint32_t i = 0; i < 3000; ++i) {
    const std::vector<Match> matches = find(known, values[i]);
    ASSERT_EQ(matches.size(), 1U);
    EXPECT_EQ(matches[0].source, 10 + i);
  }
  std::vector<Match> matches;
  none->find(kToken, matches);
  EXPECT_TRUE(matches.empty());
  one->find(kToken, matches);
  ASSERT_EQ(matches.size(), 1U);
  EXPECT_EQ(matches[0].source, 1U);
  matches.clear();
  one->find(values[0], matches);
  EXPECT_TRUE(matches.empty());
}

TEST(KnownValues, DigestIsOfTheValuesAndTheKeyAlone) {
  const std::string other = "ghp_Xq81mZk27LpWv93TnBs64RyCd05HfJg1";
  const auto digest = [](std::string_view key, const std::vector<std::string_view>& values) {
    KnownValues known(key);
    std::uint32_t source = 0;
    for (const std::string_view value : values) {
      known.add(value, "TOKEN", source++);
    }
    return known.snapshot()->digest();
  };
  EXPECT_EQ(digest(kKey, {kToken, other}), digest(kKey, {other, kToken, other}));
  EXPECT_NE(digest(kKey, {kToken, other}), digest(kKey, {kToken}));
  EXPECT_NE(digest(kKey, {}), digest(kKey, {kToken}));
  EXPECT_NE(digest(kKey, {kToken}), digest("another key of the tests, 32 long", {kToken}));
}

TEST(KnownValues, MayBeAskedWhileTheyGrow) {
  constexpr std::uint32_t kEach = 200;
  KnownValues known(kKey);
  std::atomic<bool> growing = true;
  std::atomic<std::uint32_t> lost = 0;
  const auto value = [](std::uint32_t source) {
    Random random(source);
    return random.text(24, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789");
  };
  std::vector<std::thread> threads;
  for (std::uint32_t thread = 0; thread < 2; ++thread) {
    threads.emplace_back([&, thread] {
      for (std::uint32_t i = 0; i < kEach; ++i) {
        const std::string text = value(thread * kEach + i);
        lost += !known.add(text, "TOKEN", thread * kEach + i);
        lost += !finds(known, text);
      }
    });
  }
  threads.emplace_back([&] {
    std::uint64_t last = 0;
    while (growing) {
      const std::uint64_t generation = known.generation();
      lost += generation < last;
      last = generation;
      lost += known.snapshot()->digest() == 0 && generation > 1;
    }
  });
  threads[0].join();
  threads[1].join();
  growing = false;
  threads[2].join();
  EXPECT_EQ(lost, 0U);
  for (std::uint32_t i = 0; i < 2 * kEach; ++i) {
    EXPECT_TRUE(finds(known, value(i)));
  }
}

TEST(KnownValues, RefuseAShortKey) { EXPECT_THROW(KnownValues("short"), base::Error); }

}  // namespace
}  // namespace agentbox::values
