// No byte of a secret in an ordinary file, however it is read.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <mutex>
#include <thread>

#include "tests/integration/view/mounted_view.h"

namespace agentbox::view {
namespace {

const std::string kValue = "canary0123456789abcdef0123456789abcdef";
const std::string kStars(kValue.size(), '*');

// Finds what it was told to.
class Words : public Secrets {
 public:
  explicit Words(std::vector<std::string> words = {kValue}) : words_(std::move(words)) {}

  void add(const std::string& word) {
    const std::lock_guard lock(mutex_);
    words_.push_back(word);
  }
  void find(std::string_view text, std::string_view,
            std::vector<Finding>& findings) const override {
    searched_ += text.size();
    const std::lock_guard lock(mutex_);
    for (const std::string& word : words_) {
      for (std::size_t at = text.find(word); at != text.npos; at = text.find(word, at + 1)) {
        findings.push_back({at, word.size(), "test-word"});
      }
    }
  }
  std::uint64_t digest() const override {
    const std::lock_guard lock(mutex_);
    return words_.size();
  }
  std::size_t searched() const { return searched_; }

 private:
  mutable std::mutex mutex_;
  std::vector<std::string> words_;
  mutable std::atomic<std::size_t> searched_ = 0;  // bytes
};

bool leaks(const Result& result) { return result.output.find("canary0") != std::string::npos; }
// Of a value that is being written, a part can be read, as from any file.
bool leaks_whole(const Result& result) { return result.output.find(kValue) != std::string::npos; }

class Contents : public testing::Test {
 protected:
  MountedView& view(policy::Detect detect = policy::Detect::kRedact) {
    if (!view_) {
      Options options;
      options.secrets = &words;
      options.policy.files.detect = {{{.text = "**", .place = {}}, detect}};
      view_ = std::make_unique<MountedView>(options);
    }
    return *view_;
  }
  Result outside(const std::string& script) { return view().outside(script); }
  Result inside(const std::string& script) { return view().run(script); }

  Words words;

