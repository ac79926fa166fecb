// Changes outside are told to the box's kernel, which else would keep what it knows for minutes.
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <thread>

#include "tests/integration/view/mounted_view.h"

namespace agentbox::view {
namespace {

// Far longer than an event takes and far shorter than what is watched is kept without one.
constexpr int kTries = 400;
constexpr auto kPause = std::chrono::milliseconds(50);

bool comes_true(const std::function<bool()>& condition) {
  for (int i = 0; i < kTries; ++i) {
    if (condition()) {
      return true;
    }
    std::this_thread::sleep_for(kPause);
  }
  return false;
}

class Coherence : public testing::Test {
 protected:
  // Whether the script prints this in the box, in the end.
  bool prints(const std::string& script, const std::string& output) {
    return comes_true([&] { return view.run(script).output == output; });
  }

  MountedView view;
};

TEST_F(Coherence, WatchedForTheWholeTest) {
  view.outside("mkdir d; echo 1 > d/f");
  ASSERT_EQ(view.run("cat d/f; ls d").output, "1\nf\n");
  EXPECT_EQ(view.unwatched(), 0) << "fanotify is not to be had here: nothing below is tested";
}

TEST_F(Coherence, ContentsAndAttributes) {
  view.outside("mkdir d; echo first > d/f");
  ASSERT_EQ(view.run("cat d/f; stat -c %a d/f").output, "first\n644\n");
  view.outside("echo second > d/f; chmod 600 d/f");
  EXPECT_TRUE(prints("cat d/f; stat -c %a d/f", "second\n600\n"));
  view.outside("echo third >> d/f");
  EXPECT_TRUE(prints("cat d/f", "second\nthird\n"));
  view.outside("chmod 700 d");
  EXPECT_TRUE(prints("stat -c %a d", "700\n"));
}

TEST_F(Coherence, SameSizeAndTime) {
  view.outside("echo first > f; touch -d @1000 f");
  ASSERT_EQ(view.run("cat f").output, "first\n");
  view.outside("echo other > f; touch -d @1000 f");
  EXPECT_TRUE(prints("cat f", "other\n"));
}

TEST_F(Coherence, NamesThatComeAndGo) {
  view.outside("mkdir d; touch d/old");
  ASSERT_EQ(view.run("ls d; cat d/new 2>/dev/null; stat -c %s d/old").output, "old\n0\n");
  view.outside("echo new > d/new");
  EXPECT_TRUE(prints("cat d/new 2>&1; ls d", "new\nnew\nold\n"));
  view.outside("rm d/old");
  EXPECT_TRUE(prints("ls d; test -e d/old || echo gone", "new\ngone\n"));
  view.outside("echo replaced > d/other; mv d/other d/new");
  EXPECT_TRUE(prints("cat d/new; ls d", "replaced\nnew\n"));
  view.outside("mv d/new d/moved");
  EXPECT_TRUE(prints("cat d/moved; ls d", "replaced\nmoved\n"));
}

TEST_F(Coherence, DirectoriesThatMove) {
  view.outside("mkdir -p a/b/c x; echo 1 > a/b/c/f");
  ASSERT_EQ(view.run("cat a/b/c/f; ls a x").output, "1\na:\nb\n\nx:\n");
  view.outside("mv a/b x/b");
  EXPECT_TRUE(prints("cat x/b/c/f; ls a; test -e a/b || echo gone", "1\ngone\n"));
  view.outside("echo 2 > x/b/c/f");
  EXPECT_TRUE(prints("cat x/b/c/f", "2\n"));
  view.outside("rm -r x/b; mkdir -p x/b/c; echo 3 > x/b/c/f");
  EXPECT_TRUE(prints("cat x/b/c/f", "3\n"));
  view.outside("echo 4 > x/b/c/f");
  EXPECT_TRUE(prints("cat x/b/c/f", "4\n"));
}

TEST_F(Coherence, ThroughAnotherHardLink) {
  view.outside("mkdir seen unseen; echo 1 > seen/f; ln seen/f unseen/g");
  ASSERT_EQ(view.run("cat seen/f").output, "1\n");
  view.outside("echo 22 > unseen/g");
  EXPECT_TRUE(prints("cat seen/f", "22\n"));
}

TEST_F(Coherence, ManyChangesAtOnce) {
  view.outside("mkdir d; for i in $(seq 300); do echo 1 > d/$i; done");
  ASSERT_EQ(view.run("cat d/* | sort -u; ls d | wc -l").output, "1\n300\n");
  view.outside("for i in $(seq 300); do echo 2 > d/$i; done; rm d/1*; touch d/z");
  EXPECT_TRUE(prints("cat d/* | sort -u; ls d | wc -l", "2\n190\n"));
}

TEST_F(Coherence, BothSidesInTurn) {
  for (int i = 0; i < 20; ++i) {
    const std::string text = std::to_string(i);
    ASSERT_EQ(view.run("echo in" + text + " > f.new; mv f.new f; cat f").output,
              "in" + text + "\n");
    // At once: what the box writes is not kept back.
    ASSERT_EQ(view.outside("cat f").output, "in" + text + "\n");
    view.outside("echo out" + text + " > g; mv g f");
    ASSERT_TRUE(prints("cat f", "out" + text + "\n")) << i;
  }
}

TEST_F(Coherence, WhatTheBoxWritesIsOutsideBeforeItCloses) {
  const Result result = view.run("exec 3> f; echo text >&3; cat " + view.real() + "/f");
  EXPECT_EQ(result.output, "text\n");
}

TEST_F(Coherence, TellsOfHiddenNames) {
  ASSERT_EQ(view.run("ls").output, "");
  view.outside("echo A=1 > .env; echo B=1 > visible");
  EXPECT_TRUE(comes_true([&] {
    const auto paths = view.hidden_changed();
    return std::find(paths.begin(), paths.end(), ".env") != paths.end();
  }));
  EXPECT_TRUE(prints("ls", "visible\n"));
  const auto paths = view.hidden_changed();
  EXPECT_EQ(std::count(paths.begin(), paths.end(), "visible"), 0);
}

TEST_F(Coherence, EndsWhileChangesGoOn) {
  view.outside("mkdir d; for i in $(seq 50); do echo 1 > d/$i; done");
  ASSERT_EQ(view.run("cat d/* | sort -u").output, "1\n");
  std::thread outside([&] {
    view.outside("for n in $(seq 40); do for i in $(seq 50); do echo $n > d/$i; done; done");
  });
  std::thread box([&] {
    view.run("for n in $(seq 40); do cat d/* > /dev/null; touch d/new; rm -f d/new; done");
  });
  std::this_thread::sleep_for(kPause);
  view.stop_serving();
  box.join();
  outside.join();
}

TEST(CoherenceWithoutWatches, FallsBackOnTimeOutsAndSaysSo) {
  Options options;
  options.watches = 2;
  MountedView view(std::move(options));
  view.outside("mkdir a b c; echo 1 > a/f; echo 1 > b/f; echo 1 > c/f");
  ASSERT_EQ(view.run("ls; cat a/f b/f c/f").output, "a\nb\nc\n1\n1\n1\n");
  EXPECT_EQ(view.unwatched(), 1);
  view.outside("echo 2 > a/f; echo 2 > b/f; echo 2 > c/f; touch c/g");
  EXPECT_TRUE(comes_true([&] { return view.run("cat */f; ls c").output == "2\n2\n2\nf\ng\n"; }));
}

}  // namespace
}  // namespace agentbox::view
