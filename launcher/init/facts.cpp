#include "launcher/init/facts.h"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string_view>

#include "base/encode.h"
#include "base/error.h"
#include "base/file.h"
#include "launcher/survey/walk.h"
#include "policy/environment_rules.h"
#include "policy/file_rules.h"
#include "resolver/dotenv.h"

namespace agentbox::init {

namespace {

const PackageSource kSources[] = {
    {"package.json", {"registry.npmjs.org:443"}},
    {"yarn.lock", {"registry.yarnpkg.com:443"}},
    {"deno.json", {"jsr.io:443", "npm.jsr.io:443", "deno.land:443"}},
    {"pyproject.toml", {"pypi.org:443", "files.pythonhosted.org:443"}},
    {"requirements.txt", {"pypi.org:443", "files.pythonhosted.org:443"}},
    {"Cargo.toml", {"index.crates.io:443", "static.crates.io:443"}},
    {"go.mod", {"proxy.golang.org:443", "sum.golang.org:443"}},
    {"Gemfile", {"rubygems.org:443", "index.rubygems.org:443"}},
    {"composer.json", {"repo.packagist.org:443", "api.github.com:443", "codeload.github.com:443"}},
    {"pom.xml", {"repo.maven.apache.org:443"}},
    {"build.gradle",
     {"repo.maven.apache.org:443", "plugins.gradle.org:443", "services.gradle.org:443"}},
    {"build.gradle.kts",
     {"repo.maven.apache.org:443", "plugins.gradle.org:443", "services.gradle.org:443"}},
    {"mix.exs", {"hex.pm:443", "repo.hex.pm:443"}},
    {"pubspec.yaml", {"pub.dev:443"}},
    {"global.json", {"api.nuget.org:443"}},
    {"nuget.config", {"api.nuget.org:443"}},
};

bool is_passed_over(std::string_view name) {
  static const std::set<std::string_view> names = {".git",  ".hg",    ".svn",   "node_modules",
                                                   ".venv", "vendor", "target", ".tox"};
  return names.contains(name);
}

// ".env", ".env.local", "prod.env", and no copy of one that an editor left.
bool is_dotenv(std::string_view name) {
  const auto ends_with = [&](std::string_view end) {
    return name.size() >= end.size() && name.substr(name.size() - end.size()) == end;
  };
  return name == ".env" || ends_with(".env") ||
         (name.substr(0, 5) == ".env." && !ends_with("~") && !ends_with(".bak") &&
          !ends_with(".backup") && !ends_with(".swp"));
}

std::optional<std::string_view> nothing(std::string_view) { return std::nullopt; }

void read_names(const std::string& root, const std::string& path, Facts& facts) {
  std::vector<resolver::EnvEntry> entries;
  try {
    entries = resolver::read_dotenv(root + "/" + path, nothing);
  } catch (const base::Error& error) {
    facts.unreadable.push_back(path + ": " + error.what());
    return;
  }
  for (const resolver::EnvEntry& entry : entries) {
    const auto* reference = std::get_if<resolver::Reference>(&entry.value);
    if (reference == nullptr && !policy::looks_like_credential(entry.name)) {
      ++facts.plain;
      continue;
    }
    const bool known = std::any_of(facts.credentials.begin(), facts.credentials.end(),
                                   [&](const Variable& one) { return one.name == entry.name; });
    if (!known) {
      facts.credentials.push_back({.name = entry.name,
                                   .place = path + ":" + std::to_string(entry.line),
                                   .reference = reference == nullptr ? "" : reference->text});
    }
  }
}

}  // namespace

Facts look(const std::string& root, const policy::Policy& policy) {
  Facts facts;
  const policy::FileRules rules(policy);
  const base::UniqueFd directory = base::open_at(AT_FDCWD, root, O_PATH | O_DIRECTORY);
  std::mutex mutex;
  std::vector<std::string> environments;
  survey::Options options;
  options.root = directory.get();
  options.files = &rules;
  survey::walk(options, [&](const survey::Entry& entry) {
    const bool is_directory = entry.type == DT_DIR;
    if (entry.decision.action == policy::FileAction::kHide ||
        entry.decision.action == policy::FileAction::kHideUnlessReferences) {
      const std::lock_guard lock(mutex);
      facts.hidden.emplace_back(entry.path);
      if (entry.type == DT_REG && is_dotenv(entry.name)) {
        environments.emplace_back(entry.path);
      }
      return false;  // all below is hidden, too
    }
    return is_directory && !is_passed_over(entry.name);
  });
  std::sort(facts.hidden.begin(), facts.hidden.end());
  // The nearest to the root speaks first.
  std::sort(environments.begin(), environments.end(),
            [](const std::string& a, const std::string& b) {
              const auto depth = [](const std::string& path) {
                return std::count(path.begin(), path.end(), '/');
              };
              return depth(a) != depth(b) ? depth(a) < depth(b) : a < b;
            });
  for (const std::string& path : environments) {
    read_names(root, path, facts);
  }
  std::sort(facts.credentials.begin(), facts.credentials.end(),
            [](const Variable& a, const Variable& b) { return a.name < b.name; });
  for (const PackageSource& source : kSources) {
    if (::access((root + "/" + source.manifest).c_str(), F_OK) == 0) {
      facts.sources.push_back(source);
    }
  }
  return facts;
}

}  // namespace agentbox::init
