#include <sys/wait.h>

#include <cstdio>
#include <filesystem>
#include <string>

#include "base/encode.h"
#include "base/error.h"
#include "launcher/broker/escort.h"
#include "launcher/cli/box_socket.h"
#include "launcher/cli/verbs.h"
#include "launcher/session/session.h"
#include "policy/parameters.h"

namespace agentbox::cli {

namespace {

namespace po = boost::program_options;

constexpr Usage kUsage = {
    "agentbox mcp-wrap [OPTION…] -- COMMAND [ARGUMENT…]",
    "Runs an MCP server in a box of its own, with the secrets, files and hosts of a scope, on the\n"
    "standard input and output of its client. What it answers is masked, also within JSON strings\n"
    "that are written with escapes. In a box, the server runs in a sibling of it, as with spawn.",
    "  agentbox mcp-wrap --scope db -- npx some-server\n"};

// The supervisor masks, so that no value reaches the box that asks.
int start_beside(const std::string& socket, const session::RunRequest& wanted) {
  if (!wanted.profiles.empty() || !wanted.policy_file.empty()) {
    throw base::Error(base::Status::kFailed,
                      "this is a box, whose session has its policy already: only --scope and "
                      "--param count",
                      "agentbox mcp-wrap --scope NAME -- COMMAND");
  }
  broker::SpawnRequest request;
  request.scope = wanted.scope;
  request.arguments = wanted.command;
  request.directory = std::filesystem::current_path().string();
  request.reason = "an MCP server";
  request.parameters = wanted.parameters;
  request.messages = true;
  // Standard error is where a client looks for what its server has to say.
  const broker::Escorted told = {.waiting =
                                     [](const std::string& message) {
                                       std::fprintf(stderr, "agentbox: waiting %s\n",
                                                    base::printable(message).c_str());
                                     },
                                 .started = [](const nlohmann::json&) {}};
  const int status = broker::escort(socket, request, told);
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

}  // namespace

int mcp_wrap(const Arguments& arguments) {
  session::RunRequest request;
  Arguments parameters;
  auto [own, command] = split_command(arguments);
  request.command = std::move(command);
  po::options_description options("Options");
  options.add_options()("scope", po::value(&request.scope)->value_name("NAME"),
                        "the scope of the policy to run it as (default: main)")(
      "param", po::value(&parameters)->value_name("NAME=VALUE"), "as for `agentbox run`")(
      "profile", po::value(&request.profiles)->value_name("NAME"), "as for `agentbox run`")(
      "policy", po::value(&request.policy_file)->value_name("FILE"), "as for `agentbox run`");
  if (!parse_options(kUsage, options, {}, {}, own)) {
    return 0;
  }
  request.parameters = policy::read_parameters(parameters);
  if (request.command.empty()) {
    throw base::Error(base::Status::kFailed, "no server to run",
                      "write it after \"--\": agentbox mcp-wrap --scope db -- npx some-server");
  }
  if (const std::string socket = find_box_socket(); !socket.empty()) {
    return start_beside(socket, request);
  }
  request.messages = true;
  request.quiet = true;
  return session::run(request);
}

}  // namespace agentbox::cli
