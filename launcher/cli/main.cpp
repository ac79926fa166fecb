// agentbox: finds the verb, prints what went wrong.
#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <exception>
#include <string>
#include <vector>

#include "base/encode.h"
#include "base/error.h"
#include "base/nearest.h"
#include "launcher/cli/shim.h"
#include "launcher/cli/verbs.h"

namespace {

using agentbox::base::Error;
using agentbox::base::Status;
namespace cli = agentbox::cli;

struct Verb {
  const char* name;
  const char* summary;
  int (*run)(const cli::Arguments&);
};

constexpr std::array kVerbs = {
    Verb{"run", "start a command in a box", cli::run},
    Verb{"init", "write a policy for this repository, and an agent's configuration", cli::init},
    Verb{"review", "what a session with --review changed: show, apply, drop", cli::review},
    Verb{"check", "resolve every secret of a scope, start nothing", cli::check},
    Verb{"explain", "which rule decides about a path, a host or a scope", cli::explain},
    Verb{"scan", "what a box would not see here, and which secrets git has", cli::scan},
    Verb{"trust", "consent to what this repository's policy would widen", cli::trust},
    Verb{"import", "move the secrets of a .env file into the store, and leave references", cli::import},
    Verb{"secret", "the local encrypted store: set, list, rm", cli::secret},
    Verb{"read", "resolve one reference to standard output", cli::read},
    Verb{"inject", "fill in a template that holds references", cli::inject},
    Verb{"hook", "a trusted repository's secrets in your own shell: bash, zsh, fish", cli::hook},
    Verb{"ps", "the sessions that run, and their boxes", cli::ps},
    Verb{"kill", "end a session or one of its boxes", cli::kill},
    Verb{"approve", "answer what boxes ask of you", cli::approve},
    Verb{"spawn", "inside a box: start a command in a box of another scope", cli::spawn},
    Verb{"status", "a box's scope and secrets; outside, what waits for review", cli::status},
    Verb{"mcp", "inside a box: the MCP server that its agent asks", cli::mcp},
    Verb{"mcp-wrap", "an MCP server in a box of its own, its answers masked", cli::mcp_wrap},
    Verb{"log", "show and verify the audit log", cli::log},
    Verb{"doctor", "try what agentbox needs of this machine, and say how to mend it", cli::doctor},
};

void print_help() {
  std::puts(
      "usage: agentbox VERB [ARGUMENT…]\n\n"
      "Starts an AI agent in a box in which secret files do not exist.\n");
  for (const Verb& verb : kVerbs) {
    std::printf("  %-9s %s\n", verb.name, verb.summary);
  }
  std::puts(
      "\n`agentbox VERB --help` tells more. First steps:\n"
      "  agentbox doctor\n"
      "  agentbox run --profile claude -- claude");
}

int dispatch(const std::vector<std::string>& arguments) {
  const std::string name = arguments.empty() ? "help" : arguments.front();
  if (name == "help" || name == "--help" || name == "-h") {
    if (arguments.size() < 2) {
      print_help();
      return arguments.empty() ? static_cast<int>(Status::kFailed) : 0;
    }
    return dispatch({arguments[1], "--help"});
  }
  if (name == "--version" || name == "version") {
    std::puts("agentbox " AGENTBOX_VERSION);
    return 0;
  }
  for (const Verb& verb : kVerbs) {
    if (name == verb.name) {
      return verb.run({arguments.begin() + 1, arguments.end()});
    }
  }
  std::vector<std::string> names;
  for (const Verb& verb : kVerbs) {
    names.emplace_back(verb.name);
  }
  const std::string near = agentbox::base::nearest(name, names);
  throw Error(Status::kFailed,
              "there is no verb \"" + agentbox::base::printable(name) + "\"",
              near.empty() ? "`agentbox help` lists them" : "did you mean `agentbox " + near + "`?");
}

void print_error(const char* message, const std::string& hint) {
  const bool colour = ::isatty(STDERR_FILENO) == 1;
  std::fprintf(stderr, "%sagentbox:%s %s\n", colour ? "\x1b[1;31m" : "", colour ? "\x1b[0m" : "",
               message);
  if (!hint.empty()) {
    std::fprintf(stderr, "  next: %s\n", hint.c_str());
  }
}

// A descriptor opened later must not pass for standard input, output or error.
void hold_standard_streams() {
  int fd = 0;
  do {
    fd = ::open("/dev/null", O_RDWR);
  } while (fd >= 0 && fd <= STDERR_FILENO);
  if (fd > STDERR_FILENO) {
    ::close(fd);
  }
}

}  // namespace

int main(int argc, char** argv) {
  try {
    hold_standard_streams();
    const std::vector<std::string> arguments(argv + (argc > 0 ? 1 : 0), argv + argc);
    const std::string command = cli::shim_name();
    const int status = command.empty() ? dispatch(arguments) : cli::shim(command, arguments);
    // A full disk or a closed pipe must not pass for success.
    if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0) {
      print_error("the output could not be written", "");
      return static_cast<int>(Status::kFailed);
    }
    return status;
  } catch (const Error& error) {
    print_error(error.what(), error.hint());
    return static_cast<int>(error.status());
  } catch (const std::exception& error) {
    print_error((std::string("internal error: ") + error.what()).c_str(), "please report it");
    return static_cast<int>(Status::kFailed);
  }
}
