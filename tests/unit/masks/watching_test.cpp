#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <stdlib.h>

#include <condition_variable>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <set>

#include "base/file.h"
#include "launcher/masks/backlog.h"
#include "launcher/masks/contents.h"
#include "launcher/masks/watches.h"
#include "policy/floor.h"

namespace agentbox::masks {
namespace {

namespace fs = std::filesystem;

class Place : public testing::Test {
 protected:
  Place() {
    std::string name = fs::temp_directory_path() / "agentbox-masks-XXXXXX";
    path_ = fs::canonical(::mkdtemp(name.data()));
    directory_ = base::open_at(AT_FDCWD, path_, O_RDONLY | O_DIRECTORY);
  }
  ~Place() override {
    std::error_code error;
    fs::remove_all(path_, error);
  }
  void write(const std::string& name, const std::string& text) {
    std::ofstream(path_ / name) << text;
  }

  fs::path path_;
  base::UniqueFd directory_;
};

class WatchesTest : public Place {
 protected:
  // "name" for what is there, "-name" for what has gone.
  std::set<std::string> take() {
    pollfd polled = {.fd = watches_.descriptor(), .events = POLLIN, .revents = 0};
    EXPECT_EQ(::poll(&polled, 1, 10'000), 1);
    std::set<std::string> names;
    while (watches_.take([&](const Change& change) {
      names.insert((change.gone ? "-" : "") + change.directory.path + "/" +
                   std::string(change.name));
    }) == Taken::kSome) {
    }
    return names;
  }
  Watches watches_;
};

TEST_F(WatchesTest, TellsWhatIsMadeMovedWrittenAndRemoved) {
  write("old", "x");
  EXPECT_FALSE(watches_.add(directory_.get(), {0, "d"}));
  EXPECT_EQ(watches_.take([](const Change&) { FAIL(); }), Taken::kNothing);
  write("new", "x");
  EXPECT_EQ(take(), std::set<std::string>{"d/new"});
  fs::rename(path_ / "new", path_ / "moved");
  EXPECT_EQ(take(), (std::set<std::string>{"-d/new", "d/moved"}));
  write("old", "y");
  EXPECT_EQ(take(), std::set<std::string>{"d/old"});
  fs::remove(path_ / "moved");
  EXPECT_EQ(take(), std::set<std::string>{"-d/moved"});
}

TEST_F(WatchesTest, ADirectoryThatIsMetAgainHasItsNewPlace) {
  watches_.add(directory_.get(), {0, "before"});
  EXPECT_FALSE(watches_.add(directory_.get(), {0, "before"}));
  EXPECT_EQ(watches_.add(directory_.get(), {1, "after"}), (Directory{0, "before"}));
  write("f", "x");
  EXPECT_EQ(take(), std::set<std::string>{"after/f"});
}

TEST_F(WatchesTest, AFileIsToldUnderItsName) {
  write("f", "x");
  const base::UniqueFd file = base::open_at(AT_FDCWD, path_ / "f", O_PATH);
  watches_.add_file(file.get(), {0, "d"}, "f");
  write("f", "y");
  EXPECT_EQ(take(), std::set<std::string>{"d/f"});
}

class BacklogTest : public testing::Test {
 protected:
  BacklogTest()
      : backlog_(
            {.one = [this](const Directory&, const std::string& name) { did(name); },
             .all =
                 [this](Backlog::All all) { did(all == Backlog::All::kEvery ? "every" : "shown"); },
             .failed = [this] { did("failed"); }}) {}

  void did(const std::string& what) {
    const std::lock_guard lock(mutex_);
    done_.push_back(what);
    changed_.notify_all();
    if (what == "throw") {
      throw std::runtime_error("as it was told");
    }
  }
  std::vector<std::string> done(std::size_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, std::chrono::seconds(30), [&] { return done_.size() >= count; });
    return done_;
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::string> done_;
  Backlog backlog_;  // its thread uses the others: ends first
};

using Names = std::vector<std::string>;

TEST_F(BacklogTest, InOrderAndEachOnce) {
  for (const char* name : {"c", "a", "b", "a", "c"}) {
    backlog_.add({0, "d"}, name);
  }
  backlog_.add({0, "other"}, "a");
  backlog_.add_all(Backlog::All::kShown);
  backlog_.start();
  EXPECT_EQ(done(5), (Names{"c", "a", "b", "a", "shown"}));
  backlog_.add({0, "d"}, "a");  // what was looked at changes again
  EXPECT_EQ(done(6).back(), "a");
}

TEST_F(BacklogTest, TooManyBecomeOneLookAtEverything) {
  for (int i = 0; i <= 10'000; ++i) {
    backlog_.add({0, "d"}, std::to_string(i));
  }
  backlog_.add_all(Backlog::All::kShown);  // takes nothing back
  backlog_.start();
  EXPECT_EQ(done(1), Names{"every"});
}

TEST_F(BacklogTest, SaysThatItHasFailed) {
  backlog_.add({0, "d"}, "throw");
  backlog_.start();
  EXPECT_EQ(done(2), (Names{"throw", "failed"}));
}

class ContentsTest : public Place {
 protected:
  ContentsTest() : rules_(policy::floor_policy()) {}

  Contents contents() {
    return Contents({.rules = &rules_,
                     .reach = 64,
                     .find =
                         [](std::string_view text, const std::string&) {
                           return std::string(text.find("canary") == text.npos ? "" : "a canary");
                         },
                     .hidden_changed = {}});
  }
  std::string what(const std::string& name) {
    const auto found = contents().look(directory_.get(), name, name);
    return found ? found->what : "";
  }
  policy::ContentRules rules_;
};

TEST_F(ContentsTest, TheWholeFileIsSearched) {
  write("plain", "nothing");
  write("small", "a canary");
  // Where two windows of a megabyte meet, and beyond.
  for (const std::size_t at : {(1U << 20) - 3, (1U << 20) + 5, (3U << 20) - 100}) {
    const std::string name = "at" + std::to_string(at);
    write(name, std::string(at, 'x') + "canary" + std::string(1000, 'x'));
    EXPECT_EQ(what(name), "a canary") << at;
  }
  EXPECT_EQ(what("plain"), "");
  EXPECT_EQ(what("small"), "a canary");
}

TEST_F(ContentsTest, BehindAHole) {
  write("sparse", "x");
  fs::resize_file(path_ / "sparse", std::uintmax_t{1} << 36);
  std::ofstream(path_ / "sparse", std::ios::app) << "canary";
  EXPECT_EQ(what("sparse"), "a canary");
}

TEST_F(ContentsTest, LinksAreNotFollowedAndWhatIsGoneHoldsNothing) {
  write("secret", "canary");
  fs::create_symlink("secret", path_ / "link");
  EXPECT_EQ(what("link"), "");
  EXPECT_EQ(what("gone"), "");
}

TEST_F(ContentsTest, NothingIsFoundOnceTheBoxIsDead) {
  write("secret", "canary");
  Contents ended = contents();
  ended.stop();
  EXPECT_FALSE(ended.look(directory_.get(), "secret", "secret"));
}

}  // namespace
}  // namespace agentbox::masks
