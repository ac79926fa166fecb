#include <gtest/gtest.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <regex>
#include <thread>

#include "audit/id.h"
#include "audit/moment.h"
#include "audit/reader.h"
#include "audit/render.h"
#include "audit/report.h"
#include "audit/tree.h"
#include "base/unique_fd.h"
#include "tests/unit/audit/fixture.h"

namespace agentbox::audit {
namespace {

class ReadTest : public LogTest {
 protected:
  std::string table() const {
    std::ostringstream out;
    Table table(out, false);
    Reader reader(directory_, {});
    Entry entry;
    while (reader.next(entry)) {
      table.add(entry);
    }
    return out.str();
  }
  std::string report() const {
    std::ostringstream out;
    write_report(directory_, {}, out);
    return out.str();
  }
  int count(const Filter& filter) const {
    Reader reader(directory_, filter);
    Entry entry;
    int n = 0;
    while (reader.next(entry)) {
      ++n;
    }
    return n;
  }
};

TEST_F(ReadTest, Filters) {
  Log log(directory_);
  Record other = record("/a");
  log.append(other);
  other.session = "02other";
  other.event = "connect";
  log.append(other);
  EXPECT_EQ(count({}), 2);
  EXPECT_EQ(count({.session = "02other", .event = {}, .since = {}}), 1);
  EXPECT_EQ(count({.session = "ther", .event = {}, .since = {}}), 1);
  EXPECT_EQ(count({.session = {}, .event = "hide", .since = {}}), 1);
  EXPECT_EQ(count({.session = {}, .event = "release", .since = {}}), 0);
  const Moment now =
      std::chrono::time_point_cast<std::chrono::microseconds>(std::chrono::system_clock::now());
  EXPECT_EQ(count({.session = {}, .event = {}, .since = now - std::chrono::hours(1)}), 2);
  EXPECT_EQ(count({.session = {}, .event = {}, .since = now + std::chrono::hours(1)}), 0);
  EXPECT_EQ(last_session(directory_), "02other");
}

TEST_F(ReadTest, AnAbsentLogIsEmpty) {
  EXPECT_EQ(count({}), 0);
  EXPECT_EQ(last_session(directory_), "");
}

TEST_F(ReadTest, FollowsWhatIsWritten) {
  append(1);
  const base::UniqueFd stop(::eventfd(0, EFD_CLOEXEC));
  Reader reader(directory_, {});
  Entry entry;
  std::thread writer([&] { append(50); });
  int read = 0;
  do {
    while (reader.next(entry)) {
      ++read;
    }
  } while (read < 51 && reader.wait(stop.get()));
  writer.join();
  EXPECT_EQ(read, 51);
  const std::uint64_t one = 1;
  ASSERT_EQ(::write(stop.get(), &one, sizeof one), 8);
  while (reader.wait(stop.get())) {
  }
}

TEST_F(ReadTest, SurvivesGarbage) {
  append(2);
  write(file(), bytes(file()) + "garbage\n[1,2]\n{\"event\":5,\"subject\":{}}\n\xff\xfe\n" +
                    std::string(3 << 20, '{') + "\n");
  EXPECT_EQ(count({}), 3);
  EXPECT_NE(table().find("/p/file1"), std::string::npos);
  EXPECT_NE(report().find("broken line"), std::string::npos);
}

TEST_F(ReadTest, ATableRowIsOneSafeLine) {
  Log log(directory_);
  log.append(record("/a\n2026-01-01 00:00:00 forged\x1b[2J\xe2\x80\xae"));
  const std::string text = table();
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 2);
  EXPECT_EQ(text.find('\x1b'), std::string::npos);
  EXPECT_EQ(text.find("\xe2\x80\xae"), std::string::npos);
  EXPECT_NE(text.find("forged\\x1b[2J"), std::string::npos);
}

TEST_F(ReadTest, ATreeShowsWhoStartedWhom) {
  Log log(directory_);
  log.append(record("/a"));
  Record child = record("");
  child.event = "spawn";
  child.outcome = "started";
  child.box = "02child";
  child.parent = "01box";
  child.scope = "tests";
  child.command = "npm";
  child.rule = "agentbox.json:3:1: spawn tests";
  child.reason = "to\nsee";
  log.append(child);
  Record released = child;
  released.event = "release";
  released.outcome = "ok";
  released.subject = "database";
  released.delivery = "env:DB";
  log.append(released);
  log.append(released);
  Record ended = child;
  ended.event = "box";
  ended.outcome = "end";
  ended.reason = "exit status 3";
  log.append(ended);
  // A refused one has no box; a second refusal is not the first one's child.
  Record refused = child;
  refused.box = "";
  refused.scope = "deploy";
  refused.outcome = "refused";
  refused.reason = "the policy says no";
  log.append(refused);
  log.append(refused);
  Record self = record("/c");  // as nobody but a forger writes it
  self.box = self.parent = "03self";
  log.append(self);
  Tree tree;
  Reader reader(directory_, {});
  Entry entry;
  while (reader.next(entry)) {
    tree.add(entry);
  }
  std::ostringstream out;
  tree.print(out);
  const std::string text = out.str();
  EXPECT_EQ(text.substr(text.find('\n') + 1),
            "  box 01box  scope main\n"
            "    refused scope deploy: npm (the policy says no)\n"
            "    refused scope deploy: npm (the policy says no)\n"
            "    hide hidden 1\n"
            "      box 2child  scope tests  npm  exit status 3\n"
            "        started by agentbox.json:3:1: spawn tests\n"
            "        reason: to\\x0asee\n"
            "        secret database (env:DB)\n"
            "  box 03self  scope main\n"
            "    hide hidden 1\n");
}

TEST_F(ReadTest, AReportEscapesAndTellsTheState) {
  {
    Log log(directory_);
    log.append(record("/<script>alert('x')</script>&\"\x1b"));
    Record released = record("database");
    released.event = "release";
    released.delivery = "env:DATABASE_URL";
    log.append(released);
  }
  const std::string good = report();
  EXPECT_EQ(good.find("<script"), std::string::npos);
  EXPECT_NE(good.find("&lt;script&gt;"), std::string::npos);
  EXPECT_EQ(good.find('\x1b'), std::string::npos);
  EXPECT_NE(good.find("The chain is whole"), std::string::npos);
  EXPECT_NE(good.find("database -&gt; env:DATABASE_URL"), std::string::npos);
  std::string changed = bytes(file());
  changed.replace(changed.find("database"), 8, "DATABASE");
  write(file(), changed);
  EXPECT_NE(report().find("The log was changed"), std::string::npos);
}

// The recipe of docs/audit.md, as it stands there.
TEST_F(ReadTest, TheDocumentedVerifierWorks) {
  const auto root = std::filesystem::path(AGENTBOX_SOURCE_DIR);
  const std::string page = bytes((root / "docs/audit.md").string());
  const std::size_t start = page.find("```python\n");
  ASSERT_NE(start, std::string::npos);
  const std::string code = page.substr(start + 10, page.find("\n```", start) - start - 9);
  write(root_ + "/verify.py", code);
  const auto run = [&] {
    const std::string command =
        "python3 " + root_ + "/verify.py " + directory_ + " >/dev/null 2>&1";
    return WEXITSTATUS(std::system(command.c_str()));
  };
  append(5);
  Log(directory_).append(record("\xff \"quoted\" \xc3\xa9 \x1b"));
  EXPECT_EQ(run(), 0);
  const std::string all = bytes(file());
  std::string changed = all;
  changed.replace(changed.find("file2"), 5, "file9");
  write(file(), changed);
  EXPECT_EQ(run(), 1);
  write(file(), all.substr(0, all.rfind('\n', all.size() - 2) + 1));
  EXPECT_EQ(run(), 1);
  write(file(), all);
  EXPECT_EQ(run(), 0);
}

TEST(Id, IsUniqueAndSorts) {
  const std::string first = new_id();
  EXPECT_TRUE(std::regex_match(first, std::regex("[0-9a-hjkmnp-tv-z]{26}")));
  EXPECT_NE(first, new_id());
  ::usleep(2000);
  EXPECT_LT(first, new_id());
}

TEST(Moment, WritesAndReads) {
  const Moment moment{std::chrono::microseconds(1'769'846'950'123'456)};
  EXPECT_EQ(moment_text(moment), "2026-01-31T08:09:10.123456Z");
  const auto text = [&](std::string_view since) {
    const auto parsed = parse_moment(since, moment);
    return parsed ? moment_text(*parsed) : "none";
  };
  EXPECT_EQ(text("10s"), "2026-01-31T08:09:00.123456Z");
  EXPECT_EQ(text("2h"), "2026-01-31T06:09:10.123456Z");
  EXPECT_EQ(text("31d"), "2025-12-31T08:09:10.123456Z");
  EXPECT_EQ(text("2026-01-30"), "2026-01-30T00:00:00.000000Z");
  EXPECT_EQ(text("2026-01-30T01:02"), "2026-01-30T01:02:00.000000Z");
  EXPECT_EQ(text("2026-01-30T01:02:03Z"), "2026-01-30T01:02:03.000000Z");
  for (const char* bad : {"", "h", "-2h", "2w", "2026-02-30", "2026-1-1", "2026-01-30T24:00",
                          "yesterday", "99999999999999999999d", "2026-01-30 01:02"}) {
    EXPECT_EQ(text(bad), "none") << bad;
  }
}

}  // namespace
}  // namespace agentbox::audit
