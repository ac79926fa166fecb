#include <cstdlib>

#include "base/error.h"
#include "launcher/cli/verbs.h"
#include "launcher/session/session.h"

namespace agentbox::cli {

namespace {

namespace po = boost::program_options;

constexpr Usage kUsage = {
    "agentbox mcp-wrap [OPTION…] -- COMMAND [ARGUMENT…]",
    "Runs an MCP server in a box of its own, with the secrets, files and hosts of a scope, on the\n"
    "standard input and output of its client. What it answers is masked, also within JSON strings\n"
    "that are written with escapes.",
    "  agentbox mcp-wrap --scope db -- npx some-server\n"};

}  // namespace

int mcp_wrap(const Arguments& arguments) {
  session::RunRequest request;
  auto [own, command] = split_command(arguments);
  request.command = std::move(command);
  po::options_description options("Options");
  options.add_options()("scope", po::value(&request.scope)->value_name("NAME"),
                        "the scope of the policy to run it as (default: main)")(
      "profile", po::value(&request.profiles)->value_name("NAME"), "as for `agentbox run`")(
      "policy", po::value(&request.policy_file)->value_name("FILE"), "as for `agentbox run`");
  if (!parse_options(kUsage, options, {}, {}, own)) {
    return 0;
  }
  if (std::getenv("AGENTBOX_SOCKET") != nullptr) {
    throw base::Error(base::Status::kDenied, "this is a box, and a box starts no session",
                      "agentbox spawn --scope NAME -- COMMAND starts a server beside it");
  }
  if (request.command.empty()) {
    throw base::Error(base::Status::kFailed, "no server to run",
                      "write it after \"--\": agentbox mcp-wrap --scope db -- npx some-server");
  }
  request.messages = true;
  request.quiet = true;
  return session::run(request);
}

}  // namespace agentbox::cli
