// A value that was released to the box does not get into files by its writes.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "tests/integration/view/mounted_view.h"

namespace agentbox::view {
namespace {

const std::string kValue = "canary0123456789abcdef0123456789abcdef";
const std::string kStars(kValue.size(), '*');

class Word : public Released {
 public:
  std::size_t reach() const override { return released ? kValue.size() : 0; }
  void find(std::string_view text, std::vector<Secrets::Finding>& findings) const override {
    searched += text.size();
    for (std::size_t at = text.find(kValue); at != text.npos; at = text.find(kValue, at + 1)) {
      findings.push_back({at, kValue.size(), "secret word"});
    }
  }
  bool released = true;
  mutable std::atomic<std::size_t> searched = 0;  // bytes
};

// In the box: V is the value, in two parts A and B.
constexpr const char* kNames =
    "A=canary0123456789ab; B=cdef0123456789abcdef; V=$A$B; export A B V\n";

class ReleasedValues : public testing::Test {
 protected:
  MountedView& view() {
    if (!view_) {
      options.released = &word;
      view_ = std::make_unique<MountedView>(options);
    }
    return *view_;
  }
  Result inside(const std::string& script) { return view().run(kNames + script); }
  std::string real(const std::string& name) { return view().outside("cat " + name).output; }
  void choose(policy::WriteSecrets choice, const std::string& pattern = "**") {
    options.policy.files.write_secrets.insert(options.policy.files.write_secrets.begin(),
                                              {{.text = pattern, .place = {}}, choice});
  }

  Options options;
  Word word;

