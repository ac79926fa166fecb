#include <algorithm>
#include <string>

#include "policy/environment_rules.h"
#include "policy/file_rules.h"
#include "policy/glob.h"
#include "policy/merge.h"
#include "policy/network_rules.h"

namespace agentbox::policy {

namespace {

// What the policy `after` allows and `before` does not.
class Difference {
 public:
  Difference(const Policy& before, const Policy& after, const Document& document)
      : before_(before), after_(after), document_(document) {}

  std::vector<Widening> find() {
    shows();
    weaker("files.detect", document_.files.detect, before_.files.detect);
    weaker("files.write_secrets", document_.files.write_secrets, before_.files.write_secrets);
    home();
    environment();
    for (const Pattern& entry : after_.system) {
      if (!stands_in(entry, before_.system)) {
        add("system: " + entry.text, entry.place);
      }
    }
    network("network: ", after_.network, before_.network);
    secrets();
    scopes();
    commands();
    limits();
    if (after_.view < before_.view) {
      add("view: auto (live was asked for)", document_.place);
    }
    if (after_.history < before_.history) {
      add("history: weaker than it was", document_.place);
    }
    if (after_.user_namespaces && !before_.user_namespaces) {
      add("user_namespaces: true", document_.place);
    }
    return std::move(found_);
  }

 private:
  void add(std::string what, const Place& place) { found_.push_back({std::move(what), place}); }

  static bool stands_in(const Pattern& pattern, const std::vector<Pattern>& patterns) {
    return std::any_of(patterns.begin(), patterns.end(),
                       [&](const Pattern& other) { return other.text == pattern.text; });
  }

  void shows() {
    const FileRules rules(before_);
    for (const Pattern& pattern : document_.files.show) {
      if (!shows_already(pattern, rules)) {
        add("files.show: " + pattern.text, pattern.place);
      }
    }
  }

  // Only a name or path without wildcards can be told to reach nothing that is hidden.
  bool shows_already(const Pattern& pattern, const FileRules& rules) const {
    std::string path = pattern.text;
    const bool floating = path.rfind("**/", 0) == 0 || path.find('/') == std::string::npos;
    if (path.rfind("**/", 0) == 0) {
      path.erase(0, 3);
    }
    if (path.find_first_of("*?[\\") != std::string::npos ||
        (floating && path.find('/') != std::string::npos)) {
      return false;
    }
    if (path.front() == '/') {
      path.erase(0, 1);
    }
    const auto shown = [&](bool directory) {
      return rules.judge(path, directory).action == FileAction::kShow;
    };
    if (!shown(false) || !shown(true)) {
      return false;
    }
    // A name that may stand anywhere may stand where a rule with a path hides it, or redacts it
    // with all that lies in its directory.
    const auto reaches = [&](const std::vector<Pattern>& hiding) {
      return std::any_of(hiding.begin(), hiding.end(), [&](const Pattern& hidden) {
        const Glob glob(hidden);
        return hidden.text.find('/') != std::string::npos &&
               (glob.below_only() || glob.last().matches(path, Case::kFolded));
      });
    };
    return !floating || (before_.files.redact.empty() && !reaches(before_.files.hide) &&
                         !reaches(before_.credential_files));
  }

  // Weaker than some rule before it: which files both name cannot be told from the patterns. Where
  // the user's own word is about all files, a repository's weaker one is not taken (ContentRules).
  template <typename Choice>
  void weaker(const std::string& key, const std::vector<ChoiceFor<Choice>>& given,
              const std::vector<ChoiceFor<Choice>>& before) {
    const bool capped = std::any_of(before.begin(), before.end(), [](const auto& rule) {
      return rule.pattern.layer == Layer::kUser && rule.pattern.text == "**";
    });
    for (const ChoiceFor<Choice>& rule : given) {
      const bool weakens =
          !capped && std::any_of(before.begin(), before.end(),
                                 [&](const auto& other) { return rule.choice < other.choice; });
      if (weakens) {
        add(key + ": weaker than it was for " + rule.pattern.text, rule.pattern.place);
      }
    }
  }

  void home() {
    const HomeRules rules(before_);
    const auto access = [&](const Pattern& pattern) {
      std::string path = pattern.text.rfind("~/", 0) == 0 ? pattern.text.substr(2) : pattern.text;
      if (!path.empty() && path.back() == '/') {
        path.pop_back();
      }
      const bool plain = path.find_first_of("*?[\\") == std::string::npos;
      return plain ? rules.judge(path) : HomeAccess::kScratch;
    };
    for (const Pattern& pattern : document_.home.read) {
      // A "read" where writing is allowed narrows; one on what is read already changes nothing.
      if (!stands_in(pattern, before_.home.read) && access(pattern) != HomeAccess::kRead &&
          access(pattern) != HomeAccess::kWrite) {
        add("home.read: " + pattern.text, pattern.place);
      }
    }
    for (const Pattern& pattern : document_.home.write) {
      // The same words again, but later, would win over a "read" of the same depth.
      if (access(pattern) != HomeAccess::kWrite || stands_in(pattern, before_.home.read)) {
        add("home.write: " + pattern.text, pattern.place);
      }
    }
  }

