#include "launcher/values/write_guard.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <string_view>

namespace agentbox::values {
namespace {

constexpr std::string_view kKey = "a key of the tests, 32 bytes long";
constexpr std::string_view kToken = "sk-proj-9fK2mQ7xV1pL4cR8tZ3wB6nH";
const std::string kStars(kToken.size(), '*');

class WriteGuards : public testing::Test {
 protected:
  WriteGuards() : released_(kKey) {}
  void release(std::string_view value) { ASSERT_TRUE(released_.add(value, "OPENAI_API_KEY", 5)); }

  KnownValues released_;
};

std::string text(const WriteGuard::Result& result) {
  return {result.bytes.begin(), result.bytes.end()};
}

// A file, with the part of a value that was written before masked by who serves it.
class File {
 public:
  File(const KnownValues& released, WriteGuard::Choice choice) : guard_(released, choice) {}

  bool write(std::size_t offset, std::string_view bytes) {
    const WriteGuard::Result result = guard_.check(offset, bytes);
    EXPECT_EQ(result.bytes.size(), bytes.size());
    if (result.denied) {
      return false;
    }
    bytes_.resize(std::max(bytes_.size(), offset + bytes.size()));
    bytes_.replace(offset, bytes.size(), text(result));
    for (const WriteGuard::Hit& hit : result.hits) {
      bytes_.replace(hit.offset, hit.written, std::string(hit.written, '*'));
    }
    return true;
  }
  const std::string& bytes() const { return bytes_; }

 private:
  WriteGuard guard_;
  std::string bytes_;
};

TEST_F(WriteGuards, TouchNothingWithoutAReleasedValue) {
  WriteGuard guard(released_, WriteGuard::Choice::kDeny);
  const WriteGuard::Result result = guard.check(0, kToken);
  EXPECT_FALSE(result.denied);
  EXPECT_EQ(result.bytes.data(), kToken.data());
  EXPECT_TRUE(result.hits.empty());
}

TEST_F(WriteGuards, MaskAValueAndKeepTheRest) {
  release(kToken);
  WriteGuard guard(released_, WriteGuard::Choice::kMask);
  const std::string line = "{\"key\": \"" + std::string(kToken) + "\"}\n";
  const WriteGuard::Result result = guard.check(100, line);
  EXPECT_FALSE(result.denied);
  EXPECT_EQ(text(result), "{\"key\": \"" + kStars + "\"}\n");
  ASSERT_EQ(result.hits.size(), 1U);
  EXPECT_EQ(result.hits[0].offset, 109U);
  EXPECT_EQ(result.hits[0].length, kToken.size());
  EXPECT_EQ(result.hits[0].written, 0U);
  EXPECT_EQ(result.hits[0].source, 5U);
  const std::string clean = "nothing to see\n";
  EXPECT_EQ(guard.check(100 + line.size(), clean).bytes.data(), clean.data());
}

TEST_F(WriteGuards, MaskItsBase64) {
  release(kToken);
  WriteGuard guard(released_, WriteGuard::Choice::kMask);
  const std::string encoded = "c2stcHJvai05ZksybVE3eFYxcEw0Y1I4dFozd0I2bkg=";
  // Up to the padding: the last character before it holds bits of the value, and no others.
  EXPECT_EQ(text(guard.check(0, encoded)).find_first_not_of('*'), encoded.size() - 1);
}

TEST_F(WriteGuards, DenyAndForgetWhatWasNotWritten) {
  release(kToken);
  File file(released_, WriteGuard::Choice::kDeny);
  EXPECT_TRUE(file.write(0, "key "));
  EXPECT_FALSE(file.write(4, kToken));
  EXPECT_TRUE(file.write(4, "is none\n"));
  EXPECT_EQ(file.bytes(), "key is none\n");
}

TEST_F(WriteGuards, MaskAValueThatIsSplitOverWrites) {
  release(kToken);
  const std::string whole = "a line before\nkey=" + std::string(kToken) + "\nafter\n";
  const std::string expected = "a line before\nkey=" + kStars + "\nafter\n";
  for (std::size_t size = 1; size <= whole.size(); ++size) {
    File file(released_, WriteGuard::Choice::kMask);
    for (std::size_t at = 0; at < whole.size(); at += size) {
      ASSERT_TRUE(file.write(at, std::string_view(whole).substr(at, size)));
    }
    EXPECT_EQ(file.bytes(), expected) << "writes of " << size;
  }
}

// The control of the test before: what is not contiguous is not one value.
TEST_F(WriteGuards, DoNotJoinWritesWithAGap) {
  release(kToken);
  File file(released_, WriteGuard::Choice::kMask);
  EXPECT_TRUE(file.write(0, kToken.substr(0, 20)));
  EXPECT_TRUE(file.write(21, kToken.substr(20)));
  EXPECT_EQ(file.bytes().find('*'), std::string::npos);
}

TEST_F(WriteGuards, HeedWhatIsReleasedLater) {
  File file(released_, WriteGuard::Choice::kMask);
  EXPECT_TRUE(file.write(0, kToken));
  EXPECT_EQ(file.bytes(), kToken);
  release(kToken);
  EXPECT_TRUE(file.write(kToken.size(), kToken));
  EXPECT_EQ(file.bytes(), std::string(kToken) + kStars);
  const std::string longer =
      "ghp_Xq81mZk27LpWv93TnBs64RyCd05HfJg1ghp_Xq81mZk27LpWv93TnBs64RyCd05HfJg1";
  release(longer);
  const std::size_t end = file.bytes().size();
  EXPECT_TRUE(file.write(end, longer));
  EXPECT_EQ(file.bytes().substr(end), std::string(longer.size(), '*'));
}

TEST_F(WriteGuards, LeaveNoValueWhateverTheSplit) {
  std::mt19937 random(20240612);
  const auto below = [&](std::size_t n) {
    return std::uniform_int_distribution<std::size_t>(0, n - 1)(random);
  };
  const auto letters = [&](std::size_t length) {
    std::string value;
    for (std::size_t i = 0; i < length; ++i) {
      value.push_back("abcdefgh0123456789ABCDEF"[below(24)]);
    }
    return value;
  };
  std::vector<std::string> values;
  for (int i = 0; i < 8; ++i) {
    values.push_back(letters(12 + below(500)));
    release(values.back());
  }
  for (int round = 0; round < 200; ++round) {
    std::string whole;
    for (int i = 0; i < 12; ++i) {
      whole += letters(below(60)) + values[below(values.size())];
    }
    std::vector<Match> matches;
    released_.snapshot()->find(whole, matches);
    std::string expected = whole;
    for (const Match& match : matches) {
      expected.replace(match.offset, match.length, std::string(match.length, '*'));
    }
    File file(released_, WriteGuard::Choice::kMask);
    for (std::size_t at = 0; at < whole.size();) {
      const std::size_t size = 1 + below(300);
      ASSERT_TRUE(file.write(at, std::string_view(whole).substr(at, size)));
      at += size;
    }
    ASSERT_EQ(file.bytes(), expected) << "round " << round;
  }
}

}  // namespace
}  // namespace agentbox::values
