#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <iostream>
#include <nlohmann/json.hpp>
#include <set>
#include <thread>

#include "base/encode.h"
#include "base/error.h"
#include "launcher/approvals/card.h"
#include "launcher/cli/verbs.h"
#include "launcher/control/client.h"
#include "launcher/control/directory.h"

namespace agentbox::cli {

namespace {

namespace po = boost::program_options;
using base::Error;
using base::Status;
using nlohmann::json;

constexpr Usage kUsage = {
    "agentbox approve [ID] [--deny] [--session SESSION] [--follow] [--json]",
    "Answers what boxes ask of you: `approve: each` or `session` of a scope. Without an ID: on a\n"
    "terminal, shows each request and asks; else, and with --json, lists them.",
    "  agentbox approve --follow     # stay, and ask as requests come\n"
    "  agentbox approve 3            # yes to request 3\n"
    "  agentbox approve 3 --deny\n"};

struct Waiting {
  std::string session;
  json request;
};

std::vector<Waiting> waiting(const std::string& directory, const std::string& only, bool attend) {
  std::vector<Waiting> all;
  for (const std::string& session : control::sessions(directory)) {
    if (!session.starts_with(only)) {
      continue;
    }
    const auto answer = control::ask(directory, session, "pending", {{"attend", attend}});
    for (const json& request : answer ? answer->at("requests") : json::array()) {
      all.push_back({session, request});
    }
  }
  return all;
}

// False: it has been answered, or was given up, meanwhile.
bool answer(const std::string& directory, const Waiting& one, bool yes) try {
  return control::ask(directory, one.session, "answer",
                      {{"id", one.request.at("id")}, {"yes", yes}})
      .has_value();
} catch (const Error& error) {
  if (error.status() != Status::kDenied) {
    throw;
  }
  return false;
}

void show(const Waiting& one) {
  std::printf("request %s of session %s, %s s left\n", one.request.at("id").dump().c_str(),
              one.session.c_str(), one.request.at("seconds_left").dump().c_str());
  for (const std::string& line : approvals::card(approvals::request_from(one.request))) {
    // Whoever answers at that socket is not this process: nothing of it may drive the terminal.
    std::printf("  %s\n", base::printable(line).c_str());
  }
}

// nullopt: neither yes nor no, or the end of the input.
std::optional<bool> ask_user() {
  std::fputs("allow? [y/n, other: later] ", stdout);
  std::fflush(stdout);
  std::string line;
  if (!std::getline(std::cin, line)) {
    std::puts("");
    return std::nullopt;
  }
  if (line == "y" || line == "yes" || line == "n" || line == "no") {
    return line.front() == 'y';
  }
  return std::nullopt;
}

void ask_about(const std::string& directory, const Waiting& one) {
  show(one);
  if (const std::optional<bool> yes = ask_user()) {
    const bool taken = answer(directory, one, *yes);
    std::puts(!taken ? "too late: it waits no longer" : *yes ? "allowed" : "denied");
  }
}

json listed(const std::vector<Waiting>& all) {
  json list = json::array();
  for (const Waiting& one : all) {
    json entry = one.request;
    entry["session"] = one.session;
    list.push_back(std::move(entry));
  }
  return list;
}

std::string dumped(const json& value, int indent) {
  return value.dump(indent, ' ', false, json::error_handler_t::replace);
}

// Until interrupted.
[[noreturn]] void follow(const std::string& directory, const std::string& session, bool interactive,
                         bool as_json) {
  std::set<std::string> seen;
  for (;;) {
    for (const Waiting& one : waiting(directory, session, true)) {
      if (!seen.insert(one.session + ' ' + one.request.at("id").dump()).second) {
        continue;
      }
      if (as_json) {
        std::puts(dumped(listed({one}).front(), -1).c_str());
      } else if (interactive) {
        ask_about(directory, one);
      } else {
        show(one);
      }
      std::fflush(stdout);
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(500));
  }
}

void answer_by_id(const std::string& directory, const std::string& session, const std::string& id,
                  bool yes) {
  std::vector<Waiting> found;
  for (Waiting& one : waiting(directory, session, false)) {
    if (one.request.at("id").dump() == id) {
      found.push_back(std::move(one));
    }
  }
  if (found.size() > 1) {
    throw Error(Status::kFailed, "request " + id + " waits in more than one session",
                "name one with --session: `agentbox approve --json` lists them");
  }
  if (found.empty() || !answer(directory, found.front(), yes)) {
    throw Error(Status::kFailed, "no request \"" + base::printable(id) + "\" waits",
                "`agentbox approve --json` lists them");
  }
}

}  // namespace

int approve(const Arguments& arguments) {
  std::string id;
  std::string session;
  bool deny = false;
  bool stay = false;
  bool as_json = false;
  po::options_description options("Options");
  options.add_options()("deny", po::bool_switch(&deny), "the answer to ID is no")(
      "session", po::value(&session)->value_name("SESSION"), "of this session only")(
      "follow", po::bool_switch(&stay),
      "stay, and tell of requests as they come; a session without a terminal waits for an answer "
      "while this runs")("json", po::bool_switch(&as_json),
                         "print what waits as JSON, ask nothing");
  po::options_description hidden;
  hidden.add_options()("id", po::value(&id));
  po::positional_options_description positional;
  positional.add("id", 1);
  if (!parse_options(kUsage, options, positional, hidden, arguments)) {
    return 0;
  }
  if ((deny && id.empty()) || (stay && !id.empty())) {
    throw Error(Status::kFailed, deny ? "--deny needs the ID of a request" : "--follow takes no ID",
                std::string("usage: ") + kUsage.synopsis);
  }
  const std::string directory = control::run_directory();
  const bool interactive = !as_json && ::isatty(STDIN_FILENO) == 1 && ::isatty(STDOUT_FILENO) == 1;
  if (stay) {
    follow(directory, session, interactive, as_json);
  }
  if (!id.empty()) {
    answer_by_id(directory, session, id, !deny);
    return 0;
  }
  const std::vector<Waiting> all = waiting(directory, session, false);
  if (as_json) {
    std::puts(dumped(listed(all), 2).c_str());
    return 0;
  }
  for (const Waiting& one : all) {
    interactive ? ask_about(directory, one) : show(one);
  }
  if (all.empty()) {
    std::fputs("agentbox: nothing waits for an answer\n", stderr);
  }
  return 0;
}

}  // namespace agentbox::cli
