#include "launcher/survey/walk.h"

#include <dirent.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <mutex>
#include <random>
#include <set>
#include <thread>

#include "base/error.h"
#include "base/file.h"
#include "policy/floor.h"

namespace agentbox::survey {
namespace {

namespace fs = std::filesystem;

struct Seen {
  unsigned char type = 0;
  policy::FileAction action = policy::FileAction::kShow;
  bool below_hidden = false;

  bool operator==(const Seen&) const = default;
};

class WalkTest : public testing::Test {
 protected:
  WalkTest() {
    std::string name = fs::temp_directory_path() / "agentbox-walk-XXXXXX";
    place_ = ::mkdtemp(name.data());
    root_ = place_ / "root";
    fs::create_directory(root_);
  }
  // Of any depth, with directories that are closed to their owner.
  ~WalkTest() override {
    const std::string command =
        "chmod -R u+rwx '" + place_.string() + "' 2>/dev/null; rm -rf '" + place_.string() + "'";
    EXPECT_EQ(std::system(command.c_str()), 0);
  }

  void write(const std::string& path) {
    fs::create_directories((root_ / path).parent_path());
    std::ofstream(root_ / path) << "x";
  }

  Options options() {
    root_fd_ = base::open_at(AT_FDCWD, root_, O_PATH | O_DIRECTORY);
    return {.root = root_fd_.get(), .prefix = {}};
  }

  std::map<std::string, Seen> seen(const Options& options) {
    std::map<std::string, Seen> all;
    std::mutex mutex;
    walk(options, [&](const Entry& entry) {
      const std::lock_guard lock(mutex);
      EXPECT_TRUE(
          all.emplace(entry.path, Seen{entry.type, entry.decision.action, entry.below_hidden})
              .second)
          << entry.path << " was met twice";
      const fs::path path = entry.path;
      EXPECT_EQ(path.filename(), fs::path(entry.name));
      EXPECT_TRUE(path.parent_path().empty() || all.contains(path.parent_path())) << entry.path;
      return true;
    });
    return all;
  }

  // The same by the standard library and by judging each whole path.
  std::map<std::string, Seen> expected(const policy::FileRules* rules, const std::string& prefix) {
    std::map<std::string, Seen> all;
    for (const auto& entry : fs::recursive_directory_iterator(root_)) {
      const fs::path path = entry.path().lexically_relative(root_);
      Seen one;
      one.type = entry.is_symlink() ? DT_LNK : entry.is_directory() ? DT_DIR : DT_REG;
      if (rules != nullptr) {
        one.action = rules->judge(prefix + path.string(), one.type == DT_DIR).action;
        one.below_hidden = rules->judge(prefix + path.parent_path().string(), true).action ==
                           policy::FileAction::kHide;
      }
      all[path] = one;
    }
    return all;
  }