  void environment() {
    const EnvironmentRules rules(before_);
    for (const Pattern& pattern : document_.environment.pass) {
      const bool plain = pattern.text.find_first_of("*?") == std::string::npos;
      if (!stands_in(pattern, before_.environment.pass) && !(plain && rules.passes(pattern.text))) {
        add("environment.pass: " + pattern.text, pattern.place);
      }
    }
    for (const auto& [name, value] : document_.environment.set) {
      const auto old = before_.environment.set.find(name);
      if (old == before_.environment.set.end() || old->second != value) {
        add("environment.set: " + name + "=" + value, document_.place);
      }
    }
  }

  bool network(const std::string& prefix, const std::vector<Pattern>& wanted,
               const std::vector<Pattern>& given) {
    const std::size_t count = found_.size();
    for (const Pattern& entry : wanted) {
      const NetworkRule rule = parse_network_rule(entry);
      const bool allowed = std::any_of(given.begin(), given.end(), [&](const Pattern& other) {
        const NetworkRule outer = parse_network_rule(other);
        return !outer.deny && covers(outer, rule);
      });
      if (!rule.deny && !allowed) {
        add(prefix + entry.text, entry.place);
      }
    }
    return found_.size() > count;
  }

  static bool same(const Secret& a, const Secret& b) {
    return a.from == b.from && a.template_file == b.template_file && a.env == b.env &&
           a.file == b.file && a.deliver == b.deliver && a.hosts == b.hosts &&
           a.refresh == b.refresh && a.cache == b.cache && a.offline == b.offline;
  }

  static std::string describe(const Secret& secret) {
    std::string text =
        secret.template_file.empty() ? secret.from : "template " + secret.template_file;
    text += " as ";
    text += secret.env.empty() ? "" : "$" + secret.env;
    text += secret.env.empty() || secret.file.empty() ? "" : " and ";
    text += secret.file;
    for (const std::string_view scheme : {"env://", "file://", "exec://"}) {
      if (secret.from.compare(0, scheme.size(), scheme) == 0) {
        text += " (reads your own environment, files or programs)";
      }
    }
    return text;
  }

  void secrets() {
    for (const auto& [name, secret] : document_.secrets) {
      const auto old = before_.secrets.find(name);
      if (old == before_.secrets.end() || !same(old->second, secret)) {
        add("secret " + name + ": " + describe(secret), secret.place);
      }
    }
  }

  // Whether a pattern allows more than another cannot be told: each change is shown.
  void tenancy(const Scope& scope, const Scope& given) {
    for (const auto& [name, parameter] : scope.params) {
      const auto old = given.params.find(name);
      if (old == given.params.end() || old->second.pattern != parameter.pattern ||
          old->second.values != parameter.values) {
        std::string allowed = parameter.pattern;
        for (const std::string& value : parameter.values) {
          allowed += (allowed.empty() ? "" : ", ") + value;
        }
        add("scope " + scope.name + ": parameter " + name + ": " + allowed, parameter.place);
      }
    }
    for (const auto& [scheme, account] : scope.accounts) {
      const auto old = given.accounts.find(scheme);
      if (old != given.accounts.end() && old->second.variables == account.variables) {
        continue;
      }
      std::string text;
      for (const auto& [name, value] : account.variables) {
        text += (text.empty() ? "" : ", ") + name + "=" + value;
      }
      add("scope " + scope.name + ": account for " + scheme + ": " + text, account.place);
    }
    for (const auto& [scheme, unused] : given.accounts) {
      if (scope.accounts.count(scheme) == 0) {
        add("scope " + scope.name + ": " + scheme + " no longer with an account of its own",
            scope.place);
      }
    }
  }

  void scopes() {
    const Scope main = main_scope(before_);
    for (const auto& [name, scope] : document_.scopes) {
      // A scope that is new is held against what the session as a whole may do.
      const auto old = before_.scopes.find(name);
      const Scope& given = old == before_.scopes.end() ? main : old->second;
      for (const std::string& secret : scope.request) {
        const bool own = document_.secrets.count(secret) != 0;
        const auto names = {&given.secrets, &given.request};
        const bool held = std::any_of(names.begin(), names.end(), [&](const auto* list) {
          return std::find(list->begin(), list->end(), secret) != list->end();
        });
        if (!held && (!own || before_.secrets.count(secret) != 0)) {
          add("scope " + name + ": may ask for secret " + secret, scope.place);
        }
      }
      for (const std::string& secret : scope.secrets) {
        const bool own = document_.secrets.count(secret) != 0;  // named already, if it is new
        const bool held =
            std::find(given.secrets.begin(), given.secrets.end(), secret) != given.secrets.end();
        if (!held && (!own || before_.secrets.count(secret) != 0)) {
          add("scope " + name + ": secret " + secret, scope.place);
        }
      }
      const Scope& merged = after_.scopes.at(name);
      network("scope " + name + ": network: ",
              merged.network  ? *merged.network
              : given.network ? after_.network
                              : std::vector<Pattern>(),
              given.network ? *given.network : before_.network);
      if (scope.approve.value_or(Approve::kNever) < given.approve.value_or(Approve::kNever)) {
        add("scope " + name + ": asks for approval less often", scope.place);
      }
      if (scope.detach && !given.detach) {
        add("scope " + name + ": may outlive the box that has started it", scope.place);
      }
      tenancy(scope, given);
      for (const std::string& child : scope.spawn) {
        const bool may =
            std::find(given.spawn.begin(), given.spawn.end(), child) != given.spawn.end();
        if (!may && before_.scopes.count(child) != 0) {
          add("scope " + name + ": spawn " + child, scope.place);
        }
      }
    }
  }

