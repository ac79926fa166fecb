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
    "a value), and which scopes it may start. Outside: the sessions whose changes wait for\n"
    "`agentbox review`.",
    ""};

void print_list(const char* heading, const nlohmann::json& list) {
  std::printf("%s\n", heading);
  for (const nlohmann::json& entry : list) {
    std::printf("  %s\n", base::printable(entry.is_string() ? entry.get<std::string>()
                                                            : entry.dump())
                              .c_str());
  }
}

int outside(bool as_json) {
  nlohmann::json reviews = nlohmann::json::array();
  for (const review::Listed& one : review::list(session::review_directory())) {
    if (!one.running) {
      reviews.push_back({{"id", one.manifest.id}, {"project", one.manifest.project}});
    }
  }
  if (as_json) {
    const nlohmann::json all = {{"status", nullptr}, {"reviews", reviews}};
    std::puts(all.dump(2, ' ', false, nlohmann::json::error_handler_t::replace).c_str());
    return 0;
  }
  std::puts("This is no box; start one with `agentbox run -- COMMAND`.");
  if (!reviews.empty()) {
    std::puts("changes wait for `agentbox review` in");
  }
  for (const nlohmann::json& one : reviews) {
    std::printf("  %s  %s\n", base::printable(one["id"].get<std::string>()).c_str(),
                base::printable(one["project"].get<std::string>()).c_str());
  }
  return 0;
}

}  // namespace

int status(const Arguments& arguments) {
  bool json = false;
  po::options_description options("Options");
  options.add_options()("json", po::bool_switch(&json), "print one JSON object");
  if (!parse_options(kUsage, options, {}, {}, arguments)) {
    return 0;
  }
  const char* socket = std::getenv("AGENTBOX_SOCKET");
  if (socket == nullptr) {
    return outside(json);
  }
  const nlohmann::json all = {{"status", broker::call(socket, "status")},
                              {"secrets", broker::call(socket, "list_secrets")},
                              {"scopes", broker::call(socket, "list_scopes")}};
  if (json) {
    std::puts(all.dump(2, ' ', false, nlohmann::json::error_handler_t::replace).c_str());
    return 0;
  }
  for (const auto& [key, value] : all["status"].items()) {
    std::printf("%-12s %s\n", key.c_str(),
                base::printable(value.is_string() ? value.get<std::string>() : value.dump()).c_str());
  }
  print_list("secrets", all["secrets"]);
  print_list("may start", all["scopes"]);
  return 0;
}

}  // namespace agentbox::cli
