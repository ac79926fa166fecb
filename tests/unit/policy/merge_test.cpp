#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <string>

#include "base/error.h"
#include "policy/content_rules.h"
#include "policy/environment_rules.h"
#include "policy/file_rules.h"
#include "policy/network_rules.h"
#include "policy/policy.h"

namespace agentbox::policy {
namespace {

Document document(const std::string& members, const std::string& file = "agentbox.json") {
  return parse("{\"version\": 1" + (members.empty() ? "" : ", " + members) + "}", file, "/project");
}

// Profiles from a table, and the shipped ones.
ProfileSource source(const std::map<std::string, std::string>& profiles = {}) {
  return [profiles](const Pattern& name) {
    const auto own = profiles.find(name.text);
    return own == profiles.end() ? shipped_profile(name) : document(own->second, name.text);
  };
}

Sources sources(const std::vector<std::string>& profiles, const std::string* user,
                const std::string* repository, const std::string* command_line = nullptr) {
  Sources all;
  all.profiles = profiles;
  if (user != nullptr) {
    all.user = document(*user, "user");
  }
  if (repository != nullptr) {
    all.repository = document(*repository);
  }
  if (command_line != nullptr) {
    all.command_line = document(*command_line, "--policy");
  }
  return all;
}

std::vector<std::string> widened(const std::string& repository, const std::string* user = nullptr,
                                 const std::vector<std::string>& profiles = {"shell"}) {
  std::vector<std::string> texts;
  for (const Widening& one : widenings(sources(profiles, user, &repository), source())) {
    texts.push_back(one.what);
  }
  return texts;
}

bool allowed(const Policy& policy, const std::string& host, std::uint16_t port = 443) {
  const NetworkRules rules(policy.network);
  const NetworkRule* rule = rules.judge_name(host, port);
  return rule != nullptr && !rule->deny;
}

std::string refusal(const Sources& all, const ProfileSource& profiles) {
  try {
    merge(all, profiles);
  } catch (const base::Error& error) {
    return std::string(error.what()) + " | " + error.hint();
  }
  return "";
}

TEST(Merge, NothingIsTheFloor) {
  const Policy policy = merge({}, source());
  EXPECT_EQ(FileRules(policy).judge(".env", false).action, FileAction::kHideUnlessReferences);
  EXPECT_TRUE(policy.network.empty());
  EXPECT_EQ(policy.scopes.count("main"), 1u);
  EXPECT_EQ(policy.hash.size(), 64u);
}

TEST(Merge, ShippedProfilesMergeAndAreListed) {
  for (const std::string& name : shipped_profile_names()) {
    const Policy policy = merge(sources({name}, nullptr, nullptr), source());
    EXPECT_EQ(policy.network.empty(), name == "strict") << name;
    EXPECT_EQ(HomeRules(policy).judge(".ssh"), HomeAccess::kScratch) << name;
    EXPECT_EQ(HomeRules(policy).judge(".gitconfig"), HomeAccess::kScratch) << name;
    EXPECT_EQ(HomeRules(policy).judge(".bashrc"), HomeAccess::kScratch) << name;
  }
  const std::vector<std::string> names = shipped_profile_names();
  EXPECT_EQ(std::count(names.begin(), names.end(), "base"), 0);
  const Policy claude = merge(sources({"claude"}, nullptr, nullptr), source());
  EXPECT_EQ(HomeRules(claude).judge(".claude/settings.json"), HomeAccess::kRead);
  EXPECT_EQ(HomeRules(claude).judge(".claude/projects"), HomeAccess::kWrite);
  EXPECT_TRUE(allowed(claude, "api.anthropic.com"));
  EXPECT_TRUE(EnvironmentRules(claude).passes("ANTHROPIC_BASE_URL"));
  EXPECT_FALSE(EnvironmentRules(claude).passes("ANTHROPIC_API_KEY"));
  EXPECT_FALSE(EnvironmentRules(claude).passes("CLAUDE_CODE_OAUTH_TOKEN"));
  EXPECT_NE(refusal(sources({"cluade"}, nullptr, nullptr), source()).find("\"claude\"?"),
            std::string::npos);
}

TEST(Merge, ExtendsIsRecursiveAndMayNotCircle) {
  const std::string repository = R"("extends": ["a"])";
  const Sources all = sources({}, nullptr, &repository);
  EXPECT_TRUE(allowed(
      merge(all, source({{"a", R"("extends": ["b"])"}, {"b", R"("network": ["b.test:443"])"}})),
      "b.test"));
  EXPECT_NE(refusal(all, source({{"a", R"("extends": ["b"])"}, {"b", R"("extends": ["a"])"}}))
                .find("a → b → a"),
            std::string::npos);
}

TEST(Merge, ScopesAreChecked) {
  const auto refused = [&](const std::string& text) {
    return refusal(sources({}, nullptr, &text), source());
  };
  EXPECT_NE(refused(R"("secrets": {"aws": {"from": "x", "as": {"env": "A"}}},
                       "scopes": {"main": {"secrets": ["asw"]}})")
                .find("did you mean \"aws\"?"),
            std::string::npos);
  EXPECT_NE(refused(R"("scopes": {"main": {"spawn": ["nope"]}})"), "");
  EXPECT_NE(
      refused(R"("scopes": {"main": {"spawn": ["a"]}, "a": {"spawn": ["main"]}})").find("circle"),
      std::string::npos);
  EXPECT_EQ(refused(R"("scopes": {"main": {"spawn": ["a", "b"]}, "a": {"spawn": ["b"]}, "b": {}})"),
            "");
}

TEST(Merge, MainHoldsAllSecretsOnlyIfThereAreNoScopes) {
  const std::string secrets = R"("secrets": {"a": {"from": "x", "as": {"env": "A"}}})";
  const std::string scoped = secrets + R"(, "scopes": {"tests": {}})";
  EXPECT_EQ(merge(sources({}, nullptr, &secrets), source()).scopes.at("main").secrets.size(), 1u);
  EXPECT_TRUE(merge(sources({}, nullptr, &scoped), source()).scopes.at("main").secrets.empty());
}

TEST(Network, AddsUpAndNothingIsNothing) {
  const std::string more = R"("network": ["x.test:443"])";
  const std::string none = R"("network": [])";
  const std::string deny = R"("network": ["!github.com:443"])";
  EXPECT_TRUE(allowed(merge(sources({"shell"}, nullptr, &more), source()), "x.test"));
  EXPECT_TRUE(allowed(merge(sources({"shell"}, nullptr, &more), source()), "github.com"));
  EXPECT_FALSE(allowed(merge(sources({"shell"}, nullptr, &none), source()), "github.com"));
  EXPECT_FALSE(allowed(merge(sources({"shell"}, nullptr, &deny), source()), "github.com"));
}

TEST(Caps, TheUsersNetworkBoundsTheRepository) {
  const std::string user = R"("network": ["*.corp.test:443"])";
  const std::string repository =
      R"("network": ["evil.test:443", "a.corp.test:443"],
         "scopes": {"main": {"network": ["evil.test:443", "b.corp.test:443"]}})";
  const Policy policy = merge(sources({"shell"}, &user, &repository), source());
  EXPECT_FALSE(allowed(policy, "evil.test"));
  EXPECT_TRUE(allowed(policy, "a.corp.test"));
  const NetworkRules main(*policy.scopes.at("main").network);
  EXPECT_EQ(main.judge_name("evil.test", 443), nullptr);
  EXPECT_NE(main.judge_name("b.corp.test", 443), nullptr);
  EXPECT_TRUE(widened(repository, &user).empty());
  // The command line is the user's own word.
  EXPECT_TRUE(
      allowed(merge(sources({"shell"}, &user, nullptr, &repository), source()), "evil.test"));
}

TEST(Caps, TheUsersLimitsAndSwitchesBoundTheRepository) {
  const std::string user =
      R"("limits": {"memory": "2G"}, "user_namespaces": false, "view": "live",
         "history": "refuse", "files": {"detect": "deny"})";
  const std::string repository =
      R"("limits": {"memory": "8G"}, "user_namespaces": true, "view": "auto",
         "history": "warn", "files": {"detect": "off"})";
  const Policy policy = merge(sources({}, &user, &repository), source());
  EXPECT_EQ(policy.limits.memory, std::uint64_t{2} << 30);
  EXPECT_FALSE(policy.user_namespaces);
  EXPECT_EQ(policy.view, ViewMode::kLive);
  EXPECT_EQ(policy.history, History::kRefuse);
  EXPECT_EQ(ContentRules(policy).judge("a").detect, Detect::kDeny);
  EXPECT_TRUE(widened(repository, &user).empty());
}

