#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>

#include "audit/reader.h"
#include "audit/render.h"
#include "audit/report.h"
#include "audit/tree.h"
#include "audit/verify.h"
#include "base/directories.h"
#include "base/encode.h"
#include "base/error.h"
#include "launcher/cli/verbs.h"

namespace agentbox::cli {

namespace {

namespace po = boost::program_options;
using base::Error;
using base::Status;

constexpr Usage kUsage = {
    "agentbox log [show | verify | tree | export] [OPTION…]",
    "The audit log: what was started, which secrets were resolved and released, which hosts and\n"
    "files were refused. `verify` finds an edit, a deletion, a reordering and a cut tail, and "
    "exits\n"
    "with 125 then. `export` writes a report that opens in a browser.",
    "  agentbox log --session last\n"
    "  agentbox log --follow --event connect\n"
    "  agentbox log --json | jq 'select(.event == \"release\")'\n"
    "  agentbox log verify\n"
    "  agentbox log export --html report.html\n"};

struct Options {
  std::string action = "show";
  audit::Filter filter;
  bool json = false;
  bool follow = false;
  std::string html;
};

// Readable on Ctrl-C and its like, so that following ends in order.
base::UniqueFd stop_descriptor() {
  sigset_t signals;
  ::sigemptyset(&signals);
  for (const int number : {SIGINT, SIGTERM, SIGHUP}) {
    ::sigaddset(&signals, number);
  }
  base::check(::sigprocmask(SIG_BLOCK, &signals, nullptr), "block", "signals");
  return base::UniqueFd(
      static_cast<int>(base::check(::signalfd(-1, &signals, SFD_CLOEXEC), "signalfd")));
}

int show(const std::string& directory, const Options& options) {
  audit::Reader reader(directory, options.filter);
  audit::Table table(std::cout, ::isatty(STDOUT_FILENO) == 1);
  const base::UniqueFd stop = options.follow ? stop_descriptor() : base::UniqueFd();
  for (bool watching = false;;) {
    audit::Entry entry;
    while (reader.next(entry)) {
      options.json ? void(std::cout << entry.line << '\n') : table.add(entry);
    }
    std::cout.flush();
    if (!options.follow || !std::cout) {
      break;
    }
    // The first wait only begins to watch: what came before it is read once more.
    if (!reader.wait(stop.get()) && watching) {
      break;
    }
    watching = true;
  }
  if (reader.skipped() > 0) {
    std::cerr << "agentbox: " << reader.skipped()
              << " lines are no records; `agentbox log verify` tells more\n";
  }
  return 0;
}

int tree(const std::string& directory, const Options& options) {
  audit::Reader reader(directory, options.filter);
  audit::Tree drawing;
  for (audit::Entry entry; reader.next(entry);) {
    drawing.add(entry);
  }
  drawing.print(std::cout);
  return 0;
}

nlohmann::json to_json(const audit::Verification& result) {
  nlohmann::json object = {{"ok", result.ok()},
                           {"records", result.records},
                           {"hash", result.hash},
                           {"notes", result.notes}};
  if (result.problem) {
    object["problem"] = {{"kind", audit::problem_name(result.problem->kind)},
                         {"file", result.problem->file},
                         {"line", result.problem->line},
                         {"message", result.problem->message}};
  }
  return object;
}

int verify(const std::string& directory, const Options& options) {
  const audit::Verification result = audit::verify(directory);
  if (options.json) {
    std::cout << to_json(result).dump(2, ' ', false, nlohmann::json::error_handler_t::replace)
              << '\n';
    return result.ok() ? 0 : static_cast<int>(Status::kFailed);
  }
  for (const std::string& note : result.notes) {
    std::cout << "note: " << note << '\n';
  }
  if (result.ok()) {
    std::cout << "The log is whole: " << result.records << " records, last hash "
              << (result.hash.empty() ? "none" : result.hash.substr(0, 16) + "…") << '\n';
    return 0;
  }
  const audit::Problem& problem = *result.problem;
  throw Error(Status::kFailed,
              "the log was changed (" + std::string(audit::problem_name(problem.kind)) + "): " +
                  problem.file + (problem.line > 0 ? ":" + std::to_string(problem.line) : "") +
                  ": " + problem.message,
              "the " + std::to_string(result.records) +
                  " records before that are whole; keep the files for whoever looks into it");
}

int export_report(const std::string& directory, const Options& options) {
  if (options.html.empty()) {
    throw Error(Status::kFailed, "say where the report goes", "agentbox log export --html FILE");
  }
  std::ofstream file(options.html, std::ios::trunc);
  audit::write_report(directory, options.filter, file);
  file.close();
  if (!file) {
    throw Error(Status::kFailed, "cannot write " + base::printable(options.html));
  }
  std::cout << "Wrote " << base::printable(options.html) << '\n';
  return 0;
}

}  // namespace

int log(const Arguments& arguments) {
  Options options;
  po::options_description description("Options");
  description.add_options()("json", po::bool_switch(&options.json),
                            "one JSON object a line, as it is recorded; with verify: one object")(
      "session", po::value(&options.filter.session)->value_name("ID"),
      "only this session: its id, the beginning or end of one, or \"last\"")(
      "event", po::value(&options.filter.event)->value_name("NAME"),
      "only this kind: session, resolve, release, hide, deny, connect, trust, mask …")(
      "follow,f", po::bool_switch(&options.follow), "go on as records are written")(
      "html", po::value(&options.html)->value_name("FILE"), "with export: where the report goes");
  po::options_description hidden;
  hidden.add_options()("action", po::value(&options.action));
  po::positional_options_description positional;
  positional.add("action", 1);
  if (!parse_options(kUsage, description, positional, hidden, arguments)) {
    return 0;
  }
  const std::string directory = base::state_directory() + "/audit";
  if (options.filter.session == "last") {
    options.filter.session = audit::last_session(directory);
  }
  if (options.action == "show") {
    return show(directory, options);
  }
  if (options.action == "verify") {
    return verify(directory, options);
  }
  if (options.action == "tree") {
    return tree(directory, options);
  }
  if (options.action == "export") {
    return export_report(directory, options);
  }
  throw Error(Status::kFailed, "the log has no action \"" + base::printable(options.action) + "\"",
              std::string("usage: ") + kUsage.synopsis);
}

}  // namespace agentbox::cli
