#include "policy/parameters.h"

#include <re2/re2.h>

#include <algorithm>

#include "base/encode.h"
#include "base/error.h"
#include "base/nearest.h"

namespace agentbox::policy {

namespace {

using base::Error;
using base::Status;

constexpr std::size_t kLongestShown = 80;
constexpr std::size_t kLongestPattern = 512;
constexpr std::int64_t kPatternMemory = 1 << 20;  // bytes, of a compiled pattern

[[noreturn]] void refuse(const Place& place, const std::string& what, const std::string& hint) {
  throw Error(Status::kConfiguration, place.text() + ": " + what, hint);
}

std::string in_quotes(std::string_view text) {
  return '"' + base::printable(text.substr(0, kLongestShown)) +
         (text.size() > kLongestShown ? "…\"" : "\"");
}

bool is_alphanumeric(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool is_name(std::string_view name) {
  return !name.empty() && name.size() <= kLongestParameter && is_alphanumeric(name.front()) &&
         std::all_of(name.begin(), name.end(),
                     [](char c) { return is_alphanumeric(c) || c == '-' || c == '_' || c == '.'; });
}

RE2 compile(const std::string& pattern) {
  RE2::Options options;
  options.set_log_errors(false);
  options.set_max_mem(kPatternMemory);
  return RE2(pattern, options);
}

std::string allowed_by(const Parameter& parameter) {
  if (!parameter.pattern.empty()) {
    return "it must match " + base::printable(parameter.pattern);
  }
  std::string all;
  for (const std::string& value : parameter.values) {
    all += (all.empty() ? "" : ", ") + value;
  }
  return "it is one of " + all;
}

bool allows(const Parameter& parameter, const std::string& value) {
  return parameter.pattern.empty() ? std::find(parameter.values.begin(), parameter.values.end(),
                                               value) != parameter.values.end()
                                   : RE2::FullMatch(value, compile(parameter.pattern));
}

void check_value(const Scope& scope, const Parameter& parameter, const std::string& value) {
  const std::string what = "the policy does not let scope " + in_quotes(scope.name) + " have " +
                           base::printable(parameter.name) + "=" +
                           base::printable(std::string_view(value).substr(0, kLongestShown)) +
                           (value.size() > kLongestShown ? "…" : "");
  if (!is_plain_value(value)) {
    throw Error(Status::kDenied, what,
                "a parameter has up to 64 letters, digits, \"-\", \"_\" and \".\", a letter or "
                "digit first, and no \"..\"");
  }
  if (!allows(parameter, value)) {
    throw Error(Status::kDenied, what, allowed_by(parameter));
  }
}

// What stands between two variables of a text, and the variables.
struct Piece {
  std::string_view literal, variable;
  std::size_t at = 0;  // of the variable
};

std::vector<Piece> pieces_of(std::string_view text, const Place& place) {
  std::vector<Piece> pieces;
  std::size_t from = 0;
  for (std::size_t at; (at = text.find('$', from)) != std::string_view::npos;) {
    const std::size_t end = text.find('}', at);
    const bool braces = text.substr(at, 2) == "${" && end != std::string_view::npos;
    const std::string_view name = braces ? text.substr(at + 2, end - at - 2) : std::string_view();
    if (!is_name(name)) {
      refuse(place, in_quotes(text) + " has a \"$\" that begins no variable",
             "write a variable as ${name}; \"$\" itself as %24 where the store takes that");
    }
    pieces.push_back({text.substr(from, at - from), name, at});
    from = end + 1;
  }
  pieces.push_back({text.substr(from), {}, text.size()});
  return pieces;
}

}  // namespace

bool is_plain_value(std::string_view value) {
  return is_name(value) && value.find("..") == std::string_view::npos;
}

std::vector<std::string> variables_in(std::string_view text, const Place& place) {
  std::vector<std::string> names;
  const std::size_t scheme = text.find("://");
  for (const Piece& piece : pieces_of(text, place)) {
    if (piece.variable.empty()) {
      continue;
    }
    if (scheme != std::string_view::npos && piece.at < scheme) {
      refuse(place, in_quotes(text) + " has a variable in its scheme",
             "write out which store it is; variables stand behind \"://\"");
    }
    names.emplace_back(piece.variable);
  }
  return names;
}

std::string bound_text(std::string_view text, const Parameters& values, const Place& place) {
  std::string bound;
  const std::size_t fragment = text.find('#');
  for (const Piece& piece : pieces_of(text, place)) {
    bound += piece.literal;
    if (piece.variable.empty()) {
      continue;
    }
    const auto value = values.find(std::string(piece.variable));
    if (value == values.end()) {
      refuse(place, "the variable ${" + std::string(piece.variable) + "} has no value",
             "declare it in the scope's \"params\"");
    }
    if (piece.at > fragment && value->second.find('.') != std::string::npos) {
      throw Error(Status::kDenied,
                  place.text() + ": " + value->first + "=" + base::printable(value->second) +
                      " cannot stand behind \"#\", where \".\" divides the names of keys",
                  "give a value without \".\"");
    }
    bound += value->second;
  }
  return bound;
}

void check_parameter(const Parameter& parameter) {
  const std::string name = "parameter " + in_quotes(parameter.name);
  if (parameter.pattern.empty()) {
    if (parameter.values.empty()) {
      refuse(parameter.place, name + " allows no value",
             "list its values, or write a pattern that they match");
    }
    for (const std::string& value : parameter.values) {
      if (!is_plain_value(value)) {
        refuse(parameter.place, name + ": " + in_quotes(value) + " is not allowed as a value",
               "use up to 64 letters, digits, \"-\", \"_\" and \".\", a letter or digit first, and "
               "no \"..\"");
      }
    }
    return;
  }
  const RE2 pattern = compile(parameter.pattern);
  if (!pattern.ok() || parameter.pattern.size() > kLongestPattern) {
    refuse(parameter.place,
           name + ": " + in_quotes(parameter.pattern) + " is not a pattern: " +
               (pattern.ok() ? "too long" : base::printable(pattern.error())),
           "it is a regular expression of RE2, for the whole value: \"[a-z0-9-]{1,32}\"");
  }
}

Parameters bind_parameters(const Scope& scope, const Parameters& given, const Parameters& fixed) {
  std::vector<std::string> names;
  for (const auto& [name, unused] : scope.params) {
    names.push_back(name);
  }
  for (const auto& [name, value] : given) {
    if (scope.params.count(name) == 0) {
      const std::string near = base::nearest(name.substr(0, kLongestShown), names);
      throw Error(Status::kDenied,
                  "scope " + in_quotes(scope.name) + " has no parameter " + in_quotes(name),
                  near.empty() ? "the scope's \"params\" in the policy declare them"
                               : "did you mean \"" + near + "\"?");
    }
    const auto above = fixed.find(name);
    if (above != fixed.end() && above->second != value) {
      throw Error(
          Status::kDenied,
          "this box has " + name + "=" + above->second + ", and starts none with another " + name,
          "leave the parameter out: the new box gets the same value");
    }
  }
  Parameters bound;
  for (const auto& [name, parameter] : scope.params) {
    const auto own = given.find(name);
    const auto above = fixed.find(name);
    if (own == given.end() && above == fixed.end()) {
      throw Error(Status::kDenied,
                  "scope " + in_quotes(scope.name) + " needs the parameter " + in_quotes(name),
                  "add --param " + name + "=VALUE; " + allowed_by(parameter));
    }
    const std::string& value = own != given.end() ? own->second : above->second;
    check_value(scope, parameter, value);
    bound[name] = value;
  }
  return bound;
}

Policy bound_policy(const Policy& policy, const std::string& scope, const Parameters& values) {
  Policy bound = policy;
  Scope& own = bound.scopes.at(scope);
  for (const auto* list : {&own.secrets, &own.request}) {
    for (const std::string& name : *list) {
      Secret& secret = bound.secrets.at(name);
      if (secret.from.find('$') != std::string::npos) {
        secret.from = bound_text(policy.secrets.at(name).from, values, secret.place);
      }
    }
  }
  for (auto& [backend, account] : own.accounts) {
    for (auto& [variable, text] : account.variables) {
      text = bound_text(text, values, account.place);
    }
  }
  return bound;
}

Parameters read_parameters(const std::vector<std::string>& words) {
  Parameters parameters;
  for (const std::string& word : words) {
    const std::size_t sign = word.find('=');
    if (sign == std::string::npos || !is_name(std::string_view(word).substr(0, sign))) {
      throw Error(Status::kFailed, "--param " + in_quotes(word) + " is no NAME=VALUE",
                  "write --param tenant=acme");
    }
    if (!parameters.emplace(word.substr(0, sign), word.substr(sign + 1)).second) {
      throw Error(Status::kFailed, "--param " + in_quotes(word) + ": this parameter is there twice",
                  "leave one of the two out");
    }
  }
  return parameters;
}

std::string text_of(const Parameters& values) {
  std::string text;
  for (const auto& [name, value] : values) {
    text += (text.empty() ? "" : ", ") + name + "=" + value;
  }
  return text;
}

}  // namespace agentbox::policy
