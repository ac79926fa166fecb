#include <unistd.h>

#include <cstdio>
#include <ctime>
#include <nlohmann/json.hpp>

#include "base/encode.h"
#include "base/error.h"
#include "launcher/cli/verbs.h"
#include "launcher/session/store.h"

namespace agentbox::cli {

namespace {

namespace po = boost::program_options;
using base::Error;
using base::Status;
using resolver::LocalStore;

constexpr Usage kUsage = {
    "agentbox secret set NAME | list | rm NAME",
    "The local encrypted store behind local://NAME references. `set` reads the value from standard\n"
    "input, byte by byte as it is, or asks for it on a terminal; never from the command line.",
    "  agentbox secret set shop/database          # asks\n"
    "  pass show db | tr -d '\\n' | agentbox secret set shop/database\n"
    "  agentbox secret list\n"};

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

}  // namespace

int secret(const Arguments& arguments) {
  std::string action;
  std::vector<std::string> names;
  bool json = false;
  bool passphrase = false;
  po::options_description options("Options");
  options.add_options()("passphrase", po::bool_switch(&passphrase),
                        "with the first `set`: protect the store by a passphrase, not a key file")(
      "json", po::bool_switch(&json), "with `list`: print a JSON array");
  po::options_description hidden;
  hidden.add_options()("action", po::value(&action)->required())("name", po::value(&names));
  po::positional_options_description positional;
  positional.add("action", 1).add("name", 1);
  if (!parse_options(kUsage, options, positional, hidden, arguments)) {
    return 0;
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
  throw Error(Status::kFailed, "what is to be done with the store?",
              std::string("usage: ") + kUsage.synopsis);
}

}  // namespace agentbox::cli
