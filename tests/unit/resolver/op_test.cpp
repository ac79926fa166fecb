// The op backend against the stand-in in tests/integration/op_stub.
#include "resolver/backends/op.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <sstream>

#include "resolver/backends/op_failure.h"
#include "temporary.h"

namespace agentbox::resolver {
namespace {

using Json = nlohmann::json;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

const std::filesystem::path kStub =
    std::filesystem::path(AGENTBOX_SOURCE_DIR) / "tests/integration/op_stub";

class OpTest : public testing::Test {
 protected:
  OpTest() { set("PATH", std::filesystem::canonical(kStub).string() + ":/usr/bin:/bin"); }

  void set(const std::string& name, const std::string& value) {
    variables_.push_back(name + "=" + value);
  }

  std::vector<Answer> resolve(const std::vector<std::string>& texts,
                              milliseconds limit = milliseconds(20000)) {
    home_.write(".config/op/stub.json", stub_.dump());
    set("HOME", home_.path());
    std::vector<const char*> environment;
    for (const std::string& variable : variables_) {
      environment.push_back(variable.c_str());
    }
    environment.push_back(nullptr);
    std::vector<Reference> references;
    for (const std::string& text : texts) {
      references.push_back(parse_reference(text));
    }
    OpBackend backend({environment.data(), {avoid_}});
    std::vector<Answer> answers = backend.resolve(references, steady_clock::now() + limit);
    EXPECT_EQ(answers.size(), texts.size());
    return answers;
  }

  static std::string text(const Answer& answer) {
    if (const Value* value = std::get_if<Value>(&answer)) {
      return std::string(value->secret.reveal());
    }
    return std::string("failed: ") + failure_name(std::get<Failed>(answer).failure);
  }

  std::vector<Json> calls() {
    std::vector<Json> result;
    std::istringstream lines(home_.read(".config/op/calls.jsonl"));
    for (std::string line; std::getline(lines, line);) {
      result.push_back(Json::parse(line));
    }
    return result;
  }

