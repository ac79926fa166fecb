#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>

#include "base/error.h"
#include "launcher/broker/client.h"
#include "launcher/cli/verbs.h"
#include "launcher/mcp/server.h"
#include "launcher/mcp/tools.h"

namespace agentbox::cli {

namespace {

namespace po = boost::program_options;

constexpr Usage kUsage = {
    "agentbox mcp",
    "The MCP server of a box, on standard input and output, for the configuration of an agent "
    "that\n"
    "runs in one: its tools tell which secrets are here by name and place (never a value), which\n"
    "scopes may be started, and why a file or host is as it is. Outside a box every tool answers\n"
    "that this is none.",
    "  claude mcp add agentbox -- agentbox mcp\n"};

base::Error no_box() {
  return base::Error(base::Status::kFailed, "this is no box: AGENTBOX_SOCKET is not set",
                     "start the agent with `agentbox run -- COMMAND`");
}

mcp::Ask broker_or_nothing(const char* socket) {
  if (socket == nullptr) {
    return [](const std::string&, const mcp::Json&) -> mcp::Json { throw no_box(); };
  }
  return [path = std::string(socket)](const std::string& method, const mcp::Json& params) {
    return broker::call(path, method, params);
  };
}

}  // namespace

int mcp(const Arguments& arguments) {
  if (!parse_options(kUsage, po::options_description("Options"), {}, {}, arguments)) {
    return 0;
  }
  const char* socket = std::getenv("AGENTBOX_SOCKET");
  if (socket == nullptr) {
    std::fprintf(stderr, "agentbox: %s\n  next: %s\n", no_box().what(), no_box().hint().c_str());
  }
  std::signal(SIGPIPE, SIG_IGN);
  mcp::Server server(
      {.name = "agentbox",
       .title = "agentbox",
       .version = AGENTBOX_VERSION,
       .instructions =
           "You run in a box: secret files do not exist in it, and only listed hosts answer. "
           "list_secrets says which secrets are here and where; explain says why a file or host is "
           "as it is. Use secrets by the name of their variable or file; never print them."},
      mcp::box_tools(broker_or_nothing(socket)));
  server.run(STDIN_FILENO, STDOUT_FILENO);
  return 0;
}

}  // namespace agentbox::cli