 private:
  std::unique_ptr<MountedView> view_;
};

TEST_F(Contents, EveryFormOfReading) {
  view();
  ASSERT_EQ(outside("printf 'a=1\\nkey=" + kValue + "\\nb=2\\n' > notes; ln notes other").status,
            0);
  for (const std::string use :
       {"cat notes", "head -c 99 < notes", "grep -a . notes", "sed -n p notes",
        "cp notes copy; cat copy", "tar cO notes", "dd if=notes bs=7 2>/dev/null",
        "dd if=notes bs=4096 iflag=direct 2>/dev/null", "tail -c 20 notes", "ln -s notes l; cat l",
        "python3 -c \"import mmap; f=open('notes'); print(mmap.mmap(f.fileno(),0,prot=1)[:])\"",
        "python3 -c \"import os; f=os.open('notes',0); print(os.pread(f,30,8))\"",
        "python3 -c \"import os; f=os.open('notes',0); g=os.open('c',66); "
        "os.copy_file_range(f,g,50); os.sendfile(1,f,0,99)\"; cat c",
        "cat other", "while read x; do echo $x; done < notes"}) {
    const Result result = inside(use);
    EXPECT_FALSE(leaks(result)) << use;
    EXPECT_NE(result.output.find("****"), std::string::npos) << use << result.output;
  }
  EXPECT_EQ(inside("cat notes").output, "a=1\nkey=" + kStars + "\nb=2\n");
  EXPECT_EQ(inside("stat -c %s notes").output, outside("stat -c %s notes").output);
  EXPECT_TRUE(leaks(outside("cat notes")));
  EXPECT_EQ(view().touched(Touch::Kind::kFoundRedacted), std::vector<std::string>{"notes"});
}

TEST_F(Contents, OffShowsIt) {
  view(policy::Detect::kOff);
  outside("echo " + kValue + " > notes");
  EXPECT_TRUE(leaks(inside("cat notes")));
}

TEST_F(Contents, ReportShowsAndTells) {
  view(policy::Detect::kReport);
  outside("echo " + kValue + " > notes");
  EXPECT_TRUE(leaks(inside("cat notes")));
  EXPECT_EQ(inside("echo more >> notes").status, 0);
  EXPECT_EQ(view().touched(Touch::Kind::kFoundReported), std::vector<std::string>{"notes"});
}

TEST_F(Contents, DenyRefusesEveryByteOfTheFile) {
  view(policy::Detect::kDeny);
  outside("(head -c 3M /dev/zero; echo " + kValue + ") > big; echo fine > clean");
  const Result result = inside("head -c 10 big");
  EXPECT_NE(result.status, 0);
  EXPECT_NE(result.output.find("Permission denied"), std::string::npos);
  EXPECT_EQ(inside("cat clean").output, "fine\n");
  EXPECT_EQ(view().touched(Touch::Kind::kFoundDenied), std::vector<std::string>{"big"});
}

TEST_F(Contents, AcrossEveryBoundary) {
  view();
  // Through the pages, through the requests of read-ahead, through the blocks of a verdict.
  ASSERT_EQ(outside("python3 - <<'EOF'\n"
                    "b = bytearray(b'.' * (3 << 20))\n"
                    "for at in (4096, 8192, 131072, 262144, 1 << 20, 2 << 20):\n"
                    "  for shift in (1, 19, 37):\n"
                    "    p = at - shift + (shift - 19) * 64\n"
                    "    b[p:p+38] = b'" +
                    kValue +
                    "'\n"
                    "b[-38:] = b'" +
                    kValue +
                    "'\n"
                    "open('big', 'wb').write(b)\n"
                    "open('old', 'wb').write(b)\n"
                    "EOF")
                .status,
            0);
  for (const std::string use :
       {"cat big", "dd if=big bs=4095 2>/dev/null", "dd if=big bs=1M iflag=direct 2>/dev/null",
        "dd if=big bs=4096 iflag=direct 2>/dev/null", "dd if=big bs=12288 iflag=direct 2>/dev/null",
        "python3 -c \"import mmap,sys; f=open('old'); "
        "sys.stdout.buffer.write(mmap.mmap(f.fileno(),0,prot=1)[:])\""}) {
    const Result result = inside(use);
    EXPECT_EQ(result.output.size(), 3u << 20) << use;
    for (std::size_t part = 0; part + 8 <= kValue.size(); ++part) {
      EXPECT_EQ(result.output.find(kValue.substr(part, 8)), std::string::npos) << use;
    }
    EXPECT_EQ(std::count(result.output.begin(), result.output.end(), '*'), 19 * 38) << use;
  }
}

TEST_F(Contents, AFileThatGrowsOrChangesIsJudgedAsItDoes) {
  view();
  outside("echo first > log");
  EXPECT_EQ(inside("cat log").output, "first\n");
  outside("echo " + kValue + " >> log");
  outlive_caches();
  EXPECT_EQ(inside("cat log").output, "first\n" + kStars + "\n");
  outside("echo other > new; mv new log");
  outlive_caches();
  EXPECT_EQ(inside("cat log").output, "other\n");
  outside("echo " + kValue + " > new; mv new log");
  outlive_caches();
  EXPECT_EQ(inside("cat log").output, kStars + "\n");
}

TEST_F(Contents, NoByteOfItUnderAConcurrentWriter) {
  view();
  outside("head -c 100000 /dev/zero | tr '\\0' x > hot");
  std::atomic<bool> done = false;
  std::thread writer([&] {
    while (!done) {
      run_outside(view().real(),
                  "python3 - <<'EOF'\n"
                  "import os\n"
                  "f = os.open('hot', os.O_RDWR)\n"
                  "for i in range(2000):\n"
                  "  os.pwrite(f, b'" +
                      kValue +
                      "', 4000 + i % 7); os.pwrite(f, b'x' * 50, 3998)\n"
                      "EOF");
    }
  });
  for (int i = 0; i < 20; ++i) {
    EXPECT_FALSE(
        leaks_whole(inside("for i in 1 2 3 4 5 6 7 8; do cat hot; "
                           "dd if=hot bs=4096 iflag=direct 2>/dev/null; done")));
  }
  done = true;
  writer.join();
}

TEST_F(Contents, NothingWritesTheStarsBack) {
  view();
  outside("printf 'key=" + kValue + "\\n' | tee a b c d e >/dev/null; mkdir dir; mv e dir");
  for (const std::string use :
       {"sed -i s/key/name/ a", "cat b > t; cat t > b", "cp c t; mv t c", "cat a; rm a",
        "cat a; ln t l; mv l a", "cat d; truncate -s 3 d", "cat d; echo >> d", "cat d; chmod 666 d",
        "cat d; : > d", "cat d; mv d x", "cat d; touch d",
        "cat dir/e; mv dir moved; cat moved/e > t; cp t moved/e",
        "python3 -c \"import mmap; f=open('b','r+'); m=mmap.mmap(f.fileno(),0); m[0:1]=b'X'; "
        "m.flush()\""}) {
    EXPECT_NE(inside("set -e; " + use).status, 0) << use;
  }
  EXPECT_EQ(outside("cat a b c d */e").output, [] {
    std::string all;
    for (int i = 0; i < 5; ++i) {
      all += "key=" + kValue + "\n";
    }
    return all;
  }());
  EXPECT_EQ(inside("stat -c %A a").output, "-r--r--r--\n");
}

TEST_F(Contents, WhatIsWrittenNextToItDoesNotShowIt) {
  view();
  outside("printf 'key=" + kValue + "\\n' | tee a b c >/dev/null");
  // Half a value is none.
  EXPECT_NE(inside("truncate -s 30 a").status, 0);
  EXPECT_NE(inside("dd if=/dev/zero of=b bs=1 count=8 conv=notrunc 2>&1").status, 0);
  EXPECT_NE(inside("fallocate -p -o 0 -l 8 c").status, 0);
  EXPECT_FALSE(leaks(inside("cat a b c; tail -c 20 a")));
  EXPECT_EQ(outside("cat a b c | grep -c " + kValue).output, "3\n");
}

TEST_F(Contents, TheBoxReadsWhatItWrote) {
  view();
  EXPECT_EQ(inside("echo " + kValue +
                   " > own; cat own; echo more >> own; mv own name; cat name; "
                   "dd if=name bs=4096 iflag=direct 2>/dev/null")
                .output,
            kValue + "\n" + kValue + "\nmore\n" + kValue + "\nmore\n");
  EXPECT_TRUE(view().touched(Touch::Kind::kFoundRedacted).empty());
  // Until somebody else has a part in it.
  outside("echo >> name");
  outlive_caches();
  EXPECT_FALSE(leaks(inside("cat name")));
}

TEST_F(Contents, AnEnvironmentFileOfTheBoxsOwn) {
  view();
  EXPECT_EQ(inside("echo A=1 > .env && cat .env && ls -A && echo B=2 >> .env && "
                   "echo A=3 > new && mv new .env && cat .env && find . -type f")
                .output,
            "A=1\n.env\nA=3\n./.env\n");
  outside("echo A=" + kValue + " > .env");
  outlive_caches();
  EXPECT_NE(inside("cat .env").status, 0);
  EXPECT_NE(inside("echo > .env").status, 0);
  EXPECT_NE(inside("echo > new && mv new .env").status, 0);
  EXPECT_EQ(inside("ls -A").output, "new\n");
  EXPECT_TRUE(leaks(outside("cat .env")));
}

TEST_F(Contents, AFileThatHoldsOnlyReferencesIsShown) {
  view();
  outside("echo KEY=op://vault/item/field > .env; echo KEY=" + kValue + " > .env.local");
  EXPECT_EQ(inside("ls -A; cat .env; stat -c %A .env").output,
            ".env\nKEY=op://vault/item/field\n-r--r--r--\n");
  EXPECT_NE(inside("echo >> .env").status, 0);
  EXPECT_NE(inside("rm .env").status, 0);
  EXPECT_NE(inside("echo > new; mv new .env").status, 0);
  outside("echo KEY=" + kValue + " > .env");
  outlive_caches();
  EXPECT_NE(inside("cat .env").status, 0);
  EXPECT_EQ(inside("ls -A").output, "new\n");
  outside("echo KEY=op://vault/item/other > .env");
  outlive_caches();
  EXPECT_EQ(inside("cat .env").output, "KEY=op://vault/item/other\n");
}

TEST_F(Contents, AHiddenFileIsNotTheBoxsForItsName) {
  view();
  outside("echo A=" + kValue + " > .env; echo x > visible");
  EXPECT_NE(inside("echo > .env").status, 0);
  EXPECT_NE(inside("echo > t; mv t .env").status, 0);
  EXPECT_NE(inside("mv visible .env.local").status, 0);
  EXPECT_NE(inside("ln visible .env.local").status, 0);
  EXPECT_TRUE(leaks(outside("cat .env")));
}

TEST_F(Contents, AValueThatBecomesKnownIsTakenOutOfWhatWasSent) {
  view();
  outside("echo later-known > notes");
  EXPECT_EQ(inside("cat notes").output, "later-known\n");
  words.add("later-known");
  EXPECT_EQ(inside("cat notes").output, "later-known\n");  // the kernel's own pages
  view().judge_again();
  Result result;
  for (int i = 0; i < 100; ++i) {
    result = inside("cat notes");
    if (result.output != "later-known\n") {
      break;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  EXPECT_EQ(result.output, "***********\n");
}

TEST_F(Contents, WhatWasSearchedInVainIsNotSearchedAgain) {
  view();
  outside("head -c 5M /dev/urandom | base64 > big; cp big fresh; touch -d '-1 hour' big");
  ASSERT_EQ(inside("cat big fresh | md5sum").output, outside("cat big fresh | md5sum").output);
  // A change time cannot be set: the copy that is changed now is searched each time.
  const std::size_t first = words.searched();
  EXPECT_GE(first, 13u << 20);
  ASSERT_EQ(inside("dd if=big bs=1M iflag=direct 2>/dev/null | md5sum").status, 0);
  EXPECT_GT(words.searched(), first);
}

}  // namespace
}  // namespace agentbox::view
