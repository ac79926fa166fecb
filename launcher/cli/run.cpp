
#include "base/error.h"
#include "launcher/cli/verbs.h"
#include "launcher/session/session.h"
#include "policy/parameters.h"

namespace agentbox::cli {

namespace {

namespace po = boost::program_options;

constexpr Usage kUsage = {
    "agentbox run [OPTION…] -- COMMAND [ARGUMENT…]",
    "Starts COMMAND in a box: secret files do not exist in it, only the scope's secrets are\n"
    "injected, only listed hosts answer, and what it prints is masked. The project is the nearest\n"
    "directory upwards with an agentbox.json, else the repository, else the working directory.\n"
    "The exit status is the command's; 128+N if a signal ended it; 125 if agentbox failed, 126 if\n"
    "the command cannot be executed, 127 if it is not found, 77 if the policy refuses, 78 if the\n"
    "policy or a reference is wrong.",
    "  agentbox run --profile claude -- claude\n"
    "  agentbox run --env-file .env -- npm test\n"
    "  agentbox run --profile strict -- ./untrusted-script\n"};

}  // namespace

int run(const Arguments& arguments) {
  session::RunRequest request;
  Arguments parameters;
  auto [own, command] = split_command(arguments);
  request.command = std::move(command);
  po::options_description options("Options");
  options.add_options()
      ("profile", po::value(&request.profiles)->value_name("NAME"),
       "a shipped profile (claude, codex, gemini, opencode, shell, strict) or one of yours in "
       "~/.config/agentbox/profiles; may be repeated. Default: the command's name, else shell")
      ("policy", po::value(&request.policy_file)->value_name("FILE"),
       "take FILE instead of the repository's policy; your own word, it needs no trust")
      ("scope", po::value(&request.scope)->value_name("NAME"),
       "the scope of the policy to run as (default: main)")
      ("param", po::value(&parameters)->value_name("NAME=VALUE"),
       "a parameter of the scope, for ${NAME} in its references; may be repeated")
      ("env-file", po::value(&request.env_files)->value_name("FILE"),
       "dotenv file with values and references; may be repeated, a later one wins")
      ("fresh", po::bool_switch(&request.fresh),
       "an empty private home, thrown away at the end")
      ("review", po::bool_switch(&request.review),
       "keep what the command changes in the project in a layer, for `agentbox review`")
      ("view", po::value(&request.view)->value_name("KIND"),
       "how files are shown: live, masks (weaker; refused where the policy says live), or auto: "
       "live where /dev/fuse opens, else masks (default: auto)")
      ("no-masking", po::bool_switch(&request.masking),
       "let secret values through to the output; logged")
      ("quiet,q", po::bool_switch(&request.quiet), "no line about the session on a terminal");
  const auto values = parse_options(kUsage, options, {}, {}, own);
  if (!values) {
    return 0;
  }
  request.parameters = policy::read_parameters(parameters);
  request.masking = !request.masking;
  if (request.command.empty()) {
    throw base::Error(base::Status::kFailed, "no command to run",
                      "write it after \"--\": agentbox run --profile claude -- claude");
  }
  return session::run(request);
}

}  // namespace agentbox::cli