TEST(Caps, ADenialHoldsInEveryScope) {
  const std::string user = R"("network": ["!bad.test:443"])";
  const std::string own = R"("scopes": {"main": {"network": ["bad.test:443"]}})";
  const Policy policy = merge(sources({}, &user, nullptr, &own), source());
  EXPECT_TRUE(NetworkRules(*policy.scopes.at("main").network).judge_name("bad.test", 443)->deny);
}

TEST(Widenings, HistoryAndWrittenSecrets) {
  EXPECT_EQ(widened(R"("files": {"write_secrets": {"notes/": "allow"}})"),
            std::vector<std::string>{"files.write_secrets: weaker than it was for notes/"});
  const std::string user = R"("history": "refuse")";
  EXPECT_TRUE(widened(R"("history": "filter")", &user).empty());
  EXPECT_TRUE(widened(R"("history": "warn")", &user).empty());  // the user's word holds
}

TEST(Widenings, NarrowingIsFree) {
  for (const char* text :
       {"", R"("files": {"hide": ["x"], "redact": ["config/*.yaml"], "readonly": ["infra/**"]})",
        R"("files": {"show": ["**/.env.example", "README.md"]})", R"("network": [])",
        R"("network": ["!github.com:443", "github.com:443"])", R"("limits": {"processes": 10})",
        R"("files": {"detect": "deny"}, "view": "live", "user_namespaces": false)",
        R"("extends": ["shell"])", R"("home": {"read": [".nvm", ".nvm/versions"]})",
        R"("environment": {"pass": ["LANG", "LC_ALL", "LC_*"]})",
        R"("scopes": {"main": {"network": ["github.com:443"]}, "tests": {}})"}) {
    EXPECT_EQ(widened(text), std::vector<std::string>()) << text;
  }
}

