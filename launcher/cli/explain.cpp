#include <cstdio>
#include <nlohmann/json.hpp>

#include "base/encode.h"
#include "launcher/cli/verbs.h"
#include "launcher/session/explain.h"
#include "launcher/session/identity.h"
#include "launcher/session/layers.h"

namespace agentbox::cli {

namespace {

namespace po = boost::program_options;

constexpr Usage kUsage = {
    "agentbox explain [OPTION…] PATH|HOST[:PORT]|SCOPE",
    "Says which rule of which file decides about a path, a host or a scope.",
    "  agentbox explain .env.local\n"
    "  agentbox explain api.github.com:443\n"
    "  agentbox explain main\n"};

}  // namespace

int explain(const Arguments& arguments) {
  std::string subject;
  session::Request request;
  bool json = false;
  po::options_description options("Options");
  options.add_options()("profile", po::value(&request.profiles)->value_name("NAME"),
                        "as for `agentbox run`")(
      "policy", po::value(&request.policy_file)->value_name("FILE"), "as for `agentbox run`")(
      "json", po::bool_switch(&json), "print one JSON object");
  po::options_description hidden;
  hidden.add_options()("subject", po::value(&subject)->required());
  po::positional_options_description positional;
  positional.add("subject", 1);
  if (!parse_options(kUsage, options, positional, hidden, arguments)) {
    return 0;
  }
  const session::Identity identity = session::current_identity();
  const session::Project project =
      session::find_project(session::current_directory(), identity.home);
  const session::Layers layers = session::load_layers(project, request);
  const policy::Policy policy = policy::merge(layers.sources, session::profile_source());
  const session::Explanation answer =
      session::explain(project, identity.home, policy, subject);
  if (json) {
    const nlohmann::json object = {{"subject", answer.subject},
                                   {"decision", answer.decision},
                                   {"rule", answer.rule},
                                   {"place", answer.place},
                                   {"detail", answer.detail}};
    std::puts(object.dump(2, ' ', false, nlohmann::json::error_handler_t::replace).c_str());
    return 0;
  }
  std::printf("%s: %s\n", base::printable(answer.subject).c_str(), answer.decision.c_str());
  if (!answer.rule.empty()) {
    std::printf("  by %s  (%s)\n", base::printable(answer.rule).c_str(), answer.place.c_str());
  } else if (!answer.place.empty()) {
    std::printf("  at %s\n", answer.place.c_str());
  }
  std::printf("  %s\n", base::printable(answer.detail).c_str());
  if (!layers.trusted && !layers.widenings.empty()) {
    std::puts("  This repository's policy is not trusted yet: a session would be refused "
              "(agentbox trust).");
  }
  return 0;
}

}  // namespace agentbox::cli
