#include "launcher/scan/contents.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string>

#include "base/file.h"
#include "base/unique_fd.h"

namespace agentbox::scan {
namespace {

constexpr std::size_t kWindow = 1024 * 1024;
// In two parts, so that no scanner takes this file for one that holds a token.
const std::string kToken = std::string("ghp_") + "q7Lw2Rk9Zx4Vt8Bn1Mc6Jd3Hf5Gs0PyTuEo2";

class SearcherTest : public testing::Test {
 protected:
  Searched search(const std::string& text, std::size_t room = 1000) {
    const base::UniqueFd fd(::memfd_create("contents", MFD_CLOEXEC));
    base::write_all(fd.get(), text);
    ::lseek(fd.get(), 0, SEEK_SET);
    spots_.clear();
    return searcher_.search(fd.get(), "notes.txt", room, spots_);
  }

  values::KnownValues values_{"sixteen bytes or more"};
  Searcher searcher_{policy::Detector::shipped(), values_.snapshot()};
  std::vector<Spot> spots_;
};

TEST_F(SearcherTest, FindsNothingInNothing) {
  EXPECT_EQ(search("").bytes, 0u);
  EXPECT_EQ(search("an ordinary line\n").bytes, 17u);
  EXPECT_TRUE(spots_.empty());
}

TEST_F(SearcherTest, SaysLineAndColumn) {
  search("one\ntwo\n  é " + kToken + " rest\nfour\n");
  ASSERT_EQ(spots_.size(), 1u);
  EXPECT_EQ(spots_[0].line, 3u);
  EXPECT_EQ(spots_[0].column, 5u);
  EXPECT_EQ(spots_[0].end_line, 3u);
  EXPECT_EQ(spots_[0].end_column, 5u + kToken.size());
  EXPECT_EQ(spots_[0].kind->id, "github-token");
}

TEST_F(SearcherTest, FindsEachOnceWhereverAWindowEnds) {
  constexpr std::size_t kReach = policy::Detector::kReach;
  for (const std::size_t border : {kWindow, kWindow - kReach, kWindow - 2 * kReach,
                                   2 * kWindow - 2 * kReach, 2 * kWindow - 3 * kReach}) {
    for (std::size_t at = border - 60; at <= border + 20; at += 5) {
      std::string text;
      while (text.size() < at) {
        text += "line\n";
      }
      text.resize(at - 1);
      text += "\n" + kToken + "\n";
      text.append(3 * kReach, '.');
      const auto lines = static_cast<std::size_t>(
          std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(at), '\n'));
      EXPECT_EQ(search(text).bytes, text.size());
      ASSERT_EQ(spots_.size(), 1u) << at;
      EXPECT_EQ(spots_[0].line, lines + 1) << at;
      EXPECT_EQ(spots_[0].column, 1u) << at;
    }
  }
}

TEST_F(SearcherTest, FindsKnownValues) {
  const std::string value = "violet-Harbour-93-quartz-lantern";
  values::KnownValues values("sixteen bytes or more");
  ASSERT_TRUE(values.add(value, "PASSPHRASE", 7));
  ASSERT_TRUE(values.add(kToken, "", 8));
  Searcher searcher(policy::Detector::shipped(), values.snapshot());
  const base::UniqueFd fd(::memfd_create("contents", MFD_CLOEXEC));
  base::write_all(fd.get(), "a " + value + "\n" + kToken + "\n" + value);
  ::lseek(fd.get(), 0, SEEK_SET);
  searcher.search(fd.get(), "notes.txt", 9, spots_);
  ASSERT_EQ(spots_.size(), 3u);
  EXPECT_EQ(spots_[0].kind, nullptr);
  EXPECT_EQ(spots_[0].source, 7u);
  EXPECT_EQ(spots_[0].column, 3u);
  // What both find is one, with both names.
  EXPECT_EQ(spots_[1].kind->id, "github-token");
  EXPECT_EQ(spots_[1].source, 8u);
  EXPECT_EQ(spots_[2].line, 3u);
}

TEST_F(SearcherTest, AFileOfOneWindowEndsThere) {
  for (const std::size_t size : {kWindow - 1, kWindow, kWindow + 1}) {
    std::string text(size - kToken.size() - 1, '.');
    text += "\n" + kToken;
    EXPECT_EQ(search(text).bytes, size);
    EXPECT_EQ(spots_.size(), 1u) << size;
  }
}

TEST_F(SearcherTest, CountsWhatThereIsNoRoomFor) {
  std::string text;
  for (int i = 0; i < 5; ++i) {
    text += kToken + "\n";
  }
  EXPECT_EQ(search(text, 2).more, 3u);
  EXPECT_EQ(spots_.size(), 2u);
}

TEST_F(SearcherTest, SaysThatReadingFailed) {
  const base::UniqueFd directory(::open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  EXPECT_EQ(searcher_.search(directory.get(), "d", 1, spots_).error, EISDIR);
}

}  // namespace
}  // namespace agentbox::scan