  Temporary home_;
  std::string avoid_ = home_.path();
  Json stub_ = {{"secrets",
                 {{"op://Dev/Anthropic API/credential", "CANARY-1"},
                  {"op://Dev/db/admin/password", "CANARY-2"},
                  {"op://Dev/pem/key", "-----BEGIN\nline\n\n-----END\n\n"},
                  {"op://Dev/odd/field", " {{ op://Dev/db/admin/password }} $HOME \t "}}}};
  std::vector<std::string> variables_;
};

TEST_F(OpTest, ResolvesABatchWithOneProcess) {
  const std::vector<Answer> answers =
      resolve({"op://Dev/Anthropic API/credential", "op://dev/DB/admin/password",
               "op://Dev/pem/key", "op://Dev/odd/field"});
  EXPECT_EQ(text(answers[0]), "CANARY-1");
  EXPECT_EQ(text(answers[1]), "CANARY-2");
  EXPECT_EQ(text(answers[2]), "-----BEGIN\nline\n\n-----END\n\n");
  EXPECT_EQ(text(answers[3]), " {{ op://Dev/db/admin/password }} $HOME \t ");
  ASSERT_EQ(calls().size(), 1u);
  EXPECT_EQ(calls()[0]["argv"].size(), 2u);
  EXPECT_EQ(calls()[0]["argv"][1], "inject");
}

TEST_F(OpTest, ReadsASingleReference) {
  EXPECT_EQ(text(resolve({"op://Dev/pem/key"})[0]), "-----BEGIN\nline\n\n-----END\n\n");
  ASSERT_EQ(calls().size(), 1u);
  const Json argv = calls()[0]["argv"];
  EXPECT_EQ(argv[1], "read");
  EXPECT_EQ(argv[2], "-n");
  EXPECT_EQ(argv[3], "op://Dev/pem/key");
}

TEST_F(OpTest, GivesOpNothingThatItDoesNotNeed) {
  set("OP_SERVICE_ACCOUNT_TOKEN", "ops_CANARY-token");
  set("OP_FORMAT", "json");
  set("OP_DEBUG", "true");
  set("AWS_SECRET_ACCESS_KEY", "CANARY-aws");
  set("LD_PRELOAD", "/evil.so");
  set("PYTHONPATH", "/evil");
  stub_["token"] = "ops_CANARY-token";
  const int inherited = ::open("/etc/passwd", O_RDONLY);  // not close-on-exec, on purpose
  ASSERT_GE(inherited, 0);
  const std::vector<Answer> answers =
      resolve({"op://Dev/Anthropic API/credential", "op://Dev/pem/key"});
  ::close(inherited);
  EXPECT_EQ(text(answers[0]), "CANARY-1");
  const Json call = calls().at(0);
  EXPECT_EQ(call["environment"], Json({"HOME", "LANG", "OP_SERVICE_ACCOUNT_TOKEN", "PATH"}));
  EXPECT_EQ(call["cmdline"].dump().find("CANARY"), std::string::npos);
  EXPECT_EQ(call["cwd"], "/");
  EXPECT_EQ(call["leads_session"], true);
  EXPECT_EQ(call["terminal"], false);
  for (const Json& descriptor : call["descriptors"]) {
    const std::string target = descriptor[1];
    EXPECT_TRUE(descriptor[0] <= 2 || target.find("calls.jsonl") != std::string::npos ||
                target.find("stub.json") != std::string::npos)
        << descriptor;
  }
}

TEST_F(OpTest, TellsWhichOneOfABatchFails) {
  const std::vector<Answer> answers =
      resolve({"op://Dev/Anthropic API/credential", "op://Dev/none/x", "op://None/db/x",
               "op://Dev/db/x", "op://Dev/pem/key"});
  EXPECT_EQ(text(answers[0]), "CANARY-1");
  EXPECT_EQ(text(answers[1]), "failed: not_found");
  EXPECT_EQ(text(answers[2]), "failed: not_found");
  EXPECT_EQ(text(answers[3]), "failed: not_found");
  EXPECT_EQ(text(answers[4]), "-----BEGIN\nline\n\n-----END\n\n");
  const Failed& failed = std::get<Failed>(answers[1]);
  EXPECT_NE(failed.message.find("isn't an item"), std::string::npos) << failed.message;
  EXPECT_EQ(failed.message.find("[ERROR]"), std::string::npos);
  EXPECT_FALSE(failed.hint.empty());
  EXPECT_EQ(calls().size(), 6u);
}

TEST_F(OpTest, AValueCannotForgeAnother) {
  for (const char* forged :
       {"x:NONCE-0-end\nNONCE-1-begin:forged", "NONCE-1-begin:forged:NONCE-1-end\n", "NONCE"}) {
    stub_["forge"] = {{"op://Dev/Anthropic API/credential", forged}};
    const std::vector<Answer> answers =
        resolve({"op://Dev/Anthropic API/credential", "op://Dev/db/admin/password"});
    // The batch is thrown away and each one is read alone.
    EXPECT_EQ(text(answers[0]), "CANARY-1");
    EXPECT_EQ(text(answers[1]), "CANARY-2");
  }
}

TEST_F(OpTest, FallsBackIfOnlyTheBatchFails) {
  stub_["inject_fails"] = true;
  const std::vector<Answer> answers =
      resolve({"op://Dev/Anthropic API/credential", "op://Dev/db/admin/password"});
  EXPECT_EQ(text(answers[0]), "CANARY-1");
  EXPECT_EQ(text(answers[1]), "CANARY-2");
}

TEST_F(OpTest, DoesNotTryAgainAfterWhatConcernsAll) {
  const std::pair<const char*, const char*> cases[] = {
      {"account is not signed in", "failed: auth_required"},
      {"You are not currently signed in. Please run `op signin --help`", "failed: auth_required"},
      {"session expired, sign in to create a new session", "failed: auth_failed"},
      {"Too many requests. Try again in 42 seconds", "failed: rate_limited"},
  };
  std::size_t expected_calls = 0;
  for (const auto& [message, expected] : cases) {
    stub_["fail"] = message;
    const std::vector<Answer> answers = resolve({"op://Dev/a/b", "op://Dev/c/d", "op://Dev/e/f"});
    for (const Answer& answer : answers) {
      EXPECT_EQ(text(answer), expected);
      EXPECT_NE(std::get<Failed>(answer).hint, "");
    }
    EXPECT_EQ(calls().size(), ++expected_calls);
  }
}

TEST_F(OpTest, IsNeverAskedOnATerminal) {
  stub_["no_account"] = true;
  const std::vector<Answer> answers = resolve({"op://Dev/a/b"});
  EXPECT_EQ(text(answers[0]), "failed: auth_required");
  EXPECT_EQ(std::get<Failed>(answers[0]).message,
            "No accounts configured for use with 1Password CLI.");
}

TEST_F(OpTest, TriesWithoutAnExpiredSession) {
  set("OP_SESSION_abc", "expired");
  EXPECT_EQ(text(resolve({"op://Dev/Anthropic API/credential"})[0]), "CANARY-1");
  EXPECT_EQ(calls().size(), 2u);
  stub_["integration"] = false;
  EXPECT_EQ(text(resolve({"op://Dev/Anthropic API/credential"})[0]), "failed: auth_required");
  stub_["session"] = {{"OP_SESSION_abc", "expired"}};
  EXPECT_EQ(text(resolve({"op://Dev/Anthropic API/credential"})[0]), "CANARY-1");
}

TEST_F(OpTest, DeadlineEndsOpAndItsChildren) {
  stub_["sleep"] = 600;
  const std::vector<Answer> answers = resolve({"op://Dev/a/b", "op://Dev/c/d"}, milliseconds(1500));
  EXPECT_EQ(text(answers[0]), "failed: timeout");
  EXPECT_EQ(text(answers[1]), "failed: timeout");
  const pid_t op = calls().at(0)["pid"];
  const pid_t sleeper = std::stoi(home_.read(".config/op/sleeper"));
  EXPECT_EQ(::kill(op, 0), -1);
  // It is init's to reap now; a zombie will do.
  std::string state;
  for (int turn = 0; turn < 1000 && ::kill(sleeper, 0) == 0 && state != "Z"; ++turn) {
    std::ifstream stat("/proc/" + std::to_string(sleeper) + "/stat");
    std::string pid;
    std::string name;
    stat >> pid >> name >> state;
    ::usleep(10000);
  }
  EXPECT_TRUE(state == "Z" || ::kill(sleeper, 0) != 0) << state;
}

TEST_F(OpTest, DoesNotWaitForADaemonThatOpLeaves) {
  stub_["daemon"] = 600;
  EXPECT_EQ(text(resolve({"op://Dev/Anthropic API/credential"})[0]), "CANARY-1");
  const pid_t daemon = std::stoi(home_.read(".config/op/daemon"));
  EXPECT_EQ(::kill(daemon, SIGKILL), 0);  // it is alive: op's cache is left alone
}

TEST_F(OpTest, StopsAFlood) {
  stub_["flood"] = 5 << 20;
  EXPECT_EQ(text(resolve({"op://Dev/a/b"})[0]), "failed: invalid_response");
}

TEST_F(OpTest, ErrorsNeverQuoteASecretOrDriveATerminal) {
  set("OP_SERVICE_ACCOUNT_TOKEN", "ops_CANARY-token");
  stub_["raw_errors"] = "[ERROR] 2026/01/31 12:00:00 bad token ops_CANARY-token\n";
  std::vector<Answer> answers = resolve({"op://Dev/a/b"});
  EXPECT_EQ(std::get<Failed>(answers[0]).message.find("CANARY"), std::string::npos);
  stub_["raw_errors"] = "[ERROR] 2026/01/31 12:00:00 \x1b[2J\x1b]0;x\x07 odd\r\n";
  answers = resolve({"op://Dev/a/b"});
  EXPECT_EQ(std::get<Failed>(answers[0]).message, "\\x1b[2J\\x1b]0;x\\x07 odd\\x0d");
}

TEST_F(OpTest, SaysThatOpIsMissing) {
  variables_ = {"PATH=/nonexistent:relative:"};
  const std::vector<Answer> answers = resolve({"op://Dev/a/b", "op://Dev/c/d"});
  for (const Answer& answer : answers) {
    EXPECT_EQ(text(answer), "failed: unavailable");
    EXPECT_NE(std::get<Failed>(answer).hint.find("install"), std::string::npos);
  }
}

TEST_F(OpTest, DoesNotTrustAnOpThatTheProjectBrings) {
  home_.write("project/bin/op", "#!/bin/sh\n: > " + home_ / "ran" + "\n");
  std::filesystem::permissions(home_ / "project/bin/op", std::filesystem::perms(0755));
  const std::string stub = variables_[0].substr(5);
  variables_ = {"PATH=bin:" + home_ / "project/bin" + ":" + stub};
  avoid_ = home_ / "project";
  EXPECT_EQ(text(resolve({"op://Dev/pem/key"})[0]), "-----BEGIN\nline\n\n-----END\n\n");
  EXPECT_FALSE(std::filesystem::exists(home_ / "ran"));
  variables_ = {"PATH=" + home_ / "project/bin"};
  const std::vector<Answer> answers = resolve({"op://Dev/pem/key"});
  EXPECT_NE(std::get<Failed>(answers[0]).message.find("not trusted"), std::string::npos);
  EXPECT_FALSE(std::filesystem::exists(home_ / "ran"));
  avoid_ = home_ / "other";
  resolve({"op://Dev/pem/key"});
  EXPECT_TRUE(std::filesystem::exists(home_ / "ran"));  // the control: it would have been run
  variables_ = {"PATH=" + home_ / "project/bin"};
  std::filesystem::remove(home_ / "ran");
  std::filesystem::permissions(home_ / "project/bin", std::filesystem::perms(0777));
  resolve({"op://Dev/pem/key"});
  EXPECT_FALSE(std::filesystem::exists(home_ / "ran"));
}

TEST(OpFailure, TellsErrorsApart) {
  const std::vector<Reference> names = {parse_reference("op://Dev/session expired/not signed in")};
  const std::pair<const char*, Failure> cases[] = {
      {"[ERROR] 2026/01/31 12:00:00 could not read secret 'op://Dev/session expired/not signed "
       "in': "
       "could not get item Dev/x: \"session expired\" isn't an item in the \"Dev\" vault.",
       Failure::kNotFound},
      {"[ERROR] 2026/01/31 12:00:00 More than one item matches \"db\". Try again",
       Failure::kAmbiguous},
      {"[ERROR] 2026/01/31 12:00:00 invalid secret reference 'op://x': too few '/'",
       Failure::kInvalidReference},
      {"could not read secret op://xxx/credential: could not retrieve vaults: Get \"http://x\": "
       "EOF",
       Failure::kUnavailable},
      {"vault abc is not in scope", Failure::kPermissionDenied},
      {"error initializing client: Validation failed", Failure::kAuthFailed},
      {"", Failure::kUnavailable},
      {"\n\n", Failure::kUnavailable},
      {"something new", Failure::kUnavailable},
  };
  for (const auto& [errors, expected] : cases) {
    const Failed failed = explain_op_failure(errors, names);
    EXPECT_STREQ(failure_name(failed.failure), failure_name(expected)) << errors;
    EXPECT_FALSE(failed.message.empty());
    EXPECT_EQ(failed.message.find('\n'), std::string::npos);
  }
}

}  // namespace
}  // namespace agentbox::resolver
