#include "launcher/values/wrapped.h"

#include <gtest/gtest.h>
#include <sodium.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "launcher/values/known_values.h"

namespace agentbox::values {
namespace {

constexpr std::string_view kKey = "a key of the tests, 32 bytes long";
constexpr std::string_view kLetters =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!%&/()=";

std::string random_text(std::mt19937& random, std::size_t length) {
  std::string text;
  while (text.size() < length) {
    text.push_back(kLetters[random() % kLetters.size()]);
  }
  return text;
}

std::string base64(std::string_view bytes) {
  std::string text(sodium_base64_encoded_len(bytes.size(), sodium_base64_VARIANT_ORIGINAL), '\0');
  ::sodium_bin2base64(text.data(), text.size(),
                      reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(),
                      sodium_base64_VARIANT_ORIGINAL);
  text.pop_back();
  return text;
}

std::string hexadecimal(std::string_view bytes) {
  std::string text(2 * bytes.size() + 1, '\0');
  ::sodium_bin2hex(text.data(), text.size(), reinterpret_cast<const unsigned char*>(bytes.data()),
                   bytes.size());
  text.pop_back();
  return text;
}

// Text with a break after each `width` characters, and where in it each character stands.
struct Wrapped {
  std::string text;
  std::vector<std::size_t> places;
};

Wrapped wrap(std::string_view encoded, std::size_t width, std::string_view line_break) {
  Wrapped wrapped;
  for (std::size_t i = 0; i < encoded.size(); ++i) {
    if (i > 0 && i % width == 0) {
      wrapped.text += line_break;
    }
    wrapped.places.push_back(wrapped.text.size());
    wrapped.text.push_back(encoded[i]);
  }
  wrapped.text += "\n";
  return wrapped;
}

std::vector<bool> found(const ValueSet& set, std::string_view text) {
  std::vector<Match> matches;
  set.find(text, matches);
  std::vector<bool> covered(text.size());
  for (const Match& match : matches) {
    std::fill_n(covered.begin() + static_cast<std::ptrdiff_t>(match.offset), match.length, true);
  }
  return covered;
}

// Every character that holds a bit of the value is found, whatever the wrap; and, but for one
// character of its neighbours at either end, no other.
TEST(Wrapped, EncodingsAreFoundToTheLastBit) {
  std::mt19937 random(76);
  for (int round = 0; round < 400; ++round) {
    KnownValues known(kKey);
    std::string value;
    do {  // a few are ordinary
      value = random_text(random, 8 + random() % 60);
    } while (!known.add(value, "PASSWORD", 1));
    const std::size_t before = random() % 120;
    const std::string file =
        random_text(random, before) + value + random_text(random, random() % 90);
    const std::size_t widths[] = {76, 64, 60, 20, 20 + random() % 80};
    for (const std::size_t width : widths) {
      for (const std::string_view line_break :
           {"\n", "\r\n", "\n    ", "\\n", "\",\n  \"", "\n# "}) {
        for (const bool hex : {false, true}) {
          const Wrapped wrapped = wrap(hex ? hexadecimal(file) : base64(file), width, line_break);
          const std::vector<bool> covered = found(*known.snapshot(), wrapped.text);
          const std::size_t bits = hex ? 4 : 6;
          const std::size_t first = 8 * before / bits;
          const std::size_t last = (8 * (before + value.size()) - 1) / bits;
          for (std::size_t i = 0;
               i < wrapped.places.size() && wrapped.text[wrapped.places[i]] != '='; ++i) {
            ASSERT_EQ(covered[wrapped.places[i]], i >= first && i <= last)
                << "character " << i << " of [" << first << ", " << last << "] in " << wrapped.text;
          }
        }
      }
    }
  }
}

TEST(Wrapped, AreFoundInALongFileAndThroughWindows) {
  std::mt19937 random(64);
  KnownValues known(kKey);
  const std::string value = random_text(random, 200);
  ASSERT_TRUE(known.add(value, "PASSWORD", 1));
  const std::shared_ptr<const ValueSet> set = known.snapshot();
  EXPECT_LE(set->reach(), ValueSet::kReach);
  std::string file;
  while (file.size() < 300000) {
    file += random_text(random, random() % 4000) + value;
  }
  for (const std::size_t width : {76U, 20U}) {
    const Wrapped wrapped = wrap(base64(file), width, "\r\n");
    const std::vector<bool> whole = found(*set, wrapped.text);
    std::size_t places = 0, characters = 0;
    for (std::size_t at = file.find(value); at != std::string::npos;
         at = file.find(value, at + 1)) {
      for (std::size_t i = 8 * at / 6; i <= (8 * (at + value.size()) - 1) / 6; ++i) {
        characters += whole[wrapped.places[i]];
        ++places;
      }
    }
    EXPECT_EQ(characters, places);
    std::vector<bool> windows(wrapped.text.size());
    const std::size_t window = ValueSet::kReach + 5000;
    for (std::size_t at = 0; at < wrapped.text.size(); at += window - ValueSet::kReach) {
      const std::vector<bool> part = found(*set, std::string_view(wrapped.text).substr(at, window));
      for (std::size_t i = 0; i < part.size(); ++i) {
        windows[at + i] = windows[at + i] || part[i];
      }
    }
    EXPECT_TRUE(windows == whole);
  }
}

TEST(Wrapped, JoinsOnlyLinesOfEncodedText) {
  const auto runs = [](std::string_view text) {
    std::vector<std::string> joined;
    WrappedRuns wrapped(text);
    while (wrapped.next(16)) {
      joined.emplace_back(wrapped.joined());
    }
    return joined;
  };
  using Runs = std::vector<std::string>;
  EXPECT_EQ(runs(""), Runs());
  EXPECT_EQ(runs("Some words, and\nmore of them\n"), Runs());
  EXPECT_EQ(runs("log: AAAABBBBCCCCDDDD\nEEEE rest\n"), Runs{"AAAABBBBCCCCDDDDEEEE"});
  EXPECT_EQ(runs("AAAABBBBCCCCDDDD\n\nEEEE\n"), Runs());
  EXPECT_EQ(runs("AAAABBBBCCCCDDD\nEEEE\n"), Runs());
  EXPECT_EQ(runs("AAAABBBBCCCCDDDD=\nEEEE\n"), Runs());
  EXPECT_EQ(runs("AAAABBBBCCCCDDDD\\\nEEEE\n"), Runs{"AAAABBBBCCCCDDDDEEEE"});
  EXPECT_EQ(runs("AAAABBBBCCCCDDDD\\r\\nEEEE\\n"), Runs{"AAAABBBBCCCCDDDDEEEE"});
}

}  // namespace
}  // namespace agentbox::values