TEST(Widenings, AreNamed) {
  const std::pair<const char*, const char*> each[] = {
      {R"("files": {"show": ["config/*.pem"]})", "files.show: config/*.pem"},
      {R"("files": {"show": [".env"]})", "files.show: .env"},
      {R"("files": {"show": [".npmrc"]})", "files.show: .npmrc"},
      {R"("files": {"show": ["config.json"]})", "files.show: config.json"},
      {R"("files": {"show": [".aws/"]})", "files.show: .aws/"},
      {R"("files": {"show": ["**"]})", "files.show: **"},
      {R"("files": {"detect": "off"})", "files.detect: weaker than it was for **"},
      {R"("network": ["x.test:443"])", "network: x.test:443"},
      {R"("network": ["*.github.com:443"])", "network: *.github.com:443"},
      {R"("network": ["github.com:22"])", "network: github.com:22"},
      {R"("secrets": {"a": {"from": "op://v/i/f", "as": {"env": "A"}}})",
       "secret a: op://v/i/f as $A"},
      {R"("secrets": {"a": {"from": "env://HOME_TOKEN", "as": {"file": "~/t"}}})",
       "secret a: env://HOME_TOKEN as ~/t (reads your own environment, files or programs)"},
      {R"("secrets": {"a": {"template": "t", "as": {"env": "A"}}})", "secret a: template t as $A"},
      {R"("environment": {"pass": ["FOO"]})", "environment.pass: FOO"},
      {R"("environment": {"set": {"FOO": "x"}})", "environment.set: FOO=x"},
      {R"("home": {"read": [".config/tool"]})", "home.read: .config/tool"},
      {R"("home": {"write": [".nvm"]})", "home.write: .nvm"},
      {R"("home": {"read": [".local"]})", "home.read: .local"},
      {R"("system": ["/nix"])", "system: /nix"},
      {R"("commands": {"gh": {"scope": "main", "args": ["pr"]}})",
       "command gh in scope main: pr"},
      {R"("commands": {"gh": {"scope": "main"}})", "command gh in scope main: any arguments"},
      {R"("user_namespaces": true)", "user_namespaces: true"},
      {R"("limits": {"processes": 9999})", "limits.processes: 9999 (was 4096)"},
      {R"("scopes": {"main": {"network": ["x.test:1"]}})", "scope main: network: x.test:1"},
      {R"("extends": ["opencode"])",
       "extends: opencode (14 paths of your home directory, 6 hosts, 2 variables)"},
  };
  for (const auto& [text, what] : each) {
    EXPECT_EQ(widened(text), std::vector<std::string>{what}) << text;
  }
}

TEST(Widenings, ACommandOfTheUsersMayBeNarrowedOnly) {
  const std::string user = R"("scopes": {"main": {}, "other": {}},
    "commands": {"gh": {"scope": "main", "args": ["pr", "issue"]}, "npm": {"scope": "main"}})";
  const auto command = [&](const std::string& text) {
    return widened(R"("commands": )" + text, &user);
  };
  EXPECT_TRUE(command(R"({"gh": {"scope": "main", "args": ["issue"]}})").empty());
  EXPECT_TRUE(command(R"({"gh": {"scope": "main", "args": []}})").empty());
  EXPECT_TRUE(command(R"({"npm": {"scope": "main", "args": ["test"]}})").empty());
  EXPECT_EQ(command(R"({"gh": {"scope": "main", "args": ["pr", "api"]}})"),
            std::vector<std::string>{"command gh in scope main: api"});
  EXPECT_EQ(command(R"({"gh": {"scope": "main"}})"),
            std::vector<std::string>{"command gh in scope main: any arguments"});
  EXPECT_EQ(command(R"({"gh": {"scope": "other", "args": ["pr"]}})"),
            std::vector<std::string>{"command gh in scope other: pr"});
}

TEST(Widenings, UseOfTheUsersSecretsInAnotherScope) {
  const std::string user =
      R"("secrets": {"a": {"from": "x", "as": {"env": "A"}}, "b": {"from": "y", "as": {"env": "B"}}},
         "scopes": {"main": {"secrets": ["a"], "network": ["one.test:1"]},
                    "deploy": {"secrets": ["b"], "approve": "each"}})";
  EXPECT_EQ(widened(R"("scopes": {"main": {"secrets": ["b"], "network": ["one.test:1"]}})", &user),
            std::vector<std::string>{"scope main: secret b"});
  EXPECT_EQ(widened(R"("scopes": {"main": {"secrets": ["a"], "request": ["a", "b"],
                                           "network": ["one.test:1"]}})", &user),
            std::vector<std::string>{"scope main: may ask for secret b"});
  EXPECT_EQ(widened(R"("scopes": {"deploy": {"secrets": ["b"]}})", &user),
            std::vector<std::string>{"scope deploy: asks for approval less often"});
  EXPECT_EQ(
      widened(R"("scopes": {"main": {"network": ["one.test:1"], "spawn": ["deploy"]}})", &user),
      std::vector<std::string>{"scope main: spawn deploy"});
  EXPECT_FALSE(widened(R"("scopes": {"main": {}})", &user).empty());  // leaves the scope's own list
}

TEST(Widenings, TheFloorStandsAgainstHome) {
  // A later, equally deep "write" would win over the profile's "read".
  EXPECT_EQ(widened(R"("home": {"write": [".claude/hooks"]})", nullptr, {"claude"}),
            std::vector<std::string>{"home.write: .claude/hooks"});
}

TEST(Hash, ChangesWithTheDecisionsAndNotWithThePlaces) {
  const std::string one = R"("network": ["a.test:1"])";
  const std::string spaced = "\n\n" + one;
  const std::string other = R"("network": ["a.test:2"])";
  const auto hash = [](const std::string& text) {
    return merge(sources({}, nullptr, &text), source()).hash;
  };
  EXPECT_EQ(hash(one), hash(spaced));
  EXPECT_NE(hash(one), hash(other));
}

}  // namespace
}  // namespace agentbox::policy
