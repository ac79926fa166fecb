#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <ctime>
#include <nlohmann/json.hpp>
#include <thread>

#include "base/encode.h"
#include "base/error.h"
#include "launcher/cli/verbs.h"
#include "launcher/control/client.h"
#include "launcher/control/directory.h"
#include "launcher/session/release.h"
#include "launcher/session/store.h"

namespace agentbox::cli {

namespace {

namespace po = boost::program_options;
using base::Error;
using base::Status;
using resolver::LocalStore;

constexpr Usage kUsage = {
    "agentbox secret set NAME | list | rm NAME | refresh [NAME…] | clear-cache",
    "The local encrypted store behind local://NAME references. `set` reads the value from "
    "standard\n"
    "input, byte by byte as it is, or asks for it on a terminal; never from the command line.\n"
    "`refresh` makes the sessions that run look up their secrets again: a value that has changed\n"
    "replaces the one in a box's file; a variable of a program that runs cannot be changed.\n"
    "`clear-cache` forgets the values that policies let agentbox keep (\"cache\").",
    "  agentbox secret set shop/database          # asks\n"
    "  pass show db | tr -d '\\n' | agentbox secret set shop/database\n"
    "  agentbox secret list\n"
    "  agentbox secret refresh database\n"};

constexpr std::size_t kLargest = 1 << 20;

resolver::Secret read_value(const std::string& name) {
  if (::isatty(STDIN_FILENO) == 1) {
    return session::ask_secret(("Value of " + name + ": ").c_str());
  }
  return resolver::read_secret(STDIN_FILENO, kLargest, "standard input");
}

int set(LocalStore& store, const std::string& name, bool passphrase) {
  if (passphrase) {
    session::create_passphrase_store();
  }
  const resolver::Secret value = read_value(name);
  const std::uint64_t version = store.set(name, value);
  std::printf("local://%s is set (version %llu)\n", base::printable(name).c_str(),
              static_cast<unsigned long long>(version));
  if (!value.empty() && value.reveal().back() == '\n') {
    std::puts("The value ends with a line break, and is kept so.");
  }
  return 0;
}

std::string utc(std::int64_t seconds) {
  const std::time_t time = seconds;
  std::tm parts = {};
  ::gmtime_r(&time, &parts);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text;
}

int list(const LocalStore& store, bool json) {
  nlohmann::json entries = nlohmann::json::array();
  for (const LocalStore::Entry& entry : store.list()) {
    if (json) {
      entries.push_back({{"name", entry.name},
                         {"reference", "local://" + entry.name},
                         {"version", entry.version},
                         {"time", utc(entry.time)}});
    } else {
      std::printf("local://%-32s version %llu, set %s\n", base::printable(entry.name).c_str(),
                  static_cast<unsigned long long>(entry.version), utc(entry.time).c_str());
    }
  }
  if (json) {
    std::puts(entries.dump(2).c_str());
  }
  return 0;
}

int remove(LocalStore& store, const std::string& name) {
  if (!store.remove(name)) {
    throw Error(Status::kConfiguration, "there is no secret local://" + base::printable(name),
                "`agentbox secret list` shows what there is");
  }
  std::printf("local://%s is gone\n", base::printable(name).c_str());
  return 0;
}

// What one session answers, once it has looked; nothing if it has ended meanwhile.
nlohmann::json refresh_in(const std::string& directory, const std::string& id,
                          const std::vector<std::string>& names) {
  nlohmann::json params = nlohmann::json::object();
  if (!names.empty()) {
    params["names"] = names;
  }
  const auto begun = control::ask(directory, id, "refresh", params);
  while (begun) {
    const auto answer = control::ask(directory, id, "refreshed", *begun);
    if (!answer) {
      break;
    }
    if (answer->contains("secrets")) {
      return answer->at("secrets");
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  return nlohmann::json::array();
}

std::string sentence(const nlohmann::json& secret) {
  const std::string outcome = secret.at("outcome");
  if (outcome == "stale") {
    return "has changed; the command keeps the old value in its environment: start it again";
  }
  if (outcome == "leased") {
    return "belongs to the session, which renews it";
  }
  return outcome == "failed" ? "failed: " + base::printable(secret.at("message").get<std::string>())
                             : outcome;
}

int refresh(const std::vector<std::string>& names, bool json) {
  const std::string directory = control::run_directory();
  nlohmann::json all = nlohmann::json::array();
  bool failed = false;
  for (const std::string& id : control::sessions(directory)) {
    for (nlohmann::json& secret : refresh_in(directory, id, names)) {
      failed = failed || secret.at("outcome") == "failed";
      if (!json) {
        std::printf("%.8s  %-24s %s\n", id.c_str(),
                    base::printable(secret.at("name").get<std::string>()).c_str(),
                    sentence(secret).c_str());
      }
      secret["session"] = id;
      all.push_back(std::move(secret));
    }
  }
  if (json) {
    std::puts(all.dump(2, ' ', false, nlohmann::json::error_handler_t::replace).c_str());
  } else if (all.empty()) {
    std::puts("No session that runs has such a secret.");
  }
  return failed ? static_cast<int>(Status::kConfiguration) : 0;
}

int clear_cache() {
  std::printf("%zu values are gone from the cache\n", session::open_cache().clear());
  return 0;
}

}  // namespace

int secret(const Arguments& arguments) {
  std::string action;
  std::vector<std::string> names;
  bool json = false;
  bool passphrase = false;
  po::options_description options("Options");
  options.add_options()("passphrase", po::bool_switch(&passphrase),
                        "with the first `set`: protect the store by a passphrase, not a key file")(
      "json", po::bool_switch(&json), "with `list` and `refresh`: print a JSON array");
  po::options_description hidden;
  hidden.add_options()("action", po::value(&action)->required())("name", po::value(&names));
  po::positional_options_description positional;
  positional.add("action", 1).add("name", -1);
  if (!parse_options(kUsage, options, positional, hidden, arguments)) {
    return 0;
  }
  if (action == "refresh") {
    return refresh(names, json);
  }
  if (action == "clear-cache" && names.empty()) {
    return clear_cache();
  }
  LocalStore store = session::open_local_store();
  if (action == "list" && names.empty()) {
    return list(store, json);
  }
  if (names.size() == 1 && action == "set") {
    return set(store, names.front(), passphrase);
  }
  if (names.size() == 1 && action == "rm") {
    return remove(store, names.front());
  }
  throw Error(Status::kFailed, "what is to be done with the secrets?",
              std::string("usage: ") + kUsage.synopsis);
}

}  // namespace agentbox::cli
