#include "launcher/session/check.h"

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "base/encode.h"
#include "base/error.h"
#include "launcher/cli/verbs.h"
#include "policy/parameters.h"

namespace agentbox::cli {

namespace {

namespace po = boost::program_options;

constexpr Usage kUsage = {
    "agentbox check [OPTION…]",
    "Resolves every reference of a scope and of env files, and starts nothing: what a session would\n"
    "get, from where, and how fast. Without --scope, those of the scope main and of the scopes that\n"
    "the policy's commands run in. Exit status 0 if all can be had, 78 if not.",
    "  agentbox check\n"
    "  agentbox check --scope deploy --json\n"
    "  agentbox check --scope db --param tenant=acme\n"
    "  agentbox check --env-file .env\n"};

void print_table(const std::vector<session::Checked>& checked) {
  for (const session::Checked& one : checked) {
    const double milliseconds = static_cast<double>(one.latency.count()) / 1000;
    std::printf("%-7s %-12s %-24s %-40s %-10s %8.1f ms  %s\n", one.error.empty() ? "ok" : "failed",
                base::printable(one.scope).c_str(), base::printable(one.name).c_str(),
                base::printable(one.reference).c_str(), base::printable(one.backend).c_str(),
                milliseconds, base::printable(one.error.empty() ? one.version : one.error).c_str());
    if (!one.hint.empty()) {
      std::printf("%-7s next: %s\n", "", base::printable(one.hint).c_str());
    }
  }
  if (checked.empty()) {
    std::puts("There are no references to resolve.");
  }
}

void print_json(const std::vector<session::Checked>& checked) {
  nlohmann::json list = nlohmann::json::array();
  for (const session::Checked& one : checked) {
    list.push_back({{"scope", one.scope},
                    {"name", one.name},
                    {"reference", one.reference},
                    {"backend", one.backend},
                    {"version", one.version},
                    {"latency_ms", static_cast<double>(one.latency.count()) / 1000},
                    {"ok", one.error.empty()},
                    {"error", one.error},
                    {"hint", one.hint}});
  }
  std::puts(list.dump(2, ' ', false, nlohmann::json::error_handler_t::replace).c_str());
}

}  // namespace

int check(const Arguments& arguments) {
  session::RunRequest request;
  request.scope.clear();
  Arguments parameters;
  bool json = false;
  po::options_description options("Options");
  options.add_options()("profile", po::value(&request.profiles)->value_name("NAME"),
                        "as for `agentbox run`")(
      "policy", po::value(&request.policy_file)->value_name("FILE"), "as for `agentbox run`")(
      "scope", po::value(&request.scope)->value_name("NAME"),
      "the one scope whose secrets to resolve")(
      "param", po::value(&parameters)->value_name("NAME=VALUE"), "as for `agentbox run`")(
      "env-file", po::value(&request.env_files)->value_name("FILE"), "as for `agentbox run`")(
      "json", po::bool_switch(&json), "print a JSON array");
  if (!parse_options(kUsage, options, {}, {}, arguments)) {
    return 0;
  }
  request.parameters = policy::read_parameters(parameters);
  const std::vector<session::Checked> checked = session::check(request);
  json ? print_json(checked) : print_table(checked);
  const bool all = std::all_of(checked.begin(), checked.end(),
                               [](const session::Checked& one) { return one.error.empty(); });
  return all ? 0 : static_cast<int>(base::Status::kConfiguration);
}

}  // namespace agentbox::cli
