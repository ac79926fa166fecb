#include "policy/merge.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "base/encode.h"
#include "base/error.h"
#include "base/nearest.h"
#include "base/sha256.h"
#include "policy/floor.h"
#include "policy/network_rules.h"
#include "policy/parameters.h"

namespace agentbox::policy {

namespace {

using base::Error;
using base::Status;

[[noreturn]] void refuse(const Place& place, const std::string& what, const std::string& hint) {
  throw Error(Status::kConfiguration, place.text() + ": " + what, hint);
}

std::string in_quotes(std::string_view text) { return '"' + base::printable(text) + '"'; }

void add_profile(const Pattern& name, const ProfileSource& profile_source,
                 std::vector<std::string>& open, std::set<std::string>& done,
                 std::vector<Document>& documents) {
  if (std::find(open.begin(), open.end(), name.text) != open.end()) {
    std::string way;
    for (const std::string& profile : open) {
      way += profile + " → ";
    }
    refuse(name.place, "\"extends\" goes in a circle: " + base::printable(way + name.text),
           "take one of them out of the other's \"extends\"");
  }
  if (done.count(name.text) != 0) {
    return;
  }
  open.push_back(name.text);
  Document document = profile_source(name);
  for (const Pattern& base : document.extends) {
    add_profile(base, profile_source, open, done, documents);
  }
  open.pop_back();
  done.insert(name.text);
  documents.push_back(std::move(document));
}

// The latest layer first.
void prepend(std::vector<Pattern>& rules, const std::vector<Pattern>& added, Layer layer) {
  std::vector<Pattern> marked = added;
  for (Pattern& pattern : marked) {
    pattern.layer = layer;
  }
  rules.insert(rules.begin(), marked.begin(), marked.end());
}

template <typename Choice>
void prepend(std::vector<ChoiceFor<Choice>>& rules, const std::vector<ChoiceFor<Choice>>& added,
             Layer layer) {
  // The last word first: within a document the later entry wins, and so does the later layer.
  for (ChoiceFor<Choice> rule : added) {
    rule.pattern.layer = layer;
    rules.insert(rules.begin(), std::move(rule));
  }
}

bool is_denial(const Pattern& entry) { return parse_network_rule(entry).deny; }

void set_limit(std::optional<std::uint64_t>& limit, const std::optional<std::uint64_t>& given,
               const std::optional<std::uint64_t>& cap) {
  if (given) {
    limit = cap ? std::min(*given, *cap) : *given;
  }
}

std::vector<std::string> keys_of(const auto& map) {
  std::vector<std::string> keys;
  for (const auto& [key, unused] : map) {
    keys.push_back(key);
  }
  return keys;
}

void check_known(const Scope& scope, const std::string& what, const std::string& name,
                 const std::vector<std::string>& known) {
  if (std::find(known.begin(), known.end(), name) == known.end()) {
    const std::string near = base::nearest(name, known);
    refuse(scope.place,
           "scope " + in_quotes(scope.name) + " names the " + what + " " + in_quotes(name) +
               ", which no document has",
           near.empty() ? "add it, or take the name out" : "did you mean \"" + near + "\"?");
  }
}

// Every variable of the secrets that a scope may get is one of its parameters.
void check_variables(const Policy& policy, const Scope& scope) {
  for (const auto* list : {&scope.secrets, &scope.request}) {
    for (const std::string& name : *list) {
      const Secret& secret = policy.secrets.at(name);
      for (const std::string& variable : variables_in(secret.from, secret.place)) {
        if (scope.params.count(variable) == 0) {
          refuse(secret.place,
                 "secret " + in_quotes(name) + " has the variable ${" + variable +
                     "}, which is no parameter of scope " + in_quotes(scope.name),
                 "declare it in scopes." + scope.name + ": \"params\": {\"" + variable +
                     "\": \"[a-z0-9-]{1,32}\"}");
        }
      }
    }
  }
}

void check_spawn(const Policy& policy, const std::string& name, std::vector<std::string>& open,
                 std::set<std::string>& done) {
  const Scope& scope = policy.scopes.at(name);
  if (std::find(open.begin(), open.end(), name) != open.end()) {
    std::string way;
    for (const std::string& one : open) {
      way += one + " → ";
    }
    refuse(scope.place, "\"spawn\" goes in a circle: " + base::printable(way + name),
           "take one of them out of the other's \"spawn\"");
  }
  if (done.count(name) != 0) {
    return;
  }
  open.push_back(name);
  for (const std::string& child : scope.spawn) {
    check_spawn(policy, child, open, done);
  }
  open.pop_back();
  done.insert(name);
}

using Json = nlohmann::json;

Json canonical(const std::vector<Pattern>& patterns) {
  Json list = Json::array();
  for (const Pattern& pattern : patterns) {
    list.push_back({static_cast<int>(pattern.layer), pattern.text});
  }
  return list;
}

template <typename Choice>
Json canonical(const std::vector<ChoiceFor<Choice>>& rules) {
  Json list = Json::array();
  for (const ChoiceFor<Choice>& rule : rules) {
    list.push_back(
        {static_cast<int>(rule.pattern.layer), rule.pattern.text, static_cast<int>(rule.choice)});
  }
  return list;
}

Json canonical(const std::vector<LinkRule>& rules) {
  Json list = Json::array();
  for (const LinkRule& rule : rules) {
    list.push_back({static_cast<int>(rule.kind), rule.pattern.text});
  }
  return list;
}

template <typename Value>
Json canonical(const std::optional<Value>& value) {
  return value ? Json(static_cast<std::uint64_t>(*value)) : Json();
}

Json seconds(const std::optional<std::chrono::seconds>& time) {
  return time ? Json(time->count()) : Json();
}

Json canonical(const std::map<std::string, Parameter>& params) {
  Json all = Json::object();
  for (const auto& [name, parameter] : params) {
    all[name] = {parameter.pattern, parameter.values};
  }
  return all;
}

Json canonical(const std::map<std::string, Account>& accounts) {
  Json all = Json::object();
  for (const auto& [scheme, account] : accounts) {
    all[scheme] = account.variables;
  }
  return all;
}

// Names sorted, places left out: two policies that decide alike in all cases hash alike.
Json canonical(const Policy& policy) {
  Json secrets = Json::object();
  for (const auto& [name, secret] : policy.secrets) {
    secrets[name] = {secret.from,
                     secret.template_file,
                     secret.env,
                     secret.file,
                     static_cast<int>(secret.deliver),
                     secret.hosts,
                     seconds(secret.refresh),
                     seconds(secret.cache),
                     seconds(secret.offline)};
  }
  Json scopes = Json::object();
  for (const auto& [name, scope] : policy.scopes) {
    scopes[name] = {scope.secrets,
                    scope.request,
                    scope.spawn,
                    scope.network ? canonical(*scope.network) : Json(),
                    canonical(scope.approve),
                    scope.detach,
                    canonical(scope.params),
                    canonical(scope.accounts)};
  }
  Json commands = Json::object();
  for (const auto& [name, command] : policy.commands) {
    commands[name] = {command.scope, command.args ? canonical(*command.args) : Json()};
  }
  return {
      {"files",
       {canonical(policy.files.hide), canonical(policy.files.redact), canonical(policy.files.show),
        canonical(policy.files.readonly), canonical(policy.files.detect),
        canonical(policy.files.write_secrets), canonical(policy.credential_files),
        canonical(policy.key_files), canonical(policy.link_files)}},
      {"home", {canonical(policy.home.read), canonical(policy.home.write)}},
      {"environment", {canonical(policy.environment.pass), policy.environment.set}},
      {"system", canonical(policy.system)},
      {"secrets", secrets},
      {"scopes", scopes},
      {"commands", commands},
      {"network", canonical(policy.network)},
      {"limits",
       {canonical(policy.limits.memory), canonical(policy.limits.processes),
        canonical(policy.limits.files), canonical(policy.limits.spawn_depth),
        canonical(policy.limits.spawn_concurrent)}},
      {"view", static_cast<int>(policy.view)},
      {"history", static_cast<int>(policy.history)},
      {"user_namespaces", policy.user_namespaces}};
}

}  // namespace

std::vector<Document> resolve_profiles(const std::vector<Pattern>& names,
                                       const ProfileSource& profile_source) {
  std::vector<Document> documents;
  std::vector<std::string> open;
  std::set<std::string> done;
  for (const Pattern& name : names) {
    add_profile(name, profile_source, open, done, documents);
  }
  return documents;
}

std::vector<Pattern> user_profiles(const Sources& sources) {
  std::vector<Pattern> names;
  for (const std::string& profile : sources.profiles) {
    names.push_back({.text = profile, .place = {.file = "--profile"}});
  }
  for (const auto* document : {&sources.user, &sources.command_line}) {
    if (*document) {
      names.insert(names.end(), (*document)->extends.begin(), (*document)->extends.end());
    }
  }
  return names;
}

Merger::Merger() : policy_(floor_policy()) {}

void Merger::set_caps(const Document& user) {
  user_ = user;
  network_cap_ = policy_.network;
}

bool Merger::capped(const Pattern& entry) const {
  if (!user_.network) {
    return false;
  }
  const NetworkRule rule = parse_network_rule(entry);
  return !rule.deny &&
         std::none_of(network_cap_.begin(), network_cap_.end(), [&](const Pattern& allowed) {
           const NetworkRule outer = parse_network_rule(allowed);
           return !outer.deny && covers(outer, rule);
         });
}

void Merger::add_network(const std::vector<Pattern>& network, Layer layer) {
  if (network.empty()) {
    // "Nothing" said outright takes back what was allowed so far; denials stay.
    std::erase_if(policy_.network, [](const Pattern& entry) { return !is_denial(entry); });
    for (auto& [name, scope] : policy_.scopes) {
      if (scope.network) {
        std::erase_if(*scope.network, [](const Pattern& entry) { return !is_denial(entry); });
      }
    }
  }
  for (Pattern entry : network) {
    entry.layer = layer;
    if (layer != Layer::kRepository || !capped(entry)) {
      policy_.network.push_back(entry);
    }
  }
}

void Merger::add(const Document& document, Layer layer) {
  const bool repository = layer == Layer::kRepository;
  prepend(policy_.files.hide, document.files.hide, layer);
  prepend(policy_.files.redact, document.files.redact, layer);
  prepend(policy_.files.show, document.files.show, layer);
  prepend(policy_.files.readonly, document.files.readonly, layer);
  prepend(policy_.files.detect, document.files.detect, layer);
  prepend(policy_.files.write_secrets, document.files.write_secrets, layer);
  prepend(policy_.home.read, document.home.read, layer);
  prepend(policy_.home.write, document.home.write, layer);
  prepend(policy_.environment.pass, document.environment.pass, layer);
  for (const auto& [name, value] : document.environment.set) {
    policy_.environment.set[name] = value;
  }
  prepend(policy_.system, document.system, layer);
  for (const auto& [name, secret] : document.secrets) {
    policy_.secrets[name] = secret;
  }
  if (document.network) {
    add_network(*document.network, layer);
  }
  for (const auto& [name, command] : document.commands) {
    policy_.commands[name] = command;
  }
  for (const auto& [name, given] : document.scopes) {
    Scope scope = given;
    if (scope.network) {
      for (Pattern& entry : *scope.network) {
        entry.layer = layer;
      }
      if (repository) {
        std::erase_if(*scope.network, [&](const Pattern& entry) { return capped(entry); });
      }
    }
    policy_.scopes[name] = std::move(scope);
  }
  static const Limits kUncapped;
  const Limits& caps = repository ? user_.limits : kUncapped;
  set_limit(policy_.limits.memory, document.limits.memory, caps.memory);
  set_limit(policy_.limits.processes, document.limits.processes, caps.processes);
  set_limit(policy_.limits.files, document.limits.files, caps.files);
  set_limit(policy_.limits.spawn_depth, document.limits.spawn_depth, caps.spawn_depth);
  set_limit(policy_.limits.spawn_concurrent, document.limits.spawn_concurrent,
            caps.spawn_concurrent);
  if (document.view && !(repository && user_.view == ViewMode::kLive)) {
    policy_.view = *document.view;
  }
  if (document.history && !(repository && user_.history && *document.history < *user_.history)) {
    policy_.history = *document.history;
  }
  if (document.user_namespaces && !(repository && user_.user_namespaces == false)) {
    policy_.user_namespaces = *document.user_namespaces;
  }
}

Scope main_scope(const Policy& policy) {
  if (const auto main = policy.scopes.find("main"); main != policy.scopes.end()) {
    return main->second;
  }
  Scope main;
  main.name = "main";
  main.place = {.file = "built-in"};
  if (policy.scopes.empty()) {
    main.secrets = keys_of(policy.secrets);
  }
  return main;
}

Policy Merger::finish() {
  Policy policy = policy_;
  policy.scopes["main"] = main_scope(policy_);
  const std::vector<std::string> secrets = keys_of(policy.secrets);
  const std::vector<std::string> scopes = keys_of(policy.scopes);
  for (auto& [name, scope] : policy.scopes) {
    for (const std::string& secret : scope.secrets) {
      check_known(scope, "secret", secret, secrets);
    }
    for (const std::string& secret : scope.request) {
      check_known(scope, "secret", secret, secrets);
    }
    for (const std::string& child : scope.spawn) {
      check_known(scope, "scope", child, scopes);
    }
    check_variables(policy, scope);
    if (scope.network) {
      // What is denied to the session is denied to each of its boxes.
      std::copy_if(policy.network.begin(), policy.network.end(), std::back_inserter(*scope.network),
                   is_denial);
    }
  }
  for (const auto& [name, command] : policy.commands) {
    if (policy.scopes.count(command.scope) == 0) {
      const std::string near = base::nearest(command.scope, scopes);
      refuse(command.place,
             "command " + in_quotes(name) + " names the scope " + in_quotes(command.scope) +
                 ", which no document has",
             near.empty() ? "add it to \"scopes\"" : "did you mean \"" + near + "\"?");
    }
  }
  std::vector<std::string> open;
  std::set<std::string> done;
  for (const std::string& name : scopes) {
    check_spawn(policy, name, open, done);
  }
  policy.hash = base::sha256_hex(canonical(policy).dump());
  return policy;
}

Policy merge(const Sources& sources, const ProfileSource& profile_source) {
  Merger merger;
  std::vector<Pattern> profiles = user_profiles(sources);
  const std::vector<Document> own = resolve_profiles(profiles, profile_source);
  for (const Document& profile : own) {
    merger.add(profile, Layer::kProfile);
  }
  if (sources.user) {
    merger.add(*sources.user, Layer::kUser);
    merger.set_caps(*sources.user);
  }
  if (sources.repository) {
    // Profiles that only the repository asks for speak with its voice: the user's caps hold.
    profiles.insert(profiles.end(), sources.repository->extends.begin(),
                    sources.repository->extends.end());
    const std::vector<Document> all = resolve_profiles(profiles, profile_source);
    for (std::size_t i = own.size(); i < all.size(); ++i) {
      merger.add(all[i], Layer::kRepository);
    }
    merger.add(*sources.repository, Layer::kRepository);
  }
  if (sources.command_line) {
    merger.add(*sources.command_line, Layer::kCommandLine);
  }
  return merger.finish();
}

}  // namespace agentbox::policy