  fs::path place_, root_;
  base::UniqueFd root_fd_;
};

TEST_F(WalkTest, FindsWhatTheStandardLibraryFinds) {
  policy::Policy policy = policy::floor_policy();
  policy.files.hide.push_back({.text = "**/vault", .place = {"test", 1, 1}});
  policy.files.hide.push_back({.text = "sub/a/plain", .place = {"test", 1, 1}});
  const policy::FileRules rules(policy);
  const std::vector<std::string> names = {"a", "vault",  "plain",  ".env",  "secrets.json", "b.d",
                                          "c", ".npmrc", "id_rsa", "x.pem", "HEAD",         ".git"};
  std::mt19937 random(4711);
  for (int round = 0; round < 20; ++round) {
    for (int i = 0; i < 60; ++i) {
      fs::path path = root_;
      for (auto depth = random() % 6; depth > 0; --depth) {
        path /= names[random() % names.size()] + std::to_string(random() % 2);
        std::error_code error;
        fs::create_directory(path, error);
      }
      path /= names[random() % names.size()];
      std::error_code error;
      switch (random() % 3) {
        case 0:
          fs::create_directory(path, error);
          break;
        case 1:
          fs::create_directory_symlink(random() % 2 == 0 ? "/" : "..", path, error);
          break;
        default:
          std::ofstream(path) << "x";
      }
    }
    for (const unsigned threads : {1u, 2u, 7u}) {
      for (const std::string prefix : {"", "sub", "vault/x"}) {
        Options options = this->options();
        options.files = &rules;
        options.prefix = prefix;
        options.threads = threads;
        EXPECT_EQ(seen(options), expected(&rules, prefix.empty() ? "" : prefix + "/"));
      }
    }
    EXPECT_EQ(seen(options()), expected(nullptr, ""));
  }
}

TEST_F(WalkTest, StaysOutOfWhatItIsToldTo) {
  write("in/file");
  write("out/file");
  std::set<std::string> met;
  Options options = this->options();
  options.threads = 1;
  walk(options, [&](const Entry& entry) {
    met.insert(std::string(entry.path));
    return entry.name != "out";
  });
  EXPECT_EQ(met, (std::set<std::string>{"in", "in/file", "out"}));
}

TEST_F(WalkTest, SharesALargeDirectory) {
  constexpr std::size_t kFiles = 20'000;
  fs::create_directory(root_ / "d");
  for (std::size_t i = 0; i < kFiles; ++i) {
    std::ofstream(root_ / "d" / ("file-" + std::to_string(i)));
  }
  std::atomic<std::size_t> progress = 0;
  Options options = this->options();
  options.threads = 4;
  options.progress = &progress;
  EXPECT_EQ(seen(options).size(), kFiles + 1);
  EXPECT_EQ(progress, kFiles + 1);
}

TEST_F(WalkTest, TakesNamesOfAnyBytes) {
  for (const std::string& name :
       {std::string("new\nline"), std::string("\xff\xfe\x80"), std::string("\x1b[31m"),
        std::string(255, 'n'), std::string("..."), std::string(" "), std::string("a\\b")}) {
    write(name + "/" + name);
  }
  EXPECT_EQ(seen(options()), expected(nullptr, ""));
}

TEST_F(WalkTest, TellsWhichDirectoriesAreClosed) {
  if (::geteuid() == 0) {
    GTEST_SKIP() << "no directory is closed to root; the run as an unprivileged user shows it";
  }
  write("closed/file");
  write("unsearchable/file");
  write("open/file");
  fs::permissions(root_ / "closed", fs::perms::none);
  fs::permissions(root_ / "unsearchable", fs::perms::owner_read);
  std::map<std::string, int> unlisted;
  std::mutex mutex;
  Options options = this->options();
  options.unlisted = [&](std::string_view path, int error) {
    const std::lock_guard lock(mutex);
    unlisted[std::string(path)] = error;
  };
  const auto all = seen(options);
  EXPECT_TRUE(all.contains("closed"));
  EXPECT_FALSE(all.contains("closed/file"));
  EXPECT_TRUE(all.contains("unsearchable/file"));
  EXPECT_TRUE(all.contains("open/file"));
  EXPECT_EQ(unlisted, (std::map<std::string, int>{{"closed", EACCES}}));
}

TEST_F(WalkTest, RefusesARootThatItCannotList) {
  write("file");
  const base::UniqueFd file = base::open_at(AT_FDCWD, root_ / "file", O_PATH);
  Options options{.root = file.get(), .prefix = {}};
  EXPECT_THROW(walk(options, [](const Entry&) { return true; }), base::SystemError);
}

TEST_F(WalkTest, ThrowsOnWhatTheVisitorThrows) {
  for (int i = 0; i < 100; ++i) {
    write("d" + std::to_string(i) + "/file");
  }
  EXPECT_THROW(walk(options(),
                    [](const Entry& entry) -> bool {
                      if (entry.path == "d50/file") {
                        throw std::out_of_range("enough");
                      }
                      return true;
                    }),
               std::out_of_range);
}

TEST_F(WalkTest, EndsWhenTold) {
  for (int i = 0; i < 200; ++i) {
    write("d" + std::to_string(i) + "/file");
  }
  std::atomic<bool> stop = false;
  std::atomic<int> count = 0;
  Options options = this->options();
  options.stop = &stop;
  walk(options, [&](const Entry&) {
    stop = ++count >= 10;
    return true;
  });
  EXPECT_LE(count, 10 + 2);
}

// Deeper than a path may be long or a stack hold, with more directories on the way that wait than a
// process may have open.
TEST_F(WalkTest, GoesDownAnyDepthWithFewDescriptors) {
  constexpr int kDepth = 10'000;
  base::UniqueFd at = base::open_at(AT_FDCWD, root_, O_RDONLY | O_DIRECTORY);
  for (int i = 0; i < kDepth; ++i) {
    // First or last by turns: whatever the order of a listing, the others of half the levels wait.
    for (const char* name :
         {i % 2 == 0 ? "left" : "other", "right", i % 2 == 0 ? "other" : "left"}) {
      ASSERT_EQ(::mkdirat(at.get(), name, 0700), 0);
    }
    at = base::open_at(at.get(), "left", O_RDONLY | O_DIRECTORY);
  }
  at.reset();
  struct rlimit before = {};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  const struct rlimit few = {512, before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &few), 0);
  const policy::FileRules rules(policy::floor_policy());
  std::atomic<std::size_t> count = 0;
  std::atomic<std::size_t> longest = 0;
  Options options = this->options();
  options.files = &rules;
  options.threads = 1;  // another would see to those that wait
  walk(options, [&](const Entry& entry) {
    ++count;
    if (entry.path.size() > longest) {
      longest = entry.path.size();
    }
    return true;
  });
  EXPECT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
  EXPECT_EQ(count, 3u * kDepth);
  EXPECT_EQ(longest, 5u * kDepth);
}

// Directories are moved and replaced by links to the outside, again and again, while it walks.
TEST_F(WalkTest, DoesNotLeaveTheRootWhileItIsChanged) {
  fs::create_directories(place_ / "outside/deep");
  std::ofstream(place_ / "outside/deep/canary") << "x";
  std::ofstream(place_ / "outside/canary") << "x";
  for (int i = 0; i < 40; ++i) {
    write("d" + std::to_string(i) + "/deep/file");
  }
  std::atomic<bool> stop = false;
  std::jthread mover([&] {
    std::mt19937 random(42);
    while (!stop) {
      const std::string name = root_ / ("d" + std::to_string(random() % 40));
      const std::string aside = name + "-aside";
      if (::rename(name.c_str(), aside.c_str()) == 0) {
        EXPECT_EQ(::symlink((place_ / "outside").c_str(), name.c_str()), 0);
        ::unlink(name.c_str());
        EXPECT_EQ(::rename(aside.c_str(), name.c_str()), 0);
      }
    }
  });
  std::size_t count = 0;
  for (int i = 0; i < 300; ++i) {
    std::atomic<bool> escaped = false;
    std::atomic<std::size_t> files = 0;
    walk(options(), [&](const Entry& entry) {
      escaped = escaped || entry.name == "canary";
      files += entry.name == "file" ? 1 : 0;
      return true;
    });
    EXPECT_FALSE(escaped);
    count += files;
  }
  stop = true;
  EXPECT_GT(count, 300u * 20);  // it did walk
}

// In a child with mounts of its own: 0 if all is well, 77 if it may not mount, else a step's
// number.
int walk_across_mounts(const fs::path& root) {
  const uid_t uid = ::geteuid();
  const gid_t gid = ::getegid();
  if (::unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) {
    return 77;
  }
  std::ofstream("/proc/self/setgroups") << "deny";
  std::ofstream("/proc/self/uid_map") << "0 " << uid << " 1";
  std::ofstream("/proc/self/gid_map") << "0 " << gid << " 1";
  const fs::path inner = root / "inner";
  if (::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
      ::mount("tmpfs", inner.c_str(), "tmpfs", 0, nullptr) != 0) {
    return 77;
  }
  std::ofstream(inner / "in-tmpfs") << "x";
  const auto met = [](const fs::path& from, bool stay) {
    const base::UniqueFd fd = base::open_at(AT_FDCWD, from, O_PATH | O_DIRECTORY);
    std::set<std::string> names;
    std::mutex mutex;
    walk({.root = fd.get(), .prefix = {}, .stay = stay}, [&](const Entry& entry) {
      const std::lock_guard lock(mutex);
      names.insert(std::string(entry.path));
      return true;
    });
    return names;
  };
  if (met(root, true) != std::set<std::string>{"inner"}) {
    return 1;
  }
  if (met(root, false) != std::set<std::string>{"inner", "inner/in-tmpfs"}) {
    return 2;
  }
  return met(inner, true) == std::set<std::string>{"in-tmpfs"} ? 0 : 3;
}

TEST_F(WalkTest, CrossesIntoOtherFileSystemsOnlyIfToldTo) {
  fs::create_directory(root_ / "inner");
  const pid_t child = ::fork();
  if (child == 0) {
    int status = 99;
    try {
      status = walk_across_mounts(root_);
    } catch (...) {
    }
    ::_exit(status);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFEXITED(status));
  if (WEXITSTATUS(status) == 77) {
    GTEST_SKIP() << "this user may not mount in a namespace of its own";
  }
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

}  // namespace
}  // namespace agentbox::survey
