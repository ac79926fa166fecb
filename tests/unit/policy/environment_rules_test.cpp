#include "policy/environment_rules.h"

#include <gtest/gtest.h>

namespace agentbox::policy {
namespace {

Policy passing(const std::vector<std::string>& names, Layer layer) {
  Policy policy;
  for (const std::string& name : names) {
    policy.environment.pass.push_back({.text = name, .place = {}, .layer = layer});
  }
  return policy;
}

TEST(LooksLikeCredential, ByName) {
  for (const char* name : {"GITHUB_TOKEN",
                           "github_token",
                           "AWS_SECRET_ACCESS_KEY",
                           "AWS_ACCESS_KEY_ID",
                           "PGPASSWORD",
                           "MYSQL_PWD",
                           "OPENAI_API_KEY",
                           "APIKEY",
                           "SSH_AUTH_SOCK",
                           "OP_SESSION_abc",
                           "OP_SERVICE_ACCOUNT_TOKEN",
                           "VAULT_ADDR",
                           "DATABASE_URL",
                           "SENTRY_DSN",
                           "DB_PASS",
                           "NPM_AUTH",
                           "GOOGLE_APPLICATION_CREDENTIALS",
                           "CLAUDE_CODE_OAUTH_TOKEN",
                           "SECRET_KEY_BASE",
                           "STRIPE_KEY",
                           "ANTHROPIC_CUSTOM_HEADERS",
                           "KUBECONFIG"}) {
    EXPECT_TRUE(looks_like_credential(name)) << name;
  }
  for (const char* name :
       {"TERM", "LANG", "LC_ALL", "PATH", "HOME", "PWD", "EDITOR", "AUTHOR", "GIT_AUTHOR_NAME",
        "ANTHROPIC_BASE_URL", "MAX_THINKING_TOKENS", "KEYBOARD", "COMPASS", "MONKEY", ""}) {
    EXPECT_FALSE(looks_like_credential(name)) << name;
  }
}

TEST(EnvironmentRules, PassWhatIsListed) {
  const EnvironmentRules rules(passing({"LANG", "LC_*"}, Layer::kProfile));
  EXPECT_TRUE(rules.passes("LANG"));
  EXPECT_TRUE(rules.passes("LC_ALL"));
  EXPECT_FALSE(rules.passes("LANGUAGE"));
  EXPECT_FALSE(rules.passes("lang"));
  EXPECT_FALSE(rules.passes(""));
  EXPECT_FALSE(EnvironmentRules(Policy()).passes("LANG"));
}

TEST(EnvironmentRules, NeverPassACredential) {
  for (const Layer layer : {Layer::kProfile, Layer::kUser, Layer::kCommandLine}) {
    const EnvironmentRules rules(passing({"GITHUB_*", "GITHUB_TOKEN", "MY*"}, layer));
    EXPECT_TRUE(rules.passes("GITHUB_ACTOR"));
    EXPECT_FALSE(rules.passes("GITHUB_TOKEN"));
    EXPECT_FALSE(rules.passes("MY_API_KEY"));
  }
}

TEST(EnvironmentRules, DangerousNamesNeedTheUsersOwnWord) {
  for (const char* name : {"LD_PRELOAD", "NODE_OPTIONS", "PYTHONPATH", "BASH_ENV", "ENV",
                           "GIT_CONFIG_GLOBAL", "DBUS_SESSION_BUS_ADDRESS", "TMUX",
                           "VSCODE_IPC_HOOK_CLI", "KITTY_LISTEN_ON", "DOCKER_HOST"}) {
    const std::string glob = std::string(name, 2) + "*";
    EXPECT_FALSE(EnvironmentRules(passing({name, glob}, Layer::kProfile)).passes(name)) << name;
    EXPECT_FALSE(EnvironmentRules(passing({name, glob}, Layer::kRepository)).passes(name)) << name;
    EXPECT_FALSE(EnvironmentRules(passing({glob}, Layer::kUser)).passes(name)) << name;
    EXPECT_TRUE(EnvironmentRules(passing({name}, Layer::kUser)).passes(name)) << name;
  }
}

TEST(EnvironmentRules, ACommandGetsWhatSaysHowToWriteText) {
  for (const char* name : {"TERM", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "COLORTERM", "NO_COLOR"}) {
    EXPECT_TRUE(passes_to_command(name)) << name;
  }
  for (const char* name : {"",           "LD_PRELOAD",    "NODE_OPTIONS",
                           "PYTHONPATH", "GIT_DIR",       "PAGER",
                           "EDITOR",     "BROWSER",       "GH_HOST",
                           "GH_TOKEN",   "TERMINFO",      "LOCPATH",
                           "LC_",        "LC_PRELOAD",    "term",
                           "LANG=x",     "CURL_HOME",     "HTTPS_PROXY",
                           "CPATH",      "SSL_CERT_FILE", "XDG_CONFIG_HOME",
                           "PATH",       "HOME",          "BASH_FUNC_x%%"}) {
    EXPECT_FALSE(passes_to_command(name)) << name;
  }
}

TEST(EnvironmentRules, WhatSteersPrograms) {
  for (const char* name : {"LD_AUDIT", "GIT_SSH_COMMAND", "PATH", "PAGER", "https_proxy", "IFS"}) {
    EXPECT_TRUE(steers_programs(name)) << name;
  }
  EXPECT_FALSE(steers_programs("GH_REPO"));
  EXPECT_FALSE(steers_programs("LANG"));
}

}  // namespace
}  // namespace agentbox::policy
