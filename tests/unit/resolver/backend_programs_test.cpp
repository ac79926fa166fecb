// What the programs of exec://, pass:// and credential_process get of the process that runs them:
// a fixed environment, "/", and no descriptor. The same program shows the opposite as the control.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "resolver/backends/aws_secrets.h"
#include "resolver/backends/exec.h"
#include "resolver/backends/pass.h"
#include "resolver_on.h"
#include "temporary.h"

namespace agentbox::resolver {
namespace {

// The names of the environment, the directory and the descriptors of a process; then an answer that
// every one of the stores takes. The shell's own variables are left out.
constexpr const char* kReport = R"(#!/bin/sh
report=${0%/*}/../report
{
  env | sed 's/=.*//' | grep -vx -e PWD -e OLDPWD -e SHLVL -e _ | sort | tr '\n' ' '
  echo
  readlink /proc/$$/cwd
  for one in /proc/$$/fd/*; do
    readlink "$one"
  done | grep inherited
} > "$report" 2>&1
echo '{"Version": 1, "AccessKeyId": "A", "SecretAccessKey": "CANARY-key"}'
)";

class BackendProgramsTest : public testing::Test {
 protected:
  BackendProgramsTest() {
    ::chmod(home_.path().c_str(), 0755);
    for (const char* program : {"show", "pass"}) {
      home_.write("bin/" + std::string(program), kReport);
      ::chmod((home_ / "bin/" + program).c_str(), 0755);
    }
    home_.write(".password-store/shop/db.gpg", "");
    home_.write(".aws/config", "[default]\ncredential_process = " + home_ / "bin/show\n");
    home_.write("inherited", "");
    inherited_ = ::open((home_ / "inherited").c_str(), O_RDONLY);  // not close-on-exec, on purpose
    for (const std::string& variable :
         {"PATH=" + home_ / "bin" + ":/usr/bin:/bin", "HOME=" + home_.path(),
          std::string("AWS_REGION=us-east-1"), std::string("AWS_ENDPOINT_URL=http://127.0.0.1:1"),
          std::string("GITHUB_TOKEN=CANARY-other"), std::string("LD_PRELOAD="),
          std::string("OP_SERVICE_ACCOUNT_TOKEN=CANARY-op"), std::string("BASH_ENV=/evil")}) {
      variables_.push_back(variable);
    }
    for (const std::string& variable : variables_) {
      environment_.push_back(variable.c_str());
    }
    environment_.push_back(nullptr);
  }
  ~BackendProgramsTest() override { ::close(inherited_); }

  // The report, or what was answered if nothing was run.
  std::string report(Backend& backend, const std::string& text) {
    const std::vector<Answer> answers = backend.resolve(
        {parse_reference(text)}, std::chrono::steady_clock::now() + std::chrono::seconds(20));
    const std::string made = home_.read("report");
    const auto* failed = std::get_if<Failed>(&answers[0]);
    return made.empty() && failed != nullptr ? failed->message : made;
  }
  ToolOptions options() { return {environment_.data(), {home_ / "project"}}; }

  Temporary home_;
  int inherited_ = -1;
  std::vector<std::string> variables_;
  std::vector<const char*> environment_;
};

TEST_F(BackendProgramsTest, TheReportShowsWhatIsInherited) {
  std::string command = "cd '" + home_.path() + "' && env -i";
  for (const std::string& variable : variables_) {
    command += " '" + variable + "'";
  }
  ASSERT_EQ(std::system((command + " bin/show > out").c_str()), 0);
  const std::string report = home_.read("report");
  EXPECT_NE(report.find("GITHUB_TOKEN"), std::string::npos) << report;
  EXPECT_NE(report.find("\n" + home_.path() + "\n"), std::string::npos) << report;
  EXPECT_NE(report.find("/inherited\n"), std::string::npos) << report;
}

TEST_F(BackendProgramsTest, ExecInheritsNothing) {
  ExecBackend backend(options());
  EXPECT_EQ(report(backend, "exec://show"), "HOME LANG PATH \n/\n");
}

TEST_F(BackendProgramsTest, PassInheritsNothing) {
  PassBackend backend(options());
  EXPECT_EQ(report(backend, "pass://shop/db"), "HOME LANG PATH \n/\n");
}

TEST_F(BackendProgramsTest, CredentialProcessInheritsNothing) {
  AwsSecretsBackend backend{Environment(environment_.data())};
  EXPECT_EQ(report(backend, "aws-sm://prod/db"), "HOME LANG PATH \n/\n");
}

}  // namespace
}  // namespace agentbox::resolver
