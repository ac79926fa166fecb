#include <cstdio>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "base/encode.h"
#include "base/error.h"
#include "launcher/broker/client.h"
#include "launcher/cli/verbs.h"

namespace agentbox::cli {

namespace {

namespace po = boost::program_options;

constexpr Usage kUsage = {
    "agentbox status [--json]",
    "Inside a box: which session and scope this is, which secrets are here by name and place (never\n"
    "a value), and which scopes it may start.",
    ""};

void print_list(const char* heading, const nlohmann::json& list) {
  std::printf("%s\n", heading);
  for (const nlohmann::json& entry : list) {
    std::printf("  %s\n", base::printable(entry.is_string() ? entry.get<std::string>()
                                                            : entry.dump())
                              .c_str());
  }
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
    throw base::Error(base::Status::kFailed, "this is no box: AGENTBOX_SOCKET is not set",
                      "start one with `agentbox run -- COMMAND`");
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
