#include "launcher/history/filter.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <memory>

#include "base/error.h"

namespace agentbox::history {
namespace {

namespace fs = std::filesystem;

class FilterTest : public testing::Test {
 protected:
  FilterTest() {
    std::string name = fs::temp_directory_path() / "agentbox-filter-XXXXXX";
    place_ = fs::canonical(::mkdtemp(name.data()));
    fs::create_directory(place_ / "project");
    run("git init -q -b main . && echo plain >plain && echo canary >secret && git add -A &&"
        " git commit -qm one");
    secret_ = run("git rev-parse HEAD:secret");
    plain_ = run("git rev-parse HEAD:plain");
  }
  ~FilterTest() override {
    std::error_code error;
    fs::remove_all(place_, error);
  }

  // The last line that a shell script in the project prints; fails the test if it fails.
  std::string run(const std::string& script) {
    const std::string command =
        "cd '" + (place_ / "project").string() +
        "' && export HOME=/nonexistent GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1"
        " GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@example.com GIT_COMMITTER_NAME=a"
        " GIT_COMMITTER_EMAIL=a@example.com && " +
        script;
    FILE* const pipe = ::popen(command.c_str(), "r");
    std::string last;
    std::array<char, 4096> line = {};
    while (std::fgets(line.data(), line.size(), pipe) != nullptr) {
      last = line.data();
    }
    EXPECT_EQ(::pclose(pipe), 0) << script;
    return last.substr(0, last.find('\n'));
  }

  Report report(const std::string& object, const std::string& type = "blob") {
    Repository repository;
    repository.directory = place_ / "project/.git";
    if (!object.empty()) {
      Secret secret;
      secret.object = object;
      secret.type = type;
      repository.secrets.push_back(secret);
    }
    Report report;
    report.repositories.push_back(repository);
    return report;
  }
  std::vector<Filtered> filter(const Report& report) {
    return make_filters(report, "/usr/bin/git", place_ / "state");
  }
  std::string refusal(const Report& report) {
    try {
      filter(report);
    } catch (const base::Error& error) {
      EXPECT_EQ(error.status(), base::Status::kDenied);
      return error.what();
    }
    return "";
  }
  // Whether git has the object where only the replacement is.
  bool has(const Filtered& filtered, const std::string& object) {
    return run("rm -rf ../alone && git init -q --bare ../alone && echo '" + filtered.replacement +
               "' >../alone/objects/info/alternates &&"
               " (git -C ../alone cat-file -e " +
               object + " 2>/dev/null && echo yes || echo no)") == "yes";
  }

  fs::path place_;
  std::string secret_, plain_;
};

TEST_F(FilterTest, WithoutASecretThereIsNothingToDo) {
  EXPECT_TRUE(filter(report("")).empty());
  EXPECT_FALSE(fs::exists(place_ / "state"));
}

TEST_F(FilterTest, APackIsReplacedByOneWithoutTheSecret) {
  run("git gc -q");
  const std::string before = run("find .git -type f | sort | xargs sha256sum | sha256sum");
  const std::vector<Filtered> made = filter(report(secret_));
  ASSERT_EQ(made.size(), 1U);
  EXPECT_EQ(made[0].directory, place_ / "project/.git");
  ASSERT_EQ(made[0].ids.size(), 1U);
  EXPECT_EQ(made[0].ids[0].hex(), secret_);
  EXPECT_TRUE(has(made[0], plain_));
  EXPECT_FALSE(has(made[0], secret_));
  EXPECT_EQ(run("find .git -type f | sort | xargs sha256sum | sha256sum"), before);
}

TEST_F(FilterTest, MadeOnceForTheSamePacksAndAnewForOthers) {
  run("git gc -q");
  const std::string first = filter(report(secret_))[0].replacement;
  EXPECT_EQ(filter(report(secret_))[0].replacement, first);
  run("echo more >more && git add -A && git commit -qm two && git gc -q");
  const std::string second = filter(report(secret_))[0].replacement;
  EXPECT_NE(second, first);
  EXPECT_FALSE(fs::exists(first));
}

TEST_F(FilterTest, OneThatIsInUseStays) {
  run("git gc -q");
  const std::string first = filter(report(secret_))[0].replacement;
  {
    const base::UniqueFd locked = lock_replacement(first);
    run("echo more >more && git add -A && git commit -qm two && git gc -q");
    filter(report(secret_));
    EXPECT_TRUE(fs::exists(first));
  }
  filter(report(secret_));
  EXPECT_FALSE(fs::exists(first));
  EXPECT_THROW(lock_replacement(first), base::Error);
}

TEST_F(FilterTest, WhatCannotBeLeftOutIsRefused) {
  EXPECT_NE(refusal(report(run("git rev-parse HEAD"), "commit")).find("the message of commit"),
            std::string::npos);
  EXPECT_NE(refusal(report(std::string(64, 'a'))).find("SHA-256"), std::string::npos);
  EXPECT_EQ(refusal(report(secret_)), "");
  run("git config extensions.partialClone origin");
  EXPECT_NE(refusal(report(secret_)).find("is a partial clone"), std::string::npos);
  run("git config --unset extensions.partialClone && mv .git/objects ../o && ln -s ../../o "
      ".git/objects");
  EXPECT_NE(refusal(report(secret_)), "");
}

TEST_F(FilterTest, ASecretInAnAlternateIsRefused) {
  run("git clone -q --bare . ../other && cp -r .git ../saved && rm -rf .git/objects/?? &&"
      " echo \"$PWD/../other/objects\" >.git/objects/info/alternates");
  EXPECT_NE(refusal(report(secret_)).find("alternate"), std::string::npos);
}

TEST_F(FilterTest, WithoutGitItSaysSo) {
  EXPECT_THROW(make_filters(report(secret_), "", place_ / "state"), base::Error);
}

}  // namespace
}  // namespace agentbox::history
