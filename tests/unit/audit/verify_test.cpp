#include "audit/verify.h"

#include <gtest/gtest.h>

#include "audit/head.h"
#include "audit/line.h"
#include "base/error.h"
#include "tests/unit/audit/fixture.h"

namespace agentbox::audit {
namespace {

using Kind = Problem::Kind;

class VerifyTest : public LogTest {
 protected:
  void expect_problem(Kind kind, std::uint64_t line) const {
    const Verification result = verify(directory_);
    ASSERT_TRUE(result.problem) << "not found: " << problem_name(kind);
    EXPECT_STREQ(problem_name(result.problem->kind), problem_name(kind)) << result.problem->message;
    EXPECT_EQ(result.problem->line, line) << result.problem->message;
  }

  // The chain as somebody would forge it who knows the format, from `from` on.
  static void rechain(std::vector<std::string>& lines, std::size_t from) {
    std::string prev = from == 0 ? kNoHash : std::string(parse_link(lines[from - 1])->hash);
    for (std::size_t i = from; i < lines.size(); ++i) {
      std::string& line = lines[i];
      const std::size_t at = line.rfind(",\"prev\":\"");
      line.replace(at + 9, 64, prev);
      const std::string computed = parse_link(line)->computed;
      line.replace(line.size() - 66, 64, computed);
      prev = computed;
    }
  }
};

TEST_F(VerifyTest, AcceptsWhatWasWritten) {
  append(10);
  const Verification result = verify(directory_);
  EXPECT_TRUE(result.ok()) << result.problem->message;
  EXPECT_EQ(result.records, 10u);
  EXPECT_TRUE(result.notes.empty());
  EXPECT_EQ(result.hash, parse_link(lines().back())->hash);
}

TEST_F(VerifyTest, AcceptsNoLogAtAll) {
  EXPECT_TRUE(verify(directory_).ok());
  EXPECT_EQ(verify(directory_).records, 0u);
}

TEST_F(VerifyTest, AcceptsAnEmptyLog) {
  { const Log log(directory_); }
  EXPECT_TRUE(verify(directory_).ok());
}

TEST_F(VerifyTest, FindsAnEditedField) {
  append(10);
  auto changed = lines();
  changed[4].replace(changed[4].find("hidden"), 6, "shown!");
  write_lines(changed);
  expect_problem(Kind::kEdited, 5);
}

TEST_F(VerifyTest, FindsEveryFlippedByte) {
  append(2);
  const std::string original = bytes(file());
  for (std::size_t i = 0; i < original.size(); ++i) {
    std::string changed = original;
    changed[i] = static_cast<char>(changed[i] ^ 1);
    write(file(), changed);
    EXPECT_FALSE(verify(directory_).ok()) << "byte " << i;
  }
  write(file(), original);
  EXPECT_TRUE(verify(directory_).ok());
}

TEST_F(VerifyTest, FindsAnEditWithItsHashRecomputed) {
  append(10);
  auto changed = lines();
  changed[4].replace(changed[4].find("hidden"), 6, "shown!");
  const std::string computed = parse_link(changed[4])->computed;
  changed[4].replace(changed[4].size() - 66, 64, computed);
  write_lines(changed);
  expect_problem(Kind::kEdited, 6);
}

TEST_F(VerifyTest, FindsAWholeChainRecomputedByTheHead) {
  append(10);
  auto changed = lines();
  changed[4].replace(changed[4].find("hidden"), 6, "shown!");
  rechain(changed, 4);
  write_lines(changed);
  expect_problem(Kind::kForeignHead, 10);
  EXPECT_THROW(append(1), base::Error);
}

TEST_F(VerifyTest, FindsADeletedLine) {
  append(10);
  auto changed = lines();
  changed.erase(changed.begin() + 4);
  write_lines(changed);
  expect_problem(Kind::kDeleted, 5);
  EXPECT_THROW(append(1), base::Error);
}

TEST_F(VerifyTest, FindsTheFirstLineDeleted) {
  append(10);
  auto changed = lines();
  changed.erase(changed.begin());
  write_lines(changed);
  expect_problem(Kind::kDeleted, 1);
}

TEST_F(VerifyTest, FindsADeletedLineWithTheRestRecomputed) {
  append(10);
  auto changed = lines();
  changed.erase(changed.begin() + 4);
  rechain(changed, 4);
  write_lines(changed);
  expect_problem(Kind::kDeleted, 5);
}

TEST_F(VerifyTest, FindsSwappedLines) {
  append(10);
  auto changed = lines();
  std::swap(changed[4], changed[5]);
  write_lines(changed);
  expect_problem(Kind::kReordered, 5);
}

TEST_F(VerifyTest, FindsADuplicatedLine) {
  append(10);
  auto changed = lines();
  changed.insert(changed.begin() + 4, changed[2]);
  write_lines(changed);
  expect_problem(Kind::kDuplicated, 5);
}

TEST_F(VerifyTest, FindsAnInsertedLine) {
  append(10);
  auto changed = lines();
  std::string hash;
  changed.insert(
      changed.begin() + 4,
      make_line(record("/forged"),
                {.id = std::string(26, 'a'), .seq = 4, .time = {}, .prev = kNoHash}, hash));
  write_lines(changed);
  expect_problem(Kind::kInserted, 5);
}

TEST_F(VerifyTest, FindsACutTail) {
  append(10);
  for (std::size_t left : {9u, 5u, 1u, 0u}) {
    auto changed = lines();
    changed.resize(left);
    write_lines(changed);
    expect_problem(Kind::kCutTail, 0);
    EXPECT_THROW(append(1), base::Error);
  }
}

TEST_F(VerifyTest, FindsATailCutInTheMiddleOfALine) {
  append(10);
  const std::string all = bytes(file());
  write(file(), all.substr(0, all.size() - 20));
  expect_problem(Kind::kCutTail, 0);
  EXPECT_THROW(append(1), base::Error);
}

TEST_F(VerifyTest, FindsTheFileRemoved) {
  append(10);
  std::filesystem::remove(file());
  expect_problem(Kind::kCutTail, 0);
  EXPECT_THROW(append(1), base::Error);
}

TEST_F(VerifyTest, FindsTheHeadRemoved) {
  append(10);
  std::filesystem::remove(file("head"));
  expect_problem(Kind::kForeignHead, 0);
  EXPECT_THROW(append(1), base::Error);
}

TEST_F(VerifyTest, FindsAForeignHead) {
  append(10);
  const std::string other = root_ + "/other";
  {
    Log log(other);
    for (int i = 0; i < 10; ++i) {
      log.append(record("/other"));
    }
  }
  std::filesystem::copy_file(other + "/head", file("head"),
                             std::filesystem::copy_options::overwrite_existing);
  expect_problem(Kind::kForeignHead, 10);
  EXPECT_THROW(append(1), base::Error);
}

TEST_F(VerifyTest, FindsLinesAppendedByAnotherHand) {
  append(3);
  const Head before = *parse_head(bytes(file("head")));
  append(2);
  write(file("head"), head_text(before));
  expect_problem(Kind::kForeignHead, 0);
  EXPECT_THROW(append(1), base::Error);
}

TEST_F(VerifyTest, FindsGarbage) {
  append(10);
  auto changed = lines();
  changed.insert(changed.begin() + 4, "{\"v\":1,\"event\":\"release\"}");
  write_lines(changed);
  expect_problem(Kind::kBrokenLine, 5);
}

TEST_F(VerifyTest, FindsAReplacedFile) {
  append(10);
  const std::string other = root_ + "/other";
  {
    Log log(other);
    for (int i = 0; i < 10; ++i) {
      log.append(record("/other"));
    }
  }
  std::filesystem::copy_file(other + "/audit.jsonl", file(),
                             std::filesystem::copy_options::overwrite_existing);
  expect_problem(Kind::kForeignHead, 10);
}

TEST_F(VerifyTest, AcceptsACopyElsewhere) {
  append(10);
  std::filesystem::copy(directory_, root_ + "/copy");
  EXPECT_TRUE(verify(root_ + "/copy").ok());
}

TEST_F(VerifyTest, SurvivesGarbageOfEveryKind) {
  append(20);
  const std::string log = bytes(file());
  const std::string head = bytes(file("head"));
  std::uint64_t state = 88172645463325252u;
  const auto random = [&](std::size_t below) {
    state ^= state << 13, state ^= state >> 7, state ^= state << 17;
    return static_cast<std::size_t>(state % below);
  };
  for (int round = 0; round < 500; ++round) {
    std::string changed = random(2) == 0 ? log : head;
    const std::string name = changed == log ? "audit.jsonl" : "head";
    for (std::size_t i = 0, count = 1 + random(8); i < count; ++i) {
      const std::size_t at = random(changed.size());
      switch (random(3)) {
        case 0:
          changed[at] = static_cast<char>(random(256));
          break;
        case 1:
          changed.erase(at, 1 + random(300));
          break;
        default:
          changed.insert(at, std::string(1 + random(300), static_cast<char>(random(256))));
      }
      if (changed.empty()) {
        break;
      }
    }
    write(file(name), changed);
    const Verification result = verify(directory_);
    EXPECT_TRUE(!result.ok() || name == "head" || changed == log) << round;
    write(file("audit.jsonl"), log);
    write(file("head"), head);
  }
  EXPECT_TRUE(verify(directory_).ok());
}

}  // namespace
}  // namespace agentbox::audit
