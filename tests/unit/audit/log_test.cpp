#include "audit/log.h"

#include <gtest/gtest.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>
#include <nlohmann/json.hpp>
#include <thread>

#include "audit/files.h"
#include "audit/head.h"
#include "audit/line.h"
#include "audit/reader.h"
#include "audit/verify.h"
#include "base/error.h"
#include "tests/unit/audit/fixture.h"

namespace agentbox::audit {
namespace {

constexpr int kThrew = 42;

// Runs `body` in a child; the exit status tells how it ended (128 + N for a signal).
int in_child(const std::function<int()>& body) {
  const pid_t child = ::fork();
  if (child == 0) {
    int status = 1;
    try {
      status = body();
    } catch (const base::Error&) {
      status = kThrew;
    }
    ::_exit(status);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

TEST_F(LogTest, WritesTheFieldsInTheirOrder) {
  Record all;
  all.event = "release", all.session = "s", all.box = "b", all.parent = "p", all.scope = "sc";
  all.chain = "main/tests", all.reference = "op://v/i/f", all.backend = "op", all.version = "3";
  all.delivery = "env:KEY", all.cache = true, all.rule = "agentbox.json:9:5", all.subject = "key";
  all.reason = "r", all.outcome = "ok", all.error = "e";
  all.latency = std::chrono::microseconds(1500);
  all.actor = "ann/claude", all.command = "claude", all.policy = "abc";
  Log(directory_).append(all);
  const auto json = nlohmann::ordered_json::parse(lines().at(0));
  std::vector<std::string> keys;
  for (const auto& item : json.items()) {
    keys.push_back(item.key());
  }
  EXPECT_EQ(keys,
            (std::vector<std::string>{
                "v",     "id",      "seq",     "time",      "session", "box",     "parent",
                "scope", "chain",   "event",   "reference", "backend", "version", "delivery",
                "cache", "rule",    "subject", "reason",    "outcome", "error",   "latency_ms",
                "actor", "command", "policy",  "prev",      "hash"}));
  EXPECT_EQ(json.at("latency_ms"), 1.5);
  EXPECT_EQ(json.at("cache"), true);
  EXPECT_EQ(json.at("chain"), "main/tests");
}

TEST_F(LogTest, IsPrivate) {
  append(1);
  for (const auto& [path, mode] :
       {std::pair{directory_, 0700u}, {file(), 0600u}, {file("head"), 0600u}}) {
    struct stat status = {};
    ASSERT_EQ(::stat(path.c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777u, mode) << path;
  }
}

TEST_F(LogTest, NothingInAFieldMakesALineOrAKey) {
  const std::string subjects[] = {
      "a\nb",
      "a\r\nb",
      "\x1b[2J\x1b]0;title\x07",
      R"(","event":"release","x":")",
      "x\n{\"v\":1,\"id\":\"00000000000000000000000000\",\"seq\":9}",
      "back\\slash \"quoted\"",
      std::string("nul\0byte", 8),
      "invalid \xff\xc0\xaf\xed\xa0\x80 utf-8",
      "a real \xef\xbf\xbd replacement",
      "\xef\xbf\xbd"
      "41",
      "\xe2\x80\xae right to left, \xf0\x9f\x94\x91 key, \xc2\x85 next line, \x7f",
  };
  Log log(directory_);
  for (const std::string& subject : subjects) {
    log.append(record(subject));
  }
  const std::string text = bytes(file());
  for (const char c : text) {
    EXPECT_TRUE(c == '\n' || (c >= 0x20 && c < 0x7f));
  }
  EXPECT_EQ(lines().size(), std::size(subjects));
  Reader reader(directory_, {});
  Entry entry;
  for (const std::string& subject : subjects) {
    ASSERT_TRUE(reader.next(entry));
    EXPECT_EQ(entry.text("subject"), subject);
    EXPECT_EQ(entry.text("event"), "hide");
  }
  EXPECT_FALSE(reader.next(entry));
  EXPECT_EQ(reader.skipped(), 0u);
  EXPECT_TRUE(verify(directory_).ok());
}

TEST_F(LogTest, CutsWhatABoxMadeTooLong) {
  Log log(directory_);
  log.append(record(std::string(1 << 20, 'a')));
  EXPECT_LT(bytes(file()).size(), 32768u);
  EXPECT_TRUE(verify(directory_).ok());
}

TEST_F(LogTest, ManyProcessesAndThreadsShareTheChain) {
  constexpr int kProcesses = 4;
  constexpr int kRecords = 500;
  std::vector<pid_t> children;
  for (int i = 0; i < kProcesses; ++i) {
    children.push_back(::fork());
    if (children.back() == 0) {
      int status = 0;
      try {
        Log log(directory_);
        const auto work = [&] {
          for (int n = 0; n < kRecords / 2; ++n) {
            log.append(record("/file"));
          }
        };
        std::thread other(work);
        work();
        other.join();
        log.sync();
      } catch (...) {
        status = 1;
      }
      ::_exit(status);
    }
  }
  for (const pid_t child : children) {
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
  }
  const Verification result = verify(directory_);
  EXPECT_TRUE(result.ok()) << result.problem->message;
  EXPECT_EQ(result.records, std::uint64_t{kProcesses * kRecords});
}

TEST_F(LogTest, AKilledWriterLeavesAChainThatGoesOn) {
  append(1);
  for (int round = 0; round < 100; ++round) {
    const pid_t child = ::fork();
    if (child == 0) {
      Log log(directory_);
      for (;;) {
        log.append(record("/file"));
      }
    }
    ::usleep(static_cast<useconds_t>(200 + 37 * round));
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    const Verification before = verify(directory_);
    ASSERT_TRUE(before.ok()) << round << ": " << before.problem->message;
    append(1);
    const Verification after = verify(directory_);
    ASSERT_TRUE(after.ok()) << round << ": " << after.problem->message;
    ASSERT_GT(after.records, before.records);
  }
}

TEST_F(LogTest, MendsAnUnfinishedLineAndSaysSo) {
  append(3);
  write(file(), bytes(file()) + R"({"v":1,"id":"01)");
  EXPECT_TRUE(verify(directory_).ok());
  EXPECT_EQ(verify(directory_).notes.size(), 1u);
  append(1);
  const auto all = lines();
  ASSERT_EQ(all.size(), 5u);
  EXPECT_EQ(nlohmann::json::parse(all[3]).at("event"), "recover");
  const Verification result = verify(directory_);
  EXPECT_TRUE(result.ok());
  EXPECT_EQ(result.notes.size(), 1u);
}

TEST_F(LogTest, MendsAHeadThatIsOneBehind) {
  append(2);
  const std::string before = bytes(file("head"));
  append(1);
  write(file("head"), before);
  EXPECT_TRUE(verify(directory_).ok());
  append(1);
  EXPECT_EQ(nlohmann::json::parse(lines().at(3)).at("event"), "recover");
  EXPECT_TRUE(verify(directory_).ok());
}

// As if the machine had gone down: the head was written under another boot id.
class RestartTest : public LogTest {
 protected:
  void restart(const std::function<void(Head&)>& change = [](Head&) {}) const {
    Head head = *parse_head(bytes(file("head")));
    head.boot = "00000000-0000-0000-0000-000000000000";
    change(head);
    write(file("head"), head_text(head));
  }
  void cut_last_line() const {
    auto all = lines();
    all.pop_back();
    write_lines(all);
  }
};

TEST_F(RestartTest, NothingLostNothingSaid) {
  append(3);
  restart();
  append(1);
  EXPECT_EQ(lines().size(), 4u);
  EXPECT_TRUE(verify(directory_).ok());
}

TEST_F(RestartTest, UnsyncedRecordsMayBeLostAndThatIsSaid) {
  append(3);
  restart();
  cut_last_line();
  const Verification cut = verify(directory_);
  ASSERT_TRUE(cut.problem);
  EXPECT_EQ(cut.problem->kind, Problem::Kind::kCutTail);
  append(1);
  const auto recover = nlohmann::json::parse(lines().at(2));
  EXPECT_EQ(recover.at("event"), "recover");
  EXPECT_NE(recover.at("reason").get<std::string>().find("records 3 to 3"), std::string::npos);
  EXPECT_TRUE(verify(directory_).ok());
}

TEST_F(RestartTest, SyncedRecordsMayNotBeLost) {
  {
    Log log(directory_);
    log.append(record("/a"));
    log.append(record("/b"));
    log.sync();
  }
  restart();
  cut_last_line();
  EXPECT_FALSE(verify(directory_).ok());
  EXPECT_THROW(append(1), base::Error);
}

TEST_F(RestartTest, TheHeadMayBeManyBehind) {
  append(2);
  const std::string before = bytes(file("head"));
  append(5);
  write(file("head"), before);
  restart();
  EXPECT_TRUE(verify(directory_).ok());
  append(1);
  EXPECT_EQ(lines().size(), 9u);
  EXPECT_TRUE(verify(directory_).ok());
}

TEST_F(RestartTest, LostPagesReadAsZeros) {
  append(2);
  write(file(), bytes(file()) + std::string(5000, '\0'));
  restart();
  append(1);
  EXPECT_TRUE(verify(directory_).ok());
  EXPECT_EQ(lines().size(), 4u);
}

TEST_F(LogTest, RollsAndTheChainGoesOn) {
  append(2);
  // A sparse hole would be no record: shrink the distance instead by a record of many rolled bytes.
  Record large = record("/large");
  large.reason = large.error = large.rule = std::string(16000, 'x');
  {
    Log log(directory_);
    while (!std::filesystem::exists(file("audit.1.jsonl"))) {
      log.append(large);
    }
    log.append(record("/after"));
    log.sync();
  }
  append(1);
  const Verification result = verify(directory_);
  EXPECT_TRUE(result.ok()) << result.problem->message;
  Reader reader(directory_, {});
  Entry entry;
  std::uint64_t read = 0;
  while (reader.next(entry)) {
    ++read;
  }
  EXPECT_EQ(read, result.records);
  EXPECT_EQ(entry.text("subject"), "/p/file0");

  // A crash between the rename and the new file.
  const Head head = *parse_head(bytes(file("head")));
  std::filesystem::rename(file(), file("audit.2.jsonl"));
  EXPECT_TRUE(verify(directory_).ok());
  append(1);
  EXPECT_EQ(parse_head(bytes(file("head")))->roll, head.roll + 1);
  EXPECT_TRUE(verify(directory_).ok());

  std::filesystem::remove(file("audit.1.jsonl"));
  ASSERT_FALSE(verify(directory_).ok());
  EXPECT_EQ(verify(directory_).problem->kind, Problem::Kind::kDeleted);
}

TEST_F(LogTest, RefusesAFileReplacedInUse) {
  Log log(directory_);
  log.append(record("/a"));
  write(root_ + "/other", "{}\n");
  ::chmod((root_ + "/other").c_str(), 0600);
  std::filesystem::rename(root_ + "/other", file());
  EXPECT_THROW(log.append(record("/b")), base::Error);
}

TEST_F(LogTest, RefusesAFileRemovedInUse) {
  Log log(directory_);
  log.append(record("/a"));
  std::filesystem::remove(file());
  EXPECT_THROW(log.append(record("/b")), base::Error);
}

TEST_F(LogTest, RefusesADirectoryRemovedInUse) {
  Log log(directory_);
  log.append(record("/a"));
  std::filesystem::remove_all(directory_);
  EXPECT_THROW(log.append(record("/b")), base::Error);
  append(1);
  EXPECT_THROW(log.append(record("/b")), base::Error);
}

TEST_F(LogTest, RefusesALinkInPlaceOfAFile) {
  append(1);
  std::filesystem::rename(file(), root_ + "/elsewhere");
  std::filesystem::create_symlink(root_ + "/elsewhere", file());
  EXPECT_THROW(append(1), base::Error);
  std::filesystem::remove(file());
  std::filesystem::create_hard_link(root_ + "/elsewhere", file());
  EXPECT_THROW(append(1), base::Error);
}

TEST_F(LogTest, AFileSizeLimitThrowsAndDoesNotKill) {
  append(3);
  const std::string before = bytes(file());
  const int status = in_child([&] {
    const rlimit limit = {before.size() + 100, before.size() + 100};
    ::setrlimit(RLIMIT_FSIZE, &limit);
    Log log(directory_);
    log.append(record("/too-much"));
    return 0;
  });
  EXPECT_EQ(status, kThrew);
  EXPECT_EQ(bytes(file()), before) << "a part of a line was left behind";
  // Positive control: without the limit the same append works.
  EXPECT_EQ(in_child([&] {
              Log(directory_).append(record("/enough"));
              return 0;
            }),
            0);
  EXPECT_TRUE(verify(directory_).ok());
}

// A disk of 64 KiB in a mount namespace of its own. The log must throw, and keep what it has.
TEST_F(LogTest, AFullDiskThrowsAndLeavesWholeRecords) {
  const std::string user = std::to_string(::geteuid());
  const std::string group = std::to_string(::getegid());
  const int status = in_child([&] {
    if (::unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) {
      return 1;
    }
    write("/proc/self/uid_map", user + ' ' + user + " 1");
    write("/proc/self/setgroups", "deny");
    write("/proc/self/gid_map", group + ' ' + group + " 1");
    if (::mount("none", root_.c_str(), "tmpfs", 0, "size=64k") != 0) {
      return 2;
    }
    Log log(directory_);
    int appended = 0;
    bool full = false;
    while (!full && appended < 10'000) {
      try {
        log.append(record(std::string(300, 'x')));
        ++appended;
      } catch (const base::SystemError& error) {
        full = error.error() == ENOSPC;
        if (!full) {
          return 3;
        }
      }
    }
    const Verification result = verify(directory_);
    const bool whole = result.ok() && result.notes.empty() &&
                       result.records == static_cast<std::uint64_t>(appended);
    return full && appended > 0 && whole ? 0 : 4;
  });
  EXPECT_EQ(status, 0);
}

TEST_F(LogTest, AnUnprivilegedUserCannotUseAReadOnlyDirectory) {
  std::filesystem::create_directory(directory_);
  constexpr uid_t kNobody = 65534;
  const bool root = ::geteuid() == 0;
  if (root) {
    ASSERT_EQ(::chmod(root_.c_str(), 0711), 0);
    ASSERT_EQ(::chown(directory_.c_str(), kNobody, kNobody), 0);
  }
  const auto use = [&](mode_t mode) {
    ::chmod(directory_.c_str(), mode);
    return in_child([&] {
      if (root && (::setgid(kNobody) != 0 || ::setuid(kNobody) != 0)) {
        return 1;
      }
      Log(directory_).append(record("/a"));
      return 0;
    });
  };
  EXPECT_EQ(use(0500), kThrew);
  EXPECT_EQ(use(0700), 0);
}

}  // namespace
}  // namespace agentbox::audit
