#include "launcher/session/doctor.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "base/encode.h"
#include "base/error.h"
#include "launcher/cli/verbs.h"

namespace agentbox::cli {

namespace {

namespace po = boost::program_options;
using State = session::Finding::State;

constexpr Usage kUsage = {
    "agentbox doctor [--json]",
    "Tries for real what agentbox needs of this machine: builds a box, mounts a view, locks memory,\n"
    "opens the audit log. Exit status 0 if a session can start here, else 125.",
    ""};

const char* word(State state) {
  switch (state) {
    case State::kOk:
      return "ok";
    case State::kMissing:
      return "missing";
    case State::kOptional:
      return "absent";
  }
  return "";
}

const char* colour(State state) {
  switch (state) {
    case State::kOk:
      return "\x1b[32m";
    case State::kMissing:
      return "\x1b[31m";
    case State::kOptional:
      return "\x1b[33m";
  }
  return "";
}

void print_table(const std::vector<session::Finding>& findings, bool usable) {
  const bool coloured = ::isatty(STDOUT_FILENO) == 1;
  for (const session::Finding& finding : findings) {
    std::printf("%s%-8s%s %-14s %s\n", coloured ? colour(finding.state) : "", word(finding.state),
                coloured ? "\x1b[0m" : "", finding.name.c_str(),
                base::printable(finding.detail).c_str());
    if (!finding.mend.empty()) {
      std::printf("%-8s %-14s mend: %s\n", "", "", finding.mend.c_str());
    }
  }
  std::printf("\n%s\n", usable ? "This machine gives the full tier: namespaces, live view, private "
                                 "network, audit log."
                               : "No session can start here until what is missing is mended.");
}

void print_json(const std::vector<session::Finding>& findings, bool usable) {
  nlohmann::json list = nlohmann::json::array();
  for (const session::Finding& finding : findings) {
    list.push_back({{"name", finding.name},
                    {"state", word(finding.state)},
                    {"detail", finding.detail},
                    {"mend", finding.mend}});
  }
  const nlohmann::json object = {{"usable", usable}, {"tier", usable ? "live" : "none"},
                                 {"findings", list}};
  std::puts(object.dump(2, ' ', false, nlohmann::json::error_handler_t::replace).c_str());
}

}  // namespace

int doctor(const Arguments& arguments) {
  bool json = false;
  po::options_description options("Options");
  options.add_options()("json", po::bool_switch(&json), "print one JSON object");
  if (!parse_options(kUsage, options, {}, {}, arguments)) {
    return 0;
  }
  const std::vector<session::Finding> findings = session::examine();
  const bool usable =
      std::none_of(findings.begin(), findings.end(), [](const session::Finding& finding) {
        return finding.state == State::kMissing;
      });
  json ? print_json(findings, usable) : print_table(findings, usable);
  return usable ? 0 : static_cast<int>(base::Status::kFailed);
}

}  // namespace agentbox::cli