  void commands() {
    for (const auto& [name, command] : document_.commands) {
      const auto old = before_.commands.find(name);
      const bool known = old != before_.commands.end() && old->second.scope == command.scope;
      const std::string what = "command " + name + " in scope " + command.scope + ": ";
      if (!command.args && (!known || old->second.args)) {
        add(what + "any arguments", command.place);
      }
      for (const Pattern& rule : command.args.value_or(std::vector<Pattern>())) {
        if (!known || (old->second.args && !stands_in(rule, *old->second.args))) {
          add(what + rule.text, rule.place);
        }
      }
    }
  }

  void limit(const std::string& name, const std::optional<std::uint64_t>& before,
             const std::optional<std::uint64_t>& after) {
    if (before && after && *after > *before) {
      add("limits." + name + ": " + std::to_string(*after) + " (was " + std::to_string(*before) +
              ")",
          document_.place);
    }
  }

  void limits() {
    limit("memory", before_.limits.memory, after_.limits.memory);
    limit("processes", before_.limits.processes, after_.limits.processes);
    limit("files", before_.limits.files, after_.limits.files);
    limit("spawn_depth", before_.limits.spawn_depth, after_.limits.spawn_depth);
    limit("spawn_concurrent", before_.limits.spawn_concurrent, after_.limits.spawn_concurrent);
  }

  const Policy& before_;
  const Policy& after_;
  const Document& document_;
  std::vector<Widening> found_;
};

// One line for a whole profile: its parts were reviewed when it was shipped or written.
std::string summary(const std::string& name, const std::vector<Widening>& parts) {
  const auto count = [&](std::string_view beginning) {
    return std::count_if(parts.begin(), parts.end(), [&](const Widening& part) {
      return part.what.compare(0, beginning.size(), beginning) == 0;
    });
  };
  std::string text = "extends: " + name + " (";
  std::string separator;
  std::ptrdiff_t others = std::ssize(parts);
  for (const auto& [beginning, noun] :
       {std::pair("home.", "paths of your home directory"), std::pair("network: ", "hosts"),
        std::pair("environment.", "variables")}) {
    if (const auto number = count(beginning); number > 0) {
      text += separator + std::to_string(number) + " " + noun;
      separator = ", ";
      others -= number;
    }
  }
  if (others > 0) {
    text += separator + std::to_string(others) + " other grants";
  }
  return text + ")";
}

}  // namespace

std::vector<Widening> widenings(const Sources& sources, const ProfileSource& profile_source) {
  if (!sources.repository) {
    return {};
  }
  const Document& repository = *sources.repository;
  // --policy takes the repository's place and is the user's own; it has no part in this.
  Sources own = sources;
  own.command_line.reset();
  std::vector<Pattern> names = user_profiles(own);
  const std::vector<Document> profiles = resolve_profiles(names, profile_source);
  Merger merger;
  for (const Document& profile : profiles) {
    merger.add(profile, Layer::kProfile);
  }
  if (own.user) {
    merger.add(*own.user, Layer::kUser);
    merger.set_caps(*own.user);
  }
  std::vector<Widening> found;
  std::size_t known = profiles.size();
  for (const Pattern& name : repository.extends) {
    names.push_back(name);
    const std::vector<Document> all = resolve_profiles(names, profile_source);
    std::vector<Widening> parts;
    for (; known < all.size(); ++known) {
      const Policy before = merger.policy();
      merger.add(all[known], Layer::kRepository);
      const std::vector<Widening> more = Difference(before, merger.policy(), all[known]).find();
      parts.insert(parts.end(), more.begin(), more.end());
    }
    if (!parts.empty()) {
      found.push_back({summary(name.text, parts), name.place});
    }
  }
  const Policy before = merger.policy();
  merger.add(repository, Layer::kRepository);
  const std::vector<Widening> more = Difference(before, merger.policy(), repository).find();
  found.insert(found.end(), more.begin(), more.end());
  return found;
}

}  // namespace agentbox::policy
