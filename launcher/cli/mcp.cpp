#include <unistd.h>

#include <csignal>
#include <cstdio>

#include "base/error.h"
#include "launcher/broker/client.h"
#include "launcher/cli/box_socket.h"
#include "launcher/cli/verbs.h"
#include "launcher/mcp/scoped_run.h"
#include "launcher/mcp/server.h"
#include "launcher/mcp/tools.h"

namespace agentbox::cli {

namespace {

namespace po = boost::program_options;

constexpr Usage kUsage = {
    "agentbox mcp [--scope NAME]",
    "The MCP server of a box, on standard input and output, for the configuration of an agent "
    "that\n"
    "runs in one: its tools tell which secrets are here by name and place (never a value), ask "
    "for\n"
    "one more, run a command in another scope, and tell why a file or host is as it is. Outside a "
    "box\n"
    "every tool answers that this is none.",
    "  claude mcp add agentbox -- agentbox mcp\n"};

base::Error no_box() {
  return base::Error(base::Status::kFailed, "this is no box: AGENTBOX_SOCKET is not set",
                     "start the agent with `agentbox run -- COMMAND`");
}

std::vector<mcp::Tool> tools_of(const std::string& socket, const std::string& scope) {
  const mcp::Spawn spawn = [socket](const broker::SpawnRequest& request, mcp::Call& call) {
    return socket.empty() ? throw no_box() : mcp::run_scoped(socket, request, call);
  };
  if (!scope.empty()) {
    return mcp::scope_tools(scope, spawn);
  }
  return mcp::box_tools(
      [socket](const std::string& method, const mcp::Json& params) {
        return socket.empty() ? throw no_box() : broker::call(socket, method, params);
      },
      spawn);
}

constexpr const char* kOfTheBox =
    "You run in a box: secret files do not exist in it, and only listed hosts answer. "
    "list_secrets says which secrets are here and where; explain says why a file or host is as it "
    "is; run_scoped runs a command with the secrets of another scope. Use secrets by the name of "
    "their variable or file; never print them.";
constexpr const char* kOfTheScope =
    "run_scoped runs a command in a box of its own, with secrets, files and hosts that you do not "
    "have. Use secrets by the name of their variable or file; never print them.";

}  // namespace

int mcp(const Arguments& arguments) {
  std::string scope;
  po::options_description options("Options");
  options.add_options()("scope", po::value(&scope)->value_name("NAME"),
                        "only run_scoped, and only for this scope: for a subagent");
  if (!parse_options(kUsage, options, {}, {}, arguments)) {
    return 0;
  }
  const std::string socket = find_box_socket();
  if (socket.empty()) {
    std::fprintf(stderr, "agentbox: %s\n  next: %s\n", no_box().what(), no_box().hint().c_str());
  }
  std::signal(SIGPIPE, SIG_IGN);
  mcp::Server server({.name = "agentbox",
                      .title = "agentbox",
                      .version = AGENTBOX_VERSION,
                      .instructions = scope.empty() ? kOfTheBox : kOfTheScope},
                     tools_of(socket, scope));
  server.run(STDIN_FILENO, STDOUT_FILENO);
  return 0;
}

}  // namespace agentbox::cli
