#include "policy/document.h"

#include <algorithm>
#include <initializer_list>
#include <span>

#include "base/encode.h"
#include "base/error.h"
#include "base/nearest.h"
#include "base/number.h"
#include "policy/accounts.h"
#include "policy/command_rules.h"
#include "policy/content_glob.h"
#include "policy/glob.h"
#include "policy/home_glob.h"
#include "policy/json_tree.h"
#include "policy/network_rules.h"
#include "policy/parameters.h"

namespace agentbox::policy {

namespace {

using base::Error;
using base::Status;
using Kind = JsonNode::Kind;

constexpr std::size_t kLongestName = 64;

// One key of an object: its name, and how its value gets into the target. `path` is the key as a
// user would say it ("files.hide").
template <typename Target>
struct Key {
  const char* name;
  void (*read)(const JsonNode& value, const std::string& path, Target& target);
};

[[noreturn]] void refuse(const Place& place, const std::string& what, const std::string& hint) {
  throw Error(Status::kConfiguration, place.text() + ": " + what, hint);
}

std::string in_quotes(std::string_view text) { return '"' + base::printable(text) + '"'; }

std::string dotted(const std::string& path, const std::string& name) {
  return path.empty() ? name : path + "." + name;
}

void expect(const JsonNode& node, Kind kind, const std::string& path, const std::string& wanted) {
  if (node.kind != kind) {
    refuse(node.place,
           (path.empty() ? std::string("the document") : in_quotes(path)) + ": expected " + wanted +
               ", found " + kind_name(node.kind),
           "see docs/policy.md for what stands there");
  }
}

template <typename Target>
void read_object(const JsonNode& node, const std::string& path, std::span<const Key<Target>> keys,
                 Target& target) {
  expect(node, Kind::kObject, path, "an object");
  for (const JsonNode::Member& member : node.members) {
    const auto key = std::find_if(keys.begin(), keys.end(), [&](const Key<Target>& candidate) {
      return member.name == candidate.name;
    });
    if (key == keys.end()) {
      std::vector<std::string> names;
      for (const Key<Target>& known : keys) {
        names.emplace_back(known.name);
      }
      const std::string near = base::nearest(member.name, names);
      refuse(member.place, "unknown key " + in_quotes(dotted(path, member.name)),
             near.empty() ? "docs/policy.md lists the keys" : "did you mean \"" + near + "\"?");
    }
    key->read(member.value, dotted(path, member.name), target);
  }
}

std::string read_string(const JsonNode& node, const std::string& path) {
  expect(node, Kind::kString, path, "a string");
  if (node.text.find('\0') != std::string::npos) {
    refuse(node.place, in_quotes(path) + " holds a NUL byte", "remove it");
  }
  return node.text;
}

std::vector<Pattern> read_list(const JsonNode& node, const std::string& path) {
  expect(node, Kind::kList, path, "a list of strings");
  std::vector<Pattern> patterns;
  for (const JsonNode& item : node.items) {
    if (item.kind != Kind::kString) {
      refuse(item.place,
             in_quotes(path) + ": expected a list of strings, found " + kind_name(item.kind) +
                 " in it",
             "put it in quotes");
    }
    patterns.push_back({.text = read_string(item, path), .place = item.place});
  }
  return patterns;
}

template <typename Value>
Value read_choice(const JsonNode& node, const std::string& path,
                  std::initializer_list<std::pair<const char*, Value>> choices) {
  const std::string text = read_string(node, path);
  std::vector<std::string> names;
  std::string all;
  for (const auto& [name, value] : choices) {
    if (text == name) {
      return value;
    }
    names.emplace_back(name);
    all += (all.empty() ? "\"" : ", \"") + std::string(name) + "\"";
  }
  const std::string near = base::nearest(text, names);
  refuse(node.place, in_quotes(path) + ": " + in_quotes(text) + " is none of " + all,
         near.empty() ? "choose one of them" : "did you mean \"" + near + "\"?");
}

std::uint64_t read_count(const JsonNode& node, const std::string& path, std::uint64_t least) {
  expect(node, Kind::kNumber, path, "a whole number");
  const std::optional<std::uint64_t> count = base::parse_number(node.text, 1 << 30);
  if (!count || *count < least) {
    refuse(node.place,
           in_quotes(path) + ": " + node.text + " is not a whole number from " +
               std::to_string(least) + " to 1073741824",
           "leave the key out for no limit of its own");
  }
  return *count;
}

std::uint64_t read_bytes(const JsonNode& node, const std::string& path) {
  constexpr std::uint64_t kLeast = 1 << 20;  // less than that starts no program
  if (node.kind != Kind::kNumber && node.kind != Kind::kString) {
    expect(node, Kind::kString, path, "a size such as \"8G\"");
  }
  const std::optional<std::uint64_t> bytes = base::parse_size(node.text);
  if (!bytes || *bytes < kLeast) {
    refuse(node.place,
           in_quotes(path) + ": " + in_quotes(node.text) + " is not a size of 1M or more",
           "write bytes, or a number with K, M, G or T: \"8G\"");
  }
  return *bytes;
}

std::chrono::seconds read_duration(const JsonNode& node, const std::string& path,
                                   std::chrono::seconds least) {
  constexpr std::chrono::seconds kMost = std::chrono::hours(24 * 30);
  expect(node, Kind::kString, path, "a time such as \"10m\"");
  const std::optional<std::chrono::seconds> time = base::parse_duration(node.text);
  if (!time || *time < least || *time > kMost) {
    refuse(node.place,
           in_quotes(path) + ": " + in_quotes(node.text) + " is not a time from " +
               std::to_string(least.count()) + "s to 30d",
           "write a number with s, m, h or d: \"10m\"");
  }
  return *time;
}

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

// Names become file names, log fields and words on a command line.
void check_name(const std::string& name, const Place& place, const std::string& what) {
  const bool good = !name.empty() && name.size() <= kLongestName &&
                    (is_letter(name[0]) || is_digit(name[0])) &&
                    std::all_of(name.begin(), name.end(), [](char c) {
                      return is_letter(c) || is_digit(c) || c == '-' || c == '_' || c == '.';
                    });
  if (!good) {
    refuse(place, what + " name " + in_quotes(name) + " is not allowed",
           "use up to 64 letters, digits, \"-\", \"_\" and \".\", a letter or digit first");
  }
}

void check_variable(const std::string& name, const Place& place, const std::string& what) {
  const bool good = !name.empty() && !is_digit(name[0]) &&
                    std::all_of(name.begin(), name.end(),
                                [](char c) { return is_letter(c) || is_digit(c) || c == '_'; });
  if (!good) {
    refuse(place, what + ": " + in_quotes(name) + " is not the name of a variable",
           "use letters, digits and \"_\", no digit first");
  }
}

void check_variable_glob(const Pattern& pattern, const std::string& path) {
  const auto wild = [](char c) { return c == '*' || c == '?'; };
  std::string name = pattern.text;
  name.erase(std::remove_if(name.begin(), name.end(), wild), name.end());
  if (name.empty() && !pattern.text.empty()) {
    refuse(pattern.place,
           in_quotes(path) + ": " + in_quotes(pattern.text) + " would pass every variable",
           "name the variables that the box needs: \"LANG\", \"LC_*\"");
  }
  check_variable(name, pattern.place, in_quotes(path));
}

std::vector<Pattern> read_file_patterns(const JsonNode& node, const std::string& path) {
  std::vector<Pattern> patterns = read_list(node, path);
  for (const Pattern& pattern : patterns) {
    Glob{pattern};
  }
  return patterns;
}

std::vector<Pattern> read_home_patterns(const JsonNode& node, const std::string& path) {
  std::vector<Pattern> patterns = read_list(node, path);
  for (const Pattern& pattern : patterns) {
    HomeGlob{pattern};
  }
  return patterns;
}

std::vector<Pattern> read_network(const JsonNode& node, const std::string& path) {
  std::vector<Pattern> patterns = read_list(node, path);
  for (const Pattern& pattern : patterns) {
    parse_network_rule(pattern);
  }
  return patterns;
}

std::vector<std::string> read_names(const JsonNode& node, const std::string& path,
                                    const std::string& what) {
  std::vector<std::string> names;
  for (const Pattern& entry : read_list(node, path)) {
    check_name(entry.text, entry.place, what);
    if (std::find(names.begin(), names.end(), entry.text) != names.end()) {
      refuse(entry.place, in_quotes(path) + " names " + in_quotes(entry.text) + " twice",
             "remove one of the two");
    }
    names.push_back(entry.text);
  }
  return names;
}

std::vector<std::string> read_hosts(const JsonNode& node, const std::string& path) {
  std::vector<std::string> hosts;
  for (const Pattern& entry : read_list(node, path)) {
    const bool wildcard = entry.text.rfind("*.", 0) == 0;
    const std::optional<std::string> host =
        canonical_host(std::string_view(entry.text).substr(wildcard ? 2 : 0));
    if (!host) {
      refuse(entry.place, in_quotes(path) + ": " + in_quotes(entry.text) + " is not a host name",
             "write a name without a port: \"api.example.com\" or \"*.example.com\"");
    }
    hosts.push_back((wildcard ? "*." : "") + *host);
  }
  return hosts;
}

// "choice" for every file, or {"glob": "choice", …}. `read` throws for a glob that cannot be read.
template <typename Choice>
std::vector<ChoiceFor<Choice>> read_choices(
    const JsonNode& node, const std::string& path,
    std::initializer_list<std::pair<const char*, Choice>> choices, Glob (*read)(const Pattern&)) {
  if (node.kind != Kind::kObject) {
    return {{{.text = "**", .place = node.place}, read_choice<Choice>(node, path, choices)}};
  }
  std::vector<ChoiceFor<Choice>> list;
  for (const JsonNode::Member& member : node.members) {
    const Pattern pattern{.text = member.name, .place = member.place};
    static_cast<void>(read(pattern));
    list.push_back(
        {pattern, read_choice<Choice>(member.value, dotted(path, member.name), choices)});
  }
  return list;
}

void ignore_string(const JsonNode& node, const std::string& path) { read_string(node, path); }

constexpr Key<Files> kFilesKeys[] = {
    {"hide", [](const JsonNode& node, const std::string& path,
                Files& files) { files.hide = read_file_patterns(node, path); }},
    {"redact", [](const JsonNode& node, const std::string& path,
                  Files& files) { files.redact = read_file_patterns(node, path); }},
    {"show", [](const JsonNode& node, const std::string& path,
                Files& files) { files.show = read_file_patterns(node, path); }},
    {"readonly", [](const JsonNode& node, const std::string& path,
                    Files& files) { files.readonly = read_file_patterns(node, path); }},
    {"detect",
     [](const JsonNode& node, const std::string& path, Files& files) {
       files.detect = read_choices<Detect>(node, path,
                                           {{"off", Detect::kOff},
                                            {"report", Detect::kReport},
                                            {"redact", Detect::kRedact},
                                            {"deny", Detect::kDeny}},
                                           [](const Pattern& pattern) { return Glob(pattern); });
     }},
    {"write_secrets",
     [](const JsonNode& node, const std::string& path, Files& files) {
       files.write_secrets = read_choices<WriteSecrets>(node, path,
                                                        {{"allow", WriteSecrets::kAllow},
                                                         {"mask", WriteSecrets::kMask},
                                                         {"deny", WriteSecrets::kDeny}},
                                                        content_glob);
     }},
};

constexpr Key<Home> kHomeKeys[] = {
    {"read", [](const JsonNode& node, const std::string& path,
                Home& home) { home.read = read_home_patterns(node, path); }},
    {"write", [](const JsonNode& node, const std::string& path,
                 Home& home) { home.write = read_home_patterns(node, path); }},
};

constexpr Key<Environment> kEnvironmentKeys[] = {
    {"pass",
     [](const JsonNode& node, const std::string& path, Environment& environment) {
       environment.pass = read_list(node, path);
       for (const Pattern& pattern : environment.pass) {
         check_variable_glob(pattern, path);
       }
     }},
    {"set",
     [](const JsonNode& node, const std::string& path, Environment& environment) {
       expect(node, Kind::kObject, path, "an object of variables");
       for (const JsonNode::Member& member : node.members) {
         check_variable(member.name, member.place, in_quotes(path));
         environment.set[member.name] = read_string(member.value, dotted(path, member.name));
       }
     }},
};

constexpr Key<Secret> kSecretAsKeys[] = {
    {"env",
     [](const JsonNode& node, const std::string& path, Secret& secret) {
       secret.env = read_string(node, path);
       check_variable(secret.env, node.place, in_quotes(path));
     }},
    {"file",
     [](const JsonNode& node, const std::string& path, Secret& secret) {
       secret.file = read_string(node, path);
       const bool home = secret.file.rfind("~/", 0) == 0;
       check_plain_path(std::string_view(secret.file).substr(home ? 2 : 0), node.place,
                        in_quotes(path));
       if (secret.file.front() == '/' || (home && secret.file[2] == '/')) {
         refuse(node.place,
                in_quotes(path) + ": " + in_quotes(secret.file) + " is an absolute path",
                "write \"~/…\", or a path relative to the project");
       }
     }},
};

constexpr Key<Secret> kSecretKeys[] = {
    {"from",
     [](const JsonNode& node, const std::string& path, Secret& secret) {
       secret.from = read_string(node, path);
       check_printable(secret.from, node.place, in_quotes(path));
       if (secret.from.empty()) {
         refuse(node.place, in_quotes(path) + " is empty", "write a reference: \"local://NAME\"");
       }
       variables_in(secret.from, node.place);
     }},
    {"template",
     [](const JsonNode& node, const std::string& path, Secret& secret) {
       secret.template_file = read_string(node, path);
       check_plain_path(secret.template_file, node.place, in_quotes(path));
     }},
    {"as", [](const JsonNode& node, const std::string& path,
              Secret& secret) { read_object<Secret>(node, path, kSecretAsKeys, secret); }},
    {"deliver",
     [](const JsonNode& node, const std::string& path, Secret& secret) {
       secret.deliver = read_choice<Deliver>(
           node, path, {{"value", Deliver::kValue}, {"placeholder", Deliver::kPlaceholder}});
     }},
    {"hosts", [](const JsonNode& node, const std::string& path,
                 Secret& secret) { secret.hosts = read_hosts(node, path); }},
    {"refresh",
     [](const JsonNode& node, const std::string& path, Secret& secret) {
       // Stores count requests by the hour.
       secret.refresh = read_duration(node, path, std::chrono::seconds(10));
     }},
    {"cache",
     [](const JsonNode& node, const std::string& path, Secret& secret) {
       secret.cache = read_duration(node, path, std::chrono::seconds(1));
     }},
    {"offline",
     [](const JsonNode& node, const std::string& path, Secret& secret) {
       secret.offline = read_duration(node, path, std::chrono::seconds(1));
     }},
    {"description",
     [](const JsonNode& node, const std::string& path, Secret&) { ignore_string(node, path); }},
};

void read_params(const JsonNode& node, const std::string& path, Scope& scope) {
  expect(node, Kind::kObject, path, "an object of parameters");
  for (const JsonNode::Member& member : node.members) {
    check_name(member.name, member.place, "the parameter");
    Parameter parameter{member.name, {}, {}, member.place};
    const std::string own = dotted(path, member.name);
    if (member.value.kind == Kind::kString) {
      parameter.pattern = read_string(member.value, own);
    } else {
      for (const Pattern& value : read_list(member.value, own)) {
        parameter.values.push_back(value.text);
      }
    }
    check_parameter(parameter);
    scope.params.emplace(member.name, std::move(parameter));
  }
}

void read_accounts(const JsonNode& node, const std::string& path, Scope& scope) {
  expect(node, Kind::kObject, path, "an object of accounts");
  for (const JsonNode::Member& member : node.members) {
    const std::string own = dotted(path, member.name);
    expect(member.value, Kind::kObject, own, "an object of variables");
    Account account{member.name, {}, member.place};
    for (const JsonNode::Member& variable : member.value.members) {
      const std::string name = dotted(own, variable.name);
      const std::string text = read_string(variable.value, name);
      check_printable(text, variable.place, in_quotes(name));
      account.variables[variable.name] = text;
    }
    check_account(account);
    scope.accounts.emplace(member.name, std::move(account));
  }
}

// In any order of the keys, so after all of them are read.
void check_variables(const Scope& scope) {
  for (const auto& [scheme, account] : scope.accounts) {
    for (const auto& [unused, text] : account.variables) {
      for (const std::string& name : variables_in(text, account.place)) {
        if (scope.params.count(name) == 0) {
          refuse(account.place,
                 "the account of " + scheme + " has the variable ${" + name + "}, and scope " +
                     in_quotes(scope.name) + " no such parameter",
                 "declare it: \"params\": {\"" + name + "\": \"[a-z0-9-]{1,32}\"}");
        }
      }
    }
  }
}

constexpr Key<Scope> kScopeKeys[] = {
    {"secrets", [](const JsonNode& node, const std::string& path,
                   Scope& scope) { scope.secrets = read_names(node, path, "the secret"); }},
    {"request", [](const JsonNode& node, const std::string& path,
                   Scope& scope) { scope.request = read_names(node, path, "the secret"); }},
    {"spawn", [](const JsonNode& node, const std::string& path,
                 Scope& scope) { scope.spawn = read_names(node, path, "the scope"); }},
    {"network", [](const JsonNode& node, const std::string& path,
                   Scope& scope) { scope.network = read_network(node, path); }},
    {"approve",
     [](const JsonNode& node, const std::string& path, Scope& scope) {
       scope.approve = read_choice<Approve>(
           node, path,
           {{"never", Approve::kNever}, {"session", Approve::kSession}, {"each", Approve::kEach}});
     }},
    {"detach",
     [](const JsonNode& node, const std::string& path, Scope& scope) {
       expect(node, Kind::kBoolean, path, "true or false");
       scope.detach = node.boolean;
     }},
    {"params", read_params},
    {"accounts", read_accounts},
    {"description",
     [](const JsonNode& node, const std::string& path, Scope&) { ignore_string(node, path); }},
};

constexpr Key<Command> kCommandKeys[] = {
    {"scope",
     [](const JsonNode& node, const std::string& path, Command& command) {
       command.scope = read_string(node, path);
       check_name(command.scope, node.place, "the scope");
     }},
    {"args",
     [](const JsonNode& node, const std::string& path, Command& command) {
       command.args = read_list(node, path);
       for (const Pattern& rule : *command.args) {
         check_argument_rule(rule);
       }
     }},
    {"description",
     [](const JsonNode& node, const std::string& path, Command&) { ignore_string(node, path); }},
};

constexpr Key<Limits> kLimitsKeys[] = {
    {"memory", [](const JsonNode& node, const std::string& path,
                  Limits& limits) { limits.memory = read_bytes(node, path); }},
    {"processes", [](const JsonNode& node, const std::string& path,
                     Limits& limits) { limits.processes = read_count(node, path, 1); }},
    {"files", [](const JsonNode& node, const std::string& path,
                 Limits& limits) { limits.files = read_count(node, path, 16); }},
    {"spawn_depth", [](const JsonNode& node, const std::string& path,
                       Limits& limits) { limits.spawn_depth = read_count(node, path, 0); }},
    {"spawn_concurrent",
     [](const JsonNode& node, const std::string& path, Limits& limits) {
       limits.spawn_concurrent = read_count(node, path, 0);
     }},
};

void read_secrets(const JsonNode& node, const std::string& path, Document& document) {
  expect(node, Kind::kObject, path, "an object of secrets");
  for (const JsonNode::Member& member : node.members) {
    check_name(member.name, member.place, "the secret");
    if (member.name == kReservedSecret) {
      refuse(member.place, "no secret can have the name " + in_quotes(member.name),
             "a file of this name is agentbox's own in each box: take another name");
    }
    Secret secret;
    secret.name = member.name;
    secret.place = member.place;
    const std::string own = dotted(path, member.name);
    read_object<Secret>(member.value, own, kSecretKeys, secret);
    if (secret.from.empty() == secret.template_file.empty()) {
      refuse(member.place, in_quotes(own) + " needs either \"from\" or \"template\"",
             "\"from\" takes one reference, \"template\" a file with references in it");
    }
    if (secret.env.empty() && secret.file.empty()) {
      refuse(member.place, in_quotes(own) + " goes nowhere",
             "say where: \"as\": {\"env\": \"NAME\"} or \"as\": {\"file\": \"~/path\"}");
    }
    if (secret.deliver == Deliver::kPlaceholder && secret.hosts.empty()) {
      refuse(member.place, in_quotes(own) + " is a placeholder without \"hosts\"",
             "name the hosts towards which it is swapped for the value");
    }
    if (secret.refresh && secret.file.empty()) {
      refuse(member.place,
             in_quotes(own) + " is to be refreshed, but a variable of a running program cannot be",
             "deliver it as a file: \"as\": {\"file\": \"~/path\"}");
    }
    if (secret.offline && (!secret.cache || *secret.offline < *secret.cache)) {
      refuse(member.place, in_quotes(own) + ": \"offline\" is for values from the cache",
             "add \"cache\", and make \"offline\" the longer one");
    }
    document.secrets.emplace(member.name, std::move(secret));
  }
}

void read_scopes(const JsonNode& node, const std::string& path, Document& document) {
  expect(node, Kind::kObject, path, "an object of scopes");
  for (const JsonNode::Member& member : node.members) {
    check_name(member.name, member.place, "the scope");
    Scope scope;
    scope.name = member.name;
    scope.place = member.place;
    read_object<Scope>(member.value, dotted(path, member.name), kScopeKeys, scope);
    check_variables(scope);
    document.scopes.emplace(member.name, std::move(scope));
  }
}

void read_commands(const JsonNode& node, const std::string& path, Document& document) {
  expect(node, Kind::kObject, path, "an object of commands");
  for (const JsonNode::Member& member : node.members) {
    check_name(member.name, member.place, "the command");
    const std::string own = dotted(path, member.name);
    Command command;
    command.name = member.name;
    command.place = member.place;
    read_object<Command>(member.value, own, kCommandKeys, command);
    if (command.scope.empty()) {
      refuse(member.place, in_quotes(own) + " has no scope",
             "say in which scope it runs: \"scope\": \"NAME\"");
    }
    document.commands.emplace(member.name, std::move(command));
  }
}

void read_system(const JsonNode& node, const std::string& path, Document& document) {
  document.system = read_list(node, path);
  for (const Pattern& entry : document.system) {
    check_plain_path(entry.text, entry.place, in_quotes(path));
    if (entry.text.front() != '/' || entry.text.find_first_of("*?[") != std::string::npos) {
      refuse(entry.place,
             in_quotes(path) + ": " + in_quotes(entry.text) + " is not an absolute path",
             "name one directory or file without wildcards: \"/nix\"");
    }
  }
}

void read_extends(const JsonNode& node, const std::string& path, Document& document) {
  document.extends = read_list(node, path);
  for (const Pattern& entry : document.extends) {
    check_name(entry.text, entry.place, "the profile");
  }
}

void read_version(const JsonNode& node, const std::string& path, Document&) {
  expect(node, Kind::kNumber, path, "the number 1");
  if (node.text != "1") {
    refuse(node.place, in_quotes(path) + ": this agentbox knows version 1, not " + node.text,
           "write 1, or use the agentbox that the document was written for");
  }
}

constexpr Key<Document> kDocumentKeys[] = {
    {"$schema",
     [](const JsonNode& node, const std::string& path, Document&) { ignore_string(node, path); }},
    {"description",
     [](const JsonNode& node, const std::string& path, Document&) { ignore_string(node, path); }},
    {"version", read_version},
    {"extends", read_extends},
    {"files",
     [](const JsonNode& node, const std::string& path, Document& document) {
       read_object<Files>(node, path, kFilesKeys, document.files);
     }},
    {"home", [](const JsonNode& node, const std::string& path,
                Document& document) { read_object<Home>(node, path, kHomeKeys, document.home); }},
    {"environment",
     [](const JsonNode& node, const std::string& path, Document& document) {
       read_object<Environment>(node, path, kEnvironmentKeys, document.environment);
     }},
    {"system", read_system},
    {"secrets", read_secrets},
    {"scopes", read_scopes},
    {"commands", read_commands},
    {"network", [](const JsonNode& node, const std::string& path,
                   Document& document) { document.network = read_network(node, path); }},
    {"limits",
     [](const JsonNode& node, const std::string& path, Document& document) {
       read_object<Limits>(node, path, kLimitsKeys, document.limits);
     }},
    {"history",
     [](const JsonNode& node, const std::string& path, Document& document) {
       document.history = read_choice<History>(
           node, path,
           {{"warn", History::kWarn}, {"refuse", History::kRefuse}, {"filter", History::kFilter}});
     }},
    {"view",
     [](const JsonNode& node, const std::string& path, Document& document) {
       document.view = read_choice<ViewMode>(
           node, path, {{"auto", ViewMode::kAuto}, {"live", ViewMode::kLive}});
     }},
    {"user_namespaces",
     [](const JsonNode& node, const std::string& path, Document& document) {
       expect(node, Kind::kBoolean, path, "true or false");
       document.user_namespaces = node.boolean;
     }},
};

template <typename Target>
std::vector<std::string> names_of(std::span<const Key<Target>> keys) {
  std::vector<std::string> names;
  for (const Key<Target>& key : keys) {
    names.emplace_back(key.name);
  }
  return names;
}

}  // namespace

std::string Place::text() const {
  return line == 0 ? file : file + ":" + std::to_string(line) + ":" + std::to_string(column);
}

Document parse(std::string_view text, const std::string& file, const std::string& directory) {
  const JsonNode root = parse_json(text, file);
  Document document;
  document.file = file;
  document.directory = directory;
  document.place = root.place;
  read_object<Document>(root, "", kDocumentKeys, document);
  const bool versioned =
      std::any_of(root.members.begin(), root.members.end(),
                  [](const JsonNode::Member& member) { return member.name == "version"; });
  if (!versioned) {
    refuse(root.place, "the key \"version\" is missing", "add \"version\": 1");
  }
  return document;
}

std::map<std::string, std::vector<std::string>> known_keys() {
  return {{"", names_of<Document>(kDocumentKeys)},
          {"files", names_of<Files>(kFilesKeys)},
          {"home", names_of<Home>(kHomeKeys)},
          {"environment", names_of<Environment>(kEnvironmentKeys)},
          {"secrets.*", names_of<Secret>(kSecretKeys)},
          {"secrets.*.as", names_of<Secret>(kSecretAsKeys)},
          {"scopes.*", names_of<Scope>(kScopeKeys)},
          {"commands.*", names_of<Command>(kCommandKeys)},
          {"limits", names_of<Limits>(kLimitsKeys)}};
}

}  // namespace agentbox::policy
