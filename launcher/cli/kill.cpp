#include <cstdio>
#include <nlohmann/json.hpp>

#include "base/encode.h"
#include "base/error.h"
#include "launcher/cli/verbs.h"
#include "launcher/control/client.h"
#include "launcher/control/directory.h"

namespace agentbox::cli {

namespace {

namespace po = boost::program_options;
using base::Error;
using base::Status;
using nlohmann::json;

constexpr Usage kUsage = {"agentbox kill SESSION|BOX",
                          "Ends a session with all of its boxes, or one box, at once (SIGKILL). "
                          "`agentbox ps` shows the ids;\n"
                          "the beginning of one is enough if no other begins alike.",
                          ""};

struct Target {
  std::string session;
  json params;  // of "kill"
  std::string name;
};

std::vector<Target> matches(const std::string& directory, const std::string& id) {
  std::vector<Target> found;
  for (const std::string& session : control::sessions(directory)) {
    if (session.starts_with(id)) {
      found.push_back({session, json::object(), session});
    }
    const auto answer = control::ask(directory, session, "ps");
    for (const json& box : answer ? answer->at("boxes") : json::array()) {
      const std::string name = box.at("box");
      if (name.starts_with(id)) {
        found.push_back({session, {{"box", name}}, name});
      }
    }
  }
  return found;
}

}  // namespace

int kill(const Arguments& arguments) {
  std::string id;
  po::options_description options("Options");
  po::options_description hidden;
  hidden.add_options()("id", po::value(&id)->required());
  po::positional_options_description positional;
  positional.add("id", 1);
  if (!parse_options(kUsage, options, positional, hidden, arguments)) {
    return 0;
  }
  const std::string directory = control::run_directory();
  const std::vector<Target> found = matches(directory, id);
  if (id.empty() || found.empty()) {
    throw Error(Status::kFailed, "no session and no box \"" + base::printable(id) + "\" runs",
                "`agentbox ps` lists them");
  }
  if (found.size() > 1) {
    throw Error(Status::kFailed,
                "more than one session or box begins with \"" + base::printable(id) + "\"",
                "give more of the id: `agentbox ps` lists them");
  }
  const Target& target = found.front();
  if (!control::ask(directory, target.session, "kill", target.params)) {
    throw Error(Status::kFailed, target.name + " has just ended by itself");
  }
  return 0;
}

}  // namespace agentbox::cli
