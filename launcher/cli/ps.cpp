#include <algorithm>
#include <chrono>
#include <cstdio>
#include <ctime>
#include <nlohmann/json.hpp>

#include "base/encode.h"
#include "launcher/cli/verbs.h"
#include "launcher/control/client.h"
#include "launcher/control/directory.h"

namespace agentbox::cli {

namespace {

namespace po = boost::program_options;
using nlohmann::json;

constexpr Usage kUsage = {"agentbox ps [--json]",
                          "The sessions of this user that run, and their boxes: scope, process, "
                          "age and command. A box that\n"
                          "another one started stands below it.",
                          ""};

std::string age(std::int64_t since) {
  const std::int64_t seconds = std::max<std::int64_t>(0, std::time(nullptr) - since);
  if (seconds < 60) {
    return std::to_string(seconds) + "s";
  }
  if (seconds < 60 * 60) {
    return std::to_string(seconds / 60) + "m";
  }
  return std::to_string(seconds / 3600) + "h" + std::to_string(seconds / 60 % 60) + "m";
}

// A box, then those it started.
void print(const json& boxes, const json& box, std::size_t depth) {
  const int pid = box.at("pid");
  std::string scope = box.at("scope");
  if (const std::string parameters = box.at("parameters"); !parameters.empty()) {
    scope += " (" + parameters + ")";
  }
  std::printf("%*s%s  %-12s %8s %6s  %s\n", static_cast<int>(2 + 2 * depth), "",
              box.at("box").get<std::string>().c_str(), base::printable(scope).c_str(),
              pid < 0 ? "starting" : std::to_string(pid).c_str(), age(box.at("since")).c_str(),
              base::printable(box.at("command").get<std::string>()).c_str());
  for (const json& other : boxes) {
    if (other.at("parent") == box.at("box")) {
      print(boxes, other, depth + 1);
    }
  }
}

// A detached box may have outlived the one that started it.
bool has_parent(const json& boxes, const json& box) {
  return std::any_of(boxes.begin(), boxes.end(),
                     [&](const json& other) { return other.at("box") == box.at("parent"); });
}

void print(const json& boxes) {
  for (const json& box : boxes) {
    if (!has_parent(boxes, box)) {
      print(boxes, box, 0);
    }
  }
}

}  // namespace

int ps(const Arguments& arguments) {
  bool as_json = false;
  po::options_description options("Options");
  options.add_options()("json", po::bool_switch(&as_json),
                        "print one JSON array; `since` is in seconds since the epoch, `pid` -1 "
                        "while a box starts");
  if (!parse_options(kUsage, options, {}, {}, arguments)) {
    return 0;
  }
  const std::string directory = control::run_directory();
  json all = json::array();
  for (const std::string& session : control::sessions(directory)) {
    if (const auto answer = control::ask(directory, session, "ps")) {
      all.push_back({{"session", session}, {"boxes", answer->at("boxes")}});
    }
  }
  if (as_json) {
    std::puts(all.dump(2, ' ', false, json::error_handler_t::replace).c_str());
    return 0;
  }
  for (const json& one : all) {
    std::printf("session %s\n", one.at("session").get<std::string>().c_str());
    print(one.at("boxes"));
  }
  if (all.empty()) {
    std::fputs("agentbox: no session runs\n", stderr);
  }
  return 0;
}

}  // namespace agentbox::cli
