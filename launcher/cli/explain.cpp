#include "launcher/session/explain.h"

#include <sys/stat.h>

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <thread>

#include "base/encode.h"
#include "base/error.h"
#include "launcher/cli/verbs.h"
#include "launcher/scan/scan.h"
#include "launcher/session/home.h"
#include "launcher/session/identity.h"
#include "launcher/session/layers.h"
#include "launcher/session/paths.h"
#include "launcher/session/repository.h"

namespace agentbox::cli {

namespace {

namespace po = boost::program_options;
using nlohmann::json;

constexpr Usage kUsage = {
    "agentbox explain [OPTION…] PATH|HOST[:PORT]|SCOPE",
    "Says which rule of which file decides about a path, a host or a scope, and what is found in\n"
    "a file: kinds and lines, never a value.",
    "  agentbox explain .env.local\n"
    "  agentbox explain config/settings.py\n"
    "  agentbox explain api.github.com:443\n"
    "  agentbox explain main\n"};

session::Tier tier_of(const policy::Policy& policy, const std::string& view) {
  if (view != "auto") {
    return session::choose_tier(policy, view, false);
  }
  return policy.view == policy::ViewMode::kLive || session::fuse_error() == 0
             ? session::Tier::kLive
             : session::Tier::kMasks;
}

bool is_regular_file(const std::string& path) {
  struct stat status = {};
  return ::lstat(path.c_str(), &status) == 0 && S_ISREG(status.st_mode);
}

// What is in the file, as a box's first read of it finds it: the hidden files of the project are
// read for the values that may stand in it too.
scan::Report look_into(const std::string& path, const session::Project& project,
                       const session::Identity& identity, policy::Policy policy) {
  session::protect_repository(project.root, identity, policy);
  const scan::Options options = {
      .root = project.root,
      .paths = {path},
      .hidden_elsewhere = session::credential_files(identity),
      .threads = std::clamp(std::thread::hardware_concurrency(), 1u, 16u)};
  scan::Progress progress;
  return scan::scan(options, policy, progress);
}

// The decision of the names, and what the contents make of it.
void judge_contents(const scan::Report& report, session::Tier tier,
                    session::Explanation& explanation) {
  const bool masks = tier == session::Tier::kMasks;
  if (!report.hidden.empty()) {
    const scan::Hidden& hidden = report.hidden.front();
    explanation.detect.reset();
    explanation.write_secrets.reset();
    if (hidden.why == scan::Hidden::Why::kHardLink) {
      explanation.detail = "another name of " + hidden.link_of + ", which is hidden";
    } else if (hidden.why == scan::Hidden::Why::kCredential) {
      explanation.detail = "it holds a credential; judged again each time it changes";
    }
    explanation.decision = "hidden";
    return;
  }
  if (explanation.decision == "hidden") {
    explanation.decision = "read-only";
    explanation.detail = "its name is one that hides, but it holds references only";
  } else if (explanation.decision == "hidden if it holds a credential") {
    explanation.decision = "shown";
    explanation.detail = "it holds no credential; judged again each time it changes";
  }
  if (report.findings.empty()) {
    return;
  }
  switch (report.findings.front().action) {
    case policy::Detect::kOff:
      break;
    case policy::Detect::kReport:
      explanation.detail += "; secrets are found in it, and told to the log only";
      break;
    case policy::Detect::kRedact:
      explanation.decision = masks ? "hidden" : "redacted";
      explanation.detail = "secrets are found in it: stars in their place, read-only";
      break;
    case policy::Detect::kDeny:
      explanation.decision = masks ? "hidden" : "denied";
      explanation.detail = "secrets are found in it: nobody in the box can read it";
      break;
  }
  if (explanation.decision == "hidden") {
    explanation.detail = "secrets are found in it: the whole file is covered by a mask";
  }
}

json to_json(const session::Explanation::Choice& choice) {
  return {{"choice", choice.choice}, {"rule", choice.rule}, {"place", choice.place}};
}

json to_json(const session::Explanation& answer, const std::optional<scan::Report>& report,
             session::Tier tier) {
  json object = {{"subject", answer.subject}, {"decision", answer.decision},
                 {"rule", answer.rule},       {"place", answer.place},
                 {"detail", answer.detail},   {"files", session::tier_name(tier)}};
  if (answer.detect) {
    object["detect"] = to_json(*answer.detect);
  }
  if (answer.write_secrets) {
    object["write_secrets"] = to_json(*answer.write_secrets);
  }
  if (report) {
    json findings = json::array();
    for (const scan::Finding& finding : report->findings) {
      findings.push_back({{"kind", finding.kind},
                          {"title", finding.title},
                          {"line", finding.line},
                          {"column", finding.column},
                          {"copy_of", finding.copy_of}});
    }
    object["findings"] = std::move(findings);
    object["unlisted_findings"] = report->unlisted_findings;
    object["searched"] = report->searched > 0;
  }
  return object;
}

void print_choice(const char* what, const std::optional<session::Explanation::Choice>& choice) {
  if (choice) {
    const std::string by =
        choice->rule.empty() ? "" : ", by " + choice->rule + "  (" + choice->place + ")";
    std::printf("  %s: %s%s\n", what, choice->choice.c_str(), base::printable(by).c_str());
  }
}

void print(const session::Explanation& answer, const std::optional<scan::Report>& report,
           session::Tier tier) {
  std::printf("%s: %s\n", base::printable(answer.subject).c_str(), answer.decision.c_str());
  if (!answer.rule.empty()) {
    std::printf("  by %s  (%s)\n", base::printable(answer.rule).c_str(), answer.place.c_str());
  } else if (!answer.place.empty()) {
    std::printf("  at %s\n", answer.place.c_str());
  }
  std::printf("  %s\n", base::printable(answer.detail).c_str());
  print_choice("where a secret is found in it", answer.detect);
  if (report) {
    for (const scan::Finding& finding : report->findings) {
      const std::string copy =
          finding.copy_of.empty() ? "" : ", a value that also stands in " + finding.copy_of;
      std::printf("    line %zu: %s%s\n", finding.line, finding.title.c_str(),
                  base::printable(copy).c_str());
    }
    if (report->unlisted_findings > 0) {
      std::printf("    and %zu more\n", report->unlisted_findings);
    }
    for (const scan::Unreadable& one : report->unreadable) {
      std::printf("    not searched: it cannot be read (%s)\n",
                  base::errno_name(one.error).c_str());
    }
  }
  print_choice("where a value that was given to the box is written into it", answer.write_secrets);
  if (tier == session::Tier::kMasks) {
    std::puts(
        "  Files are hidden by masks, which is weaker than the live view "
        "(agentbox doctor says why).");
  }
}

}  // namespace

int explain(const Arguments& arguments) {
  std::string subject;
  std::string view;
  session::Request request;
  bool as_json = false;
  po::options_description options("Options");
  options.add_options()("profile", po::value(&request.profiles)->value_name("NAME"),
                        "as for `agentbox run`")(
      "policy", po::value(&request.policy_file)->value_name("FILE"), "as for `agentbox run`")(
      "view", po::value(&view)->value_name("KIND")->default_value("auto"), "as for `agentbox run`")(
      "json", po::bool_switch(&as_json), "print one JSON object");
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
  const session::Tier tier = tier_of(policy, view);
  session::Explanation answer = session::explain(project, identity.home, policy, subject, tier);
  std::optional<scan::Report> report;
  if (answer.detect) {
    const std::string path = session::explained_path(subject, project, identity.home);
    if (session::is_below(path, project.root) && is_regular_file(path)) {
      report = look_into(session::relative_to(path, project.root), project, identity, policy);
      judge_contents(*report, tier, answer);
    }
  }
  if (as_json) {
    std::puts(
        to_json(answer, report, tier).dump(2, ' ', false, json::error_handler_t::replace).c_str());
    return 0;
  }
  print(answer, report, tier);
  if (!layers.trusted && !layers.widenings.empty()) {
    std::puts(
        "  This repository's policy is not trusted yet: a session would be refused "
        "(agentbox trust).");
  }
  return 0;
}

}  // namespace agentbox::cli
