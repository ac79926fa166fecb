#include "launcher/session/environment.h"

#include <algorithm>
#include <string_view>

#include "launcher/session/shell.h"
#include "policy/environment_rules.h"

extern char** environ;

namespace agentbox::session {

namespace {

using Variables = std::map<std::string, std::string>;

// The caller's variables whose name `passes`.
template <typename Passes>
Variables of_the_caller(const Passes& passes) {
  Variables variables;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text(*entry);
    const std::size_t equals = text.find('=');
    if (equals != std::string_view::npos && passes(text.substr(0, equals))) {
      variables.emplace(text.substr(0, equals), text.substr(equals + 1));
    }
  }
  return variables;
}

void add_fixed(const Identity& identity, const std::string& path,
               const std::string& working_directory, Variables& variables) {
  variables["HOME"] = identity.home;
  variables["USER"] = identity.name;
  variables["LOGNAME"] = identity.name;
  variables["SHELL"] = identity.shell;
  variables["PATH"] = path;
  variables["PWD"] = working_directory;
  variables["TMPDIR"] = "/tmp";
}

}  // namespace

std::map<std::string, std::string> plain_environment(const policy::Policy& policy,
                                                     const Identity& identity,
                                                     const std::string& path,
                                                     const std::string& working_directory) {
  const policy::EnvironmentRules rules(policy);
  const std::vector<std::string> of_the_shell = shell_variables();
  Variables variables = of_the_caller([&](std::string_view name) {
    return rules.passes(name) &&
           std::find(of_the_shell.begin(), of_the_shell.end(), name) == of_the_shell.end();
  });
  add_fixed(identity, path, working_directory, variables);
  for (const auto& [name, value] : policy.environment.set) {
    variables[name] = value;
  }
  return variables;
}

std::map<std::string, std::string> command_environment(const policy::Policy& policy,
                                                       const Identity& identity,
                                                       const std::string& path,
                                                       const std::string& working_directory) {
  Variables variables = of_the_caller(policy::passes_to_command);
  add_fixed(identity, path, working_directory, variables);
  for (const auto& [name, value] : policy.environment.set) {
    if (!policy::steers_programs(name)) {
      variables[name] = value;
    }
  }
  return variables;
}

resolver::Secret environment_block(const std::map<std::string, std::string>& plain,
                                   const std::vector<Released>& released) {
  const auto is_released = [&](const std::string& name) {
    return std::any_of(released.begin(), released.end(),
                       [&](const Released& one) { return one.env == name; });
  };
  constexpr std::string_view kEnd("\0", 1);
  resolver::SecretBuilder block;
  for (const auto& [name, value] : plain) {
    if (!is_released(name)) {
      block.append(name);
      block.append("=");
      block.append(value);
      block.append(kEnd);
    }
  }
  for (const Released& one : released) {
    if (!one.env.empty()) {
      block.append(one.env);
      block.append("=");
      block.append(one.value.reveal());
      block.append(kEnd);
    }
  }
  return block.take();
}

}  // namespace agentbox::session
