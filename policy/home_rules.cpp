#include <algorithm>

#include "base/encode.h"
#include "base/error.h"
#include "policy/file_rules.h"
#include "policy/home_glob.h"

namespace agentbox::policy {

namespace {

using base::Error;
using base::Status;

[[noreturn]] void refuse(const Pattern& pattern, const std::string& why, const std::string& hint) {
  throw Error(
      Status::kConfiguration,
      pattern.place.text() + ": the home path \"" + base::printable(pattern.text) + "\" " + why,
      hint);
}

}  // namespace

HomeGlob::HomeGlob(const Pattern& pattern) {
  Pattern relative = pattern;
  if (relative.text.rfind("~/", 0) == 0) {
    relative.text.erase(0, 2);
  }
  if (!relative.text.empty() && relative.text.front() == '/') {
    refuse(pattern, "is absolute",
           "write it relative to the home directory; other directories stand in \"system\"");
  }
  Glob{relative};  // the grammar is the same
  std::string_view rest = relative.text;
  const std::size_t first = rest.find_first_not_of('.');
  if (first == std::string_view::npos ||
      std::string_view("*?[/").find(rest[first]) != std::string_view::npos) {
    refuse(pattern, "begins with a wildcard, which would list credentials too",
           "name the directories that the program needs");
  }
  while (!rest.empty()) {
    const std::size_t slash = std::min(rest.find('/'), rest.size());
    const std::string_view name = rest.substr(0, slash);
    if (name == "**") {
      refuse(pattern, "has a \"**\"", "a directory here stands for all below it: leave it out");
    }
    names_.emplace_back(name);
    rest.remove_prefix(std::min(slash + 1, rest.size()));
  }
}

HomeGlob::Relation HomeGlob::relate(std::string_view path) const {
  std::size_t matched = 0;
  while (!path.empty() && matched < names_.size()) {
    const std::size_t slash = std::min(path.find('/'), path.size());
    if (!names_[matched].matches(path.substr(0, slash), Case::kExact)) {
      return Relation::kUnrelated;
    }
    ++matched;
    path.remove_prefix(std::min(slash + 1, path.size()));
  }
  return matched == names_.size() ? Relation::kHolds : Relation::kAncestor;
}

struct HomeRules::Matcher {
  struct Rule {
    HomeGlob glob;
    HomeAccess access;
    Layer layer;
  };

  void add(const std::vector<Pattern>& patterns, HomeAccess access) {
    for (const Pattern& pattern : patterns) {
      rules.push_back({HomeGlob(pattern), access, pattern.layer});
    }
  }

  std::vector<Rule> rules;
};

HomeRules::HomeRules(const Policy& policy) {
  auto matcher = std::make_unique<Matcher>();
  matcher->add(policy.home.read, HomeAccess::kRead);
  matcher->add(policy.home.write, HomeAccess::kWrite);
  // The first that holds a path decides: the deepest, then the latest layer, then the narrower one.
  std::stable_sort(matcher->rules.begin(), matcher->rules.end(),
                   [](const Matcher::Rule& a, const Matcher::Rule& b) {
                     if (a.glob.depth() != b.glob.depth()) {
                       return a.glob.depth() > b.glob.depth();
                     }
                     return a.layer > b.layer;
                   });
  matcher_ = std::move(matcher);
}

HomeRules::~HomeRules() = default;
HomeRules::HomeRules(HomeRules&&) noexcept = default;

HomeAccess HomeRules::judge(std::string_view path) const {
  HomeAccess access = path.empty() ? HomeAccess::kAncestor : HomeAccess::kScratch;
  for (const Matcher::Rule& rule : matcher_->rules) {
    switch (rule.glob.relate(path)) {
      case HomeGlob::Relation::kHolds:
        return rule.access;
      case HomeGlob::Relation::kAncestor:
        access = HomeAccess::kAncestor;
        break;
      case HomeGlob::Relation::kUnrelated:
        break;
    }
  }
  return access;
}

}  // namespace agentbox::policy
