#include "policy/scopes_reader.h"

#include <utility>

#include "policy/accounts.h"
#include "policy/glob.h"
#include "policy/parameters.h"
#include "policy/reading.h"

namespace agentbox::policy {

namespace {

using Kind = JsonNode::Kind;

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

}  // namespace

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

std::map<std::string, std::vector<std::string>> scope_keys() {
  return {{"scopes.*", names_of<Scope>(kScopeKeys)}};
}

}  // namespace agentbox::policy
