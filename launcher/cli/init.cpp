#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <string>

#include "base/encode.h"
#include "base/error.h"
#include "launcher/cli/verbs.h"
#include "launcher/init/agents.h"
#include "launcher/init/draft.h"
#include "launcher/init/facts.h"
#include "launcher/init/plan.h"
#include "launcher/init/subagents.h"
#include "launcher/session/identity.h"
#include "launcher/session/layers.h"
#include "launcher/session/paths.h"
#include "launcher/session/project.h"

namespace agentbox::cli {

namespace {

namespace po = boost::program_options;
using base::Error;
using base::Status;

constexpr Usage kUsage = {"agentbox init [--agent NAME] [--profile NAME] [--force] [--yes]",
                          "Writes a first policy for this repository, agentbox.json: the names "
                          "(never the values) of what\n"
                          "dotenv files set become secrets of the local store, package managers "
                          "become hosts. With --agent\n"
                          "also the configuration by which that agent asks its box (`agentbox "
                          "mcp`); what else stands in\n"
                          "such a file is kept. With a policy that is there, also a subagent for "
                          "each scope that main may\n"
                          "start, where there is none of that name. Shows all of it, and asks "
                          "before it writes.",
                          "  agentbox init --agent claude\n"
                          "  agentbox init --yes      # for scripts\n"};

constexpr const char* kPolicyName = "agentbox.json";

struct Chosen {
  std::string agent;
  std::vector<std::string> profiles;
  bool force = false, yes = false;
};

// What a session with these profiles, and nothing of the repository's, would follow.
policy::Policy base_policy(const session::Project& project, const Chosen& chosen) {
  session::Layers layers = session::load_layers(
      project, {.profiles = chosen.profiles, .policy_file = {}, .program = {}});
  layers.sources.repository.reset();
  return policy::merge(layers.sources, session::profile_source());
}

init::Draft draft_policy(const session::Project& project, const Chosen& chosen) {
  const policy::Policy policy = base_policy(project, chosen);
  init::Wish wish;
  wish.project = project.root.substr(project.root.rfind('/') + 1);
  wish.profiles = chosen.profiles;
  for (const policy::Pattern& entry : policy.network) {
    wish.reached.push_back(entry.text);
  }
  const init::Facts facts = init::look(project.root, policy);
  for (const std::string& problem : facts.unreadable) {
    std::fprintf(stderr, "agentbox: left out: %s\n", base::printable(problem).c_str());
  }
  init::Draft result = init::draft(facts, wish);
  policy::parse(result.text, kPolicyName, project.root);  // what is written must be a policy
  return result;
}

// The scopes that the first box may start, by the policy that is there.
std::vector<std::string> startable_scopes(const session::Project& project, const Chosen& chosen) {
  const session::Layers layers = session::load_layers(
      project, {.profiles = chosen.profiles, .policy_file = {}, .program = {}});
  return policy::merge(layers.sources, session::profile_source()).scopes.at("main").spawn;
}

void show(const init::Plan& plan) {
  for (const init::File& file : plan.files()) {
    std::printf("%s %s:\n", plan.read(file.path) ? "changed" : "new", file.path.c_str());
    std::size_t start = 0;
    while (start < file.text.size()) {
      const std::size_t end = file.text.find('\n', start);
      std::printf("    %s\n", base::printable(file.text.substr(start, end - start)).c_str());
      start = end == std::string::npos ? file.text.size() : end + 1;
    }
  }
}

bool ask() {
  if (::isatty(STDIN_FILENO) != 1) {
    throw Error(Status::kDenied, "there is no terminal to ask on, so nothing was written",
                "read the files above, then run `agentbox init --yes`");
  }
  std::fputs("Write this? [y/N] ", stdout);
  std::fflush(stdout);
  std::string answer;
  std::getline(std::cin, answer);
  return answer == "y" || answer == "Y" || answer == "yes";
}

void say_next(const init::Draft& draft, bool policy_written) {
  for (const std::string& name : draft.stored) {
    std::printf("next: agentbox secret set %s\n", base::printable(name).c_str());
  }
  if (policy_written) {
    std::puts("next: agentbox trust");
  }
}

}  // namespace

int init(const Arguments& arguments) {
  Chosen chosen;
  po::options_description options("Options");
  options.add_options()("agent", po::value(&chosen.agent)->value_name("NAME"),
                        "claude, codex, gemini or opencode: write its MCP configuration, too")(
      "profile", po::value(&chosen.profiles)->value_name("NAME"),
      "profile that the policy extends; may be repeated. Default: the agent's")(
      "force", po::bool_switch(&chosen.force), "replace a policy that is there")(
      "yes,y", po::bool_switch(&chosen.yes), "do not ask");
  if (!parse_options(kUsage, options, {}, {}, arguments)) {
    return 0;
  }
  if (std::getenv("AGENTBOX_SOCKET") != nullptr) {
    throw Error(Status::kDenied, "this is a box, and policies are written outside of boxes",
                "run `agentbox init` in your own shell");
  }
  const bool for_agent = !chosen.agent.empty();
  const init::Agent agent = for_agent ? init::find_agent(chosen.agent) : init::Agent();
  if (chosen.profiles.empty() && for_agent) {
    chosen.profiles.push_back(agent.profile);
  }
  const session::Identity identity = session::current_identity();
  const session::Project project =
      session::find_project(session::current_directory(), identity.home);
  const std::string policy_path = project.policy_file.empty()
                                      ? kPolicyName
                                      : session::relative_to(project.policy_file, project.root);
  init::Plan plan(project.root);
  const bool has_policy = plan.read(policy_path).has_value();
  if (has_policy && !for_agent && !chosen.force) {
    throw Error(Status::kFailed, policy_path + " is there already",
                "edit it, or replace it with `agentbox init --force`");
  }
  init::Draft draft;
  const bool drafts = !has_policy || chosen.force;
  if (drafts) {
    draft = draft_policy(project, chosen);
    plan.add({policy_path, draft.text});
  }
  if (for_agent && !agent.file.empty()) {
    if (auto text = init::with_server(agent, plan.read(agent.file))) {
      plan.add({agent.file, std::move(*text)});
    }
  }
  if (for_agent && !drafts) {
    for (init::File& file : init::subagent_files(agent, startable_scopes(project, chosen))) {
      if (!plan.read(file.path)) {
        plan.add(std::move(file));
      }
    }
  }
  if (plan.files().empty()) {
    std::puts("There is nothing to write: all of it is there already.");
  } else {
    show(plan);
    if (!chosen.yes && !ask()) {
      std::puts("Nothing was written.");
      return static_cast<int>(Status::kDenied);
    }
    plan.write();
    say_next(draft, drafts);
  }
  std::fputs(agent.advice.c_str(), stdout);
  return 0;
}

}  // namespace agentbox::cli