 private:
  std::unique_ptr<MountedView> view_;
};

TEST_F(ReleasedValues, AreStarsHoweverTheyAreWritten) {
  for (const std::string use : {
           "echo a=$V >f",
           "printf a= >f; echo $V >>f",
           "printf a=$A >f; printf $B >>f; echo >>f",
           "python3 -c \"import os; f=open('f','w'); f.write('a='+os.environ['V']+'\\n')\"",
           "echo a=X >f; sed -i s/X/$V/ f",
           "for c in $(echo a=$V | grep -o .); do printf %s $c >>f; done; echo >>f",
           "exec 3>f; printf a= >&3; printf $A >&3; printf $B >>f; exec 4>>f; echo >&4",
           "echo a=$V | dd of=f bs=7 2>/dev/null",
           "(echo a=$V; head -c 4055 /dev/zero) | dd of=f bs=4096 oflag=direct 2>/dev/null;"
           "truncate -s 41 f",
           // The end first, and then what stands before it; into a hole.
           "printf $B | dd of=f bs=1 seek=20 2>/dev/null; "
           "printf a=$A | dd of=f bs=1 conv=notrunc 2>/dev/null; echo >>f",
           "echo a=X$B >f; printf a=$A | dd of=f conv=notrunc 2>/dev/null; "
           "printf $A | dd of=f bs=1 seek=2 conv=notrunc 2>/dev/null; "
           "printf a=$V\\\\n | dd of=f conv=notrunc 2>/dev/null",
           "echo a=$V >/dev/shm/f; cp /dev/shm/f f; rm /dev/shm/f",
           "echo a=$V >/dev/shm/f; mv /dev/shm/f f",
       }) {
    ASSERT_EQ(inside("rm -f f; " + use).status, 0) << use;
    EXPECT_EQ(real("f"), "a=" + kStars + "\n") << use;
    EXPECT_EQ(inside("cat f").output, "a=" + kStars + "\n") << use;
  }
  EXPECT_EQ(view().touched(Touch::Kind::kWriteMasked).front(), "f");
}

TEST_F(ReleasedValues, AreStarsInAMapping) {
  ASSERT_EQ(inside("python3 -c \"\n"
                   "import mmap, os\n"
                   "f = os.open('f', os.O_RDWR | os.O_CREAT)\n"
                   "os.ftruncate(f, 3 * 4096)\n"
                   "m = mmap.mmap(f, 0)\n"
                   "v = os.environ['V'].encode()\n"
                   "m[100:138] = v\n"
                   "m[4096-10:4096+28] = v\n"
                   "m[8192-38:8192] = v\n"
                   "m.flush()\n\"")
                .status,
            0);
  const std::string text = real("f");
  EXPECT_EQ(std::count(text.begin(), text.end(), '*'), 3 * 38);
  EXPECT_EQ(text.find("canary"), text.npos);
  EXPECT_EQ(text.find("cdef"), text.npos);
}

TEST_F(ReleasedValues, InWritesOfAnySizeInAnyOrder) {
  const Result result = inside(
      "python3 - <<'EOF'\n"
      "import os, random\n"
      "random.seed(4)\n"
      "v = os.environ['V'].encode()\n"
      "for turn in range(60):\n"
      "    whole = b''.join(random.randbytes(random.randrange(60)).hex().encode() + v\n"
      "                     for _ in range(8))\n"
      "    parts, at = [], 0\n"
      "    while at < len(whole):\n"
      "        size = random.randrange(1, 90)\n"
      "        parts.append((at, whole[at:at + size]))\n"
      "        at += size\n"
      "    if turn % 2:\n"
      "        random.shuffle(parts)\n"
      "    with open(f'f{turn}', 'wb', buffering=0) as f:\n"
      "        for at, part in parts:\n"
      "            os.pwrite(f.fileno(), part, at)\n"
      "    assert open(f'f{turn}', 'rb').read() == whole.replace(v, b'*' * len(v)), turn\n"
      "EOF");
  EXPECT_EQ(result.status, 0) << result.output;
  EXPECT_EQ(view().outside("cat f* | grep -c canary").output, "0\n");
}

TEST_F(ReleasedValues, AsThePolicySaysForEachPath) {
  choose(policy::WriteSecrets::kDeny, "closed/**");
  choose(policy::WriteSecrets::kAllow, "open/**");
  view().outside("mkdir closed open; printf key= >closed/split");
  const Result denied = inside("echo $V >closed/f");
  EXPECT_NE(denied.status, 0);
  EXPECT_NE(denied.output.find("Permission denied"), std::string::npos) << denied.output;
  EXPECT_EQ(real("closed/f"), "");
  EXPECT_NE(inside("printf $A >>closed/split && printf $B >>closed/split").status, 0);
  EXPECT_EQ(real("closed/split"), "key=" + std::string(18, '*'));
  EXPECT_EQ(inside("echo fine >closed/g").status, 0);
  EXPECT_EQ(inside("echo $V >open/f; echo $V >f").status, 0);
  EXPECT_EQ(real("open/f"), kValue + "\n");
  EXPECT_EQ(real("f"), kStars + "\n");
  EXPECT_EQ(view().touched(Touch::Kind::kWriteDenied),
            (std::vector<std::string>{"closed/f", "closed/split"}));
  EXPECT_EQ(view().touched(Touch::Kind::kWriteMasked), std::vector<std::string>{"f"});
}

TEST_F(ReleasedValues, InTheHomeByItsOwnPaths) {
  options.with_home = true;
  options.with_files = false;
  options.policy.home.write.push_back({.text = "listed", .place = {}});
  choose(policy::WriteSecrets::kAllow, "~/listed/open/**");
  MountedView& mounted = view();
  mounted.outside("mkdir -p listed/open");
  ASSERT_EQ(inside("echo $V >listed/f; echo $V >listed/open/f; echo $V >private").status, 0);
  EXPECT_EQ(real("listed/f"), kStars + "\n");
  EXPECT_EQ(real("listed/open/f"), kValue + "\n");
  EXPECT_EQ(inside("cat private").output, kStars + "\n");
  EXPECT_EQ(run_outside(mounted.scratch(), "cat private").output, kStars + "\n");
}

TEST_F(ReleasedValues, WhatStandsInAFileIsLeftAlone) {
  view().outside("echo " + kValue + " >f");
  EXPECT_EQ(inside("echo more >>f").status, 0);
  EXPECT_EQ(real("f"), kValue + "\nmore\n");
  EXPECT_TRUE(view().touched(Touch::Kind::kWriteMasked).empty());
}

TEST_F(ReleasedValues, NothingIsSearchedAsLongAsNothingIsReleased) {
  word.released = false;
  EXPECT_EQ(inside("echo $V >f").status, 0);
  EXPECT_EQ(real("f"), kValue + "\n");
  EXPECT_EQ(word.searched, 0u);
  word.released = true;
  EXPECT_EQ(inside("echo $V >g").status, 0);
  EXPECT_EQ(real("g"), kStars + "\n");
}

}  // namespace
}  // namespace agentbox::view
