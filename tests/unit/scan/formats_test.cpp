#include "launcher/scan/formats.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace agentbox::scan {
namespace {

Finding finding(const std::string& path, policy::Detect action, GitState git) {
  Finding one;
  one.path = path;
  one.line = 2;
  one.column = 3;
  one.end_line = 2;
  one.end_column = 9;
  one.kind = "some-kind";
  one.title = "Some kind";
  one.action = action;
  one.git = git;
  return one;
}

nlohmann::json sarif(const Report& report) {
  return nlohmann::json::parse(to_sarif(report, "1.2.3"))["runs"][0];
}

TEST(Status, AddsUp) {
  Report report;
  EXPECT_EQ(status_of(report), 0);
  report.hidden.push_back({.path = ".env", .rule = {}, .link_of = {}, .holds_secret = true});
  EXPECT_EQ(status_of(report), 0);
  report.unreadable.push_back({"a", EACCES});
  EXPECT_EQ(status_of(report), 2);
  report.findings.push_back(finding("a", policy::Detect::kRedact, GitState::kNone));
  EXPECT_EQ(status_of(report), 3);
  report.unreadable.clear();
  EXPECT_EQ(status_of(report), 1);
  report.findings.clear();
  report.in_git.push_back({});
  EXPECT_EQ(status_of(report), 1);
  report = {};
  report.git_failures.push_back({});
  EXPECT_EQ(status_of(report), 2);
}

TEST(Text, CutsLongLists) {
  Report report;
  for (int i = 0; i < 1234; ++i) {
    report.findings.push_back(finding("a", policy::Detect::kRedact, GitState::kNone));
  }
  const std::string text = to_text(report, {.most = 3});
  EXPECT_NE(text.find("… and 1,231 more"), std::string::npos) << text;
  EXPECT_LT(std::count(text.begin(), text.end(), '\n'), 12);
}

TEST(Text, BeginsWithWhatGitHas) {
  Report report;
  report.findings = {finding("a", policy::Detect::kRedact, GitState::kIgnored),
                     finding("b", policy::Detect::kRedact, GitState::kUntracked),
                     finding("c", policy::Detect::kRedact, GitState::kTracked)};
  const std::string text = to_text(report, {.most = 1});
  EXPECT_NE(text.find("c:2:3"), std::string::npos) << text;
  EXPECT_EQ(text.find("a:2:3"), std::string::npos) << text;
  EXPECT_NE(text.find("out of c,"), std::string::npos) << text;
}

TEST(Text, IsColouredOnlyIfAskedFor) {
  Report report;
  report.findings.push_back(finding("a\x1b[2Jb", policy::Detect::kRedact, GitState::kNone));
  report.in_git.push_back({.path = "c\x1b[2Jd",
                           .repository = "\x1b[2J",
                           .ignore_file = "\x1b[2J/.gitignore",
                           .ignore_line = "/c\x1b[2Jd"});
  EXPECT_EQ(to_text(report, {}).find('\x1b'), std::string::npos);
  const std::string coloured = to_text(report, {.coloured = true});
  EXPECT_NE(coloured.find("\x1b[1;31m"), std::string::npos);
  EXPECT_EQ(coloured.find("\x1b[2J"), std::string::npos);
}

TEST(Sarif, LevelsSayHowFarASecretGoes) {
  Report report;
  report.findings = {finding("a", policy::Detect::kRedact, GitState::kIgnored),
                     finding("b", policy::Detect::kRedact, GitState::kTracked),
                     finding("c", policy::Detect::kReport, GitState::kIgnored),
                     finding("d", policy::Detect::kDeny, GitState::kUntracked)};
  const nlohmann::json run = sarif(report);
  std::vector<std::string> levels;
  for (const nlohmann::json& result : run["results"]) {
    levels.push_back(result["level"]);
  }
  EXPECT_EQ(levels, (std::vector<std::string>{"warning", "error", "error", "error"}));
  EXPECT_EQ(run["tool"]["driver"]["rules"].size(), 1u);
  EXPECT_EQ(run["tool"]["driver"]["version"], "1.2.3");
}

TEST(Sarif, EncodesPaths) {
  Report report;
  report.findings = {finding("a b/\xff%#?:ä.c", policy::Detect::kRedact, GitState::kNone)};
  const nlohmann::json run = sarif(report);
  EXPECT_EQ(run["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"],
            "a%20b/%FF%25%23%3F%3A%C3%A4.c");
}

TEST(Sarif, SaysWhatCouldNotBeRead) {
  Report report;
  report.unreadable.push_back({"a", EACCES});
  report.git_failures.push_back({"", "why", ""});
  const nlohmann::json run = sarif(report);
  EXPECT_EQ(run["invocations"][0]["executionSuccessful"], false);
  EXPECT_EQ(run["invocations"][0]["exitCode"], 2);
  EXPECT_EQ(run["invocations"][0]["toolExecutionNotifications"].size(), 2u);
}

TEST(Json, IsExactAboutPathsThatAreNoText) {
  Report report;
  report.findings = {finding("a\xff", policy::Detect::kDeny, GitState::kNone)};
  const nlohmann::json object = nlohmann::json::parse(to_json(report));
  EXPECT_EQ(object["findings"][0]["path"], "a\\xff");
  EXPECT_EQ(object["findings"][0]["path_hex"], "61ff");
  EXPECT_EQ(object["findings"][0]["action"], "deny");
  EXPECT_FALSE(object["findings"][0].contains("copy_of"));
}

}  // namespace
}  // namespace agentbox::scan
