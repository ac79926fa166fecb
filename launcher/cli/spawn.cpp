#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "base/encode.h"
#include "base/error.h"
#include "base/file.h"
#include "launcher/broker/child.h"
#include "launcher/broker/escort.h"
#include "launcher/cli/verbs.h"
#include "policy/parameters.h"

namespace agentbox::cli {

namespace {

namespace po = boost::program_options;
using base::Error;
using base::Status;

constexpr Usage kUsage = {
    "agentbox spawn --scope NAME [OPTION…] -- COMMAND [ARGUMENT…]",
    "Inside a box: starts COMMAND in a box of its own beside this one, with the secrets, the "
    "files\n"
    "and the hosts of another scope, if the policy lets this one start it. Both see the project,\n"
    "and share nothing else. Its input and output are this command's; the values of its secrets\n"
    "are masked in what comes out. The exit status is COMMAND's, as for `agentbox run`; 77 if the\n"
    "policy or a limit refuses.",
    "  agentbox spawn --scope tests -- npm test\n"
    "  agentbox spawn --scope db --param tenant=acme -- ./migrate\n"
    "  agentbox spawn --scope deploy --reason \"release 1.4\" --json -- ./deploy.sh\n"};

std::string text_of(const nlohmann::json& receipt, const char* key) {
  const auto found = receipt.find(key);
  return found != receipt.end() && found->is_string() ? base::printable(found->get<std::string>())
                                                      : std::string();
}

}  // namespace

int spawn(const Arguments& arguments) {
  broker::SpawnRequest request;
  Arguments parameters;
  bool json = false, quiet = false;
  int json_fd = STDERR_FILENO;
  auto [own, command] = split_command(arguments);
  request.arguments = std::move(command);
  po::options_description options("Options");
  options.add_options()("scope", po::value(&request.scope)->value_name("NAME"),
                        "the scope of the policy to start; `agentbox status` lists them")(
      "param", po::value(&parameters)->value_name("NAME=VALUE"),
      "a parameter of the scope, for ${NAME} in its references; may be repeated")(
      "reason", po::value(&request.reason)->value_name("TEXT"), "why: kept in the log")(
      "detach", po::bool_switch(&request.detach),
      "come back once it has started; no input, no output; where the policy allows it")(
      "json", po::bool_switch(&json),
      "the receipt as one line of JSON on standard error, before the command's output")(
      "json-fd", po::value(&json_fd)->value_name("N"), "the receipt on descriptor N instead")(
      "quiet,q", po::bool_switch(&quiet), "no line about the box on a terminal");
  const auto values = parse_options(kUsage, options, {}, {}, own);
  if (!values) {
    return 0;
  }
  request.parameters = policy::read_parameters(parameters);
  json = json || values->count("json-fd") != 0;
  if (request.scope.empty() || request.arguments.empty()) {
    throw Error(Status::kFailed, request.scope.empty() ? "no scope to start" : "no command to run",
                std::string("usage: ") + kUsage.synopsis);
  }
  char* directory = ::get_current_dir_name();
  if (directory == nullptr) {
    throw base::SystemError("find", "the working directory", errno);
  }
  request.directory = directory;
  std::free(directory);

  const bool speaks = !quiet && ::isatty(STDERR_FILENO) == 1;
  const broker::Escorted told = {
      .waiting =
          [&](const std::string& message) {
            if (!quiet) {
              std::fprintf(stderr, "agentbox: waiting %s\n", base::printable(message).c_str());
            }
          },
      .started =
          [&](const nlohmann::json& receipt) {
            if (json) {
              base::write_all(
                  json_fd,
                  receipt.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace) + "\n");
            } else if (speaks) {
              std::fprintf(stderr, "agentbox: box %s, scope %s\n",
                           text_of(receipt, "child").c_str(), text_of(receipt, "scope").c_str());
            }
          }};
  const int status = broker::escort(broker::socket_path(), request, told);
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

}  // namespace agentbox::cli
