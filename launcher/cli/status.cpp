#include <cstdio>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "base/encode.h"
#include "launcher/broker/client.h"
#include "launcher/cli/verbs.h"
#include "launcher/review/layer.h"
#include "launcher/session/review.h"

namespace agentbox::cli {

namespace {

namespace po = boost::program_options;

constexpr Usage kUsage = {
    "agentbox status [--json]",
    "Inside a box: which session and scope this is, which secrets are here by name and place (never\n"
    "a value), which scopes it may start, and which commands run in a box of their own. Outside: the\n"
    "sessions whose changes wait for `agentbox review`.",
    ""};

using nlohmann::json;

// As text: "database  $DATABASE_URL".
std::string secret_line(const json& secret) {
  std::string line = secret.value("name", "");
  if (const std::string variable = secret.value("env", ""); !variable.empty()) {
    line += "  $" + variable;
  }
  if (const std::string file = secret.value("file", ""); !file.empty()) {
    line += "  " + file;
  }
  return line;
}

// "gh pr, gh issue view  (scope github)".
std::string command_line(const json& command) {
  const std::string name = command.value("name", "");
  std::string line;
  if (!command.contains("args")) {
    line = name + " …";
  }
  for (const json& arguments : command.value("args", json::array())) {
    line += (line.empty() ? "" : ", ") + name + " " + arguments.get<std::string>();
  }
  return (line.empty() ? name + ", which may be given nothing" : line) + "  (scope " +
         command.value("scope", "") + ")";
}

std::string name_line(const json& name) { return name.get<std::string>(); }

void print_list(const char* heading, const json& list, std::string (*line)(const json&)) {
  if (!list.empty()) {
    std::printf("%s\n", heading);
  }
  for (const json& entry : list) {
    std::printf("  %s\n", base::printable(line(entry)).c_str());
  }
}

int outside(bool as_json) {
  json reviews = json::array();
  for (const review::Listed& one : review::list(session::review_directory())) {
    if (!one.running) {
      reviews.push_back({{"id", one.manifest.id}, {"project", one.manifest.project}});
    }
  }
  if (as_json) {
    const json all = {{"status", nullptr}, {"reviews", reviews}};
    std::puts(all.dump(2, ' ', false, json::error_handler_t::replace).c_str());
    return 0;
  }
  std::puts("This is no box; start one with `agentbox run -- COMMAND`.");
  if (!reviews.empty()) {
    std::puts("changes wait for `agentbox review` in");
  }
  for (const json& one : reviews) {
    std::printf("  %s  %s\n", base::printable(one["id"].get<std::string>()).c_str(),
                base::printable(one["project"].get<std::string>()).c_str());
  }
  return 0;
}

}  // namespace

int status(const Arguments& arguments) {
  bool as_json = false;
  po::options_description options("Options");
  options.add_options()("json", po::bool_switch(&as_json), "print one JSON object");
  if (!parse_options(kUsage, options, {}, {}, arguments)) {
    return 0;
  }
  const char* socket = std::getenv("AGENTBOX_SOCKET");
  if (socket == nullptr) {
    return outside(as_json);
  }
  const json all = {{"status", broker::call(socket, "status")},
                              {"secrets", broker::call(socket, "list_secrets")},
                              {"scopes", broker::call(socket, "list_scopes")}};
  if (as_json) {
    std::puts(all.dump(2, ' ', false, json::error_handler_t::replace).c_str());
    return 0;
  }
  for (const auto& [key, value] : all["status"].items()) {
    std::printf(
        "%-12s %s\n", key.c_str(),
        base::printable(value.is_string() ? value.get<std::string>() : value.dump()).c_str());
  }
  print_list("secrets", all["secrets"]["secrets"], secret_line);
  print_list("may ask for", all["secrets"]["on_request"], name_line);
  print_list("may start", all["scopes"]["scopes"], name_line);
  print_list("runs in a box of its own", all["scopes"]["commands"], command_line);
  return 0;
}

}  // namespace agentbox::cli
