#include <unistd.h>

#include <cstdio>
#include <iostream>
#include <string>

#include "audit/id.h"
#include "base/directories.h"
#include "base/encode.h"
#include "base/error.h"
#include "launcher/cli/verbs.h"
#include "launcher/session/identity.h"
#include "launcher/session/layers.h"
#include "launcher/session/recorder.h"
#include "launcher/session/trust.h"

namespace agentbox::cli {

namespace {

namespace po = boost::program_options;
using base::Error;
using base::Status;

constexpr Usage kUsage = {
    "agentbox trust [--yes | --forget]",
    "Shows what this repository's policy would allow beyond your own policy and its profile, and\n"
    "records your consent to exactly this version. A changed policy, or a changed template that it\n"
    "names, is untrusted again.",
    "  agentbox trust\n"
    "  agentbox trust --yes      # for scripts\n"
    "  agentbox trust --forget\n"};

void record(const session::Identity& identity, const session::Project& project,
            const session::Layers& layers, const char* outcome) {
  audit::Record common;
  common.session = audit::new_id();
  common.actor = identity.name + "/agentbox";
  session::Recorder recorder(base::state_directory() + "/audit", common);
  audit::Record entry;
  entry.event = "trust";
  entry.subject = project.policy_file;
  entry.policy = layers.digest;
  entry.outcome = outcome;
  recorder.write(std::move(entry));
  recorder.sync();
}

bool ask() {
  if (::isatty(STDIN_FILENO) != 1) {
    throw Error(Status::kDenied, "there is no terminal to ask on, so nothing was trusted",
                "read the list above, then run `agentbox trust --yes`");
  }
  std::fputs("Trust this version? [y/N] ", stdout);
  std::fflush(stdout);
  std::string answer;
  std::getline(std::cin, answer);
  return answer == "y" || answer == "Y" || answer == "yes";
}

}  // namespace

int trust(const Arguments& arguments) {
  bool yes = false;
  bool forget = false;
  po::options_description options("Options");
  options.add_options()("yes,y", po::bool_switch(&yes), "do not ask")(
      "forget", po::bool_switch(&forget), "take the consent back");
  if (!parse_options(kUsage, options, {}, {}, arguments)) {
    return 0;
  }
  const session::Identity identity = session::current_identity();
  const session::Project project =
      session::find_project(session::current_directory(), identity.home);
  session::TrustStore store(base::state_directory());
  if (forget) {
    const bool had = store.forget(project.root);
    std::printf("%s %s\n", base::printable(project.root).c_str(),
                had ? "is no longer trusted" : "was not trusted");
    return 0;
  }
  if (project.policy_file.empty()) {
    throw Error(Status::kConfiguration, base::printable(project.root) + " has no policy to trust",
                "`agentbox init` writes one");
  }
  const session::Layers layers = session::load_layers(project, {});
  const std::string name = base::printable(project.policy_file);
  if (layers.widenings.empty()) {
    std::printf("%s only narrows: it needs no trust\n", name.c_str());
    return 0;
  }
  std::printf("%s would allow, beyond your own policy:\n", name.c_str());
  for (const policy::Widening& widening : layers.widenings) {
    std::printf("    %s  (%s)\n", base::printable(widening.what).c_str(),
                widening.place.text().c_str());
  }
  if (layers.trusted) {
    std::puts("This version is trusted already.");
    return 0;
  }
  if (!yes && !ask()) {
    record(identity, project, layers, "declined");
    std::puts("Nothing was trusted.");
    return static_cast<int>(Status::kDenied);
  }
  record(identity, project, layers, "trusted");
  store.record(project.root, layers.digest);
  std::puts("Trusted: exactly this version.");
  return 0;
}

}  // namespace agentbox::cli
