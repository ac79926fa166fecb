#include "launcher/scan/scan.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <functional>
#include <memory>
#include <thread>

#include "base/encode.h"
#include "base/error.h"
#include "launcher/cli/verbs.h"
#include "launcher/history/formats.h"
#include "launcher/scan/formats.h"
#include "launcher/session/history.h"
#include "launcher/session/home.h"
#include "launcher/session/identity.h"
#include "launcher/session/layers.h"
#include "launcher/session/paths.h"
#include "launcher/session/progress.h"
#include "launcher/session/repository.h"

namespace agentbox::cli {

namespace {

namespace po = boost::program_options;

constexpr Usage kUsage = {
    "agentbox scan [OPTION…] [PATH…]",
    "Says what a box would not see of this project, and why, which secrets stand in the files that "
    "it\n"
    "would see, and which secret files git has or would take. Prints no secret. Exit status 0: "
    "nothing\n"
    "to do; 1: a secret is in a file that a box sees, or a secret file in git or not ignored; 2:\n"
    "something could not be read; 3: both. With --history: 1 if there is a secret.",
    "  agentbox scan\n"
    "  agentbox scan --json services/api\n"
    "  agentbox scan --sarif > agentbox.sarif\n"
    "  agentbox scan --history\n"};

// Says on a terminal how far it is, as long as what this gives lives.
std::unique_ptr<session::Progress> show(std::function<std::string()> words) {
  return ::isatty(STDERR_FILENO) == 1 ? std::make_unique<session::Progress>(std::move(words))
                                      : nullptr;
}

std::string words_of(const scan::Progress& progress) {
  return std::to_string(progress.names) + " names, " + std::to_string(progress.files) +
         " files searched, " + std::to_string(progress.bytes >> 20) + " MiB, " +
         std::to_string(progress.findings) + " secrets";
}

std::string real_path(const std::string& path) {
  const std::unique_ptr<char, void (*)(void*)> real(::realpath(path.c_str(), nullptr), ::free);
  if (real == nullptr) {
    throw base::SystemError("find", base::printable(path), errno);
  }
  return real.get();
}

std::string directory_of(const std::string& path) {
  struct stat status = {};
  base::check(::stat(path.c_str(), &status), "stat", base::printable(path));
  return S_ISDIR(status.st_mode) ? path : session::parent(path);
}

// The project that `directory` is in. Where neither a policy nor a repository says how far one
// goes, it is where the user stands, if that is above.
session::Project project_of(const std::string& directory, const std::string& home) {
  session::Project project = session::find_project(directory, home);
  const std::string standing = session::current_directory();
  const bool marked = !project.policy_file.empty() ||
                      ::access(session::join(project.root, ".git").c_str(), F_OK) == 0;
  return marked || !session::is_below(directory, standing) ? project
                                                           : session::find_project(standing, home);
}

// The project that the first path is in, and all of them relative to it.
session::Project find_project(const std::vector<std::string>& given, const std::string& home,
                              std::vector<std::string>& relative) {
  std::vector<std::string> paths;
  for (const std::string& path : given) {
    paths.push_back(real_path(path));
  }
  session::Project project =
      project_of(paths.empty() ? session::current_directory() : directory_of(paths.front()), home);
  for (const std::string& path : paths) {
    if (!session::is_below(path, project.root)) {
      throw base::Error(
          base::Status::kFailed,
          base::printable(path) + " is not in the project " + base::printable(project.root),
          "scan it by itself");
    }
    relative.push_back(session::relative_to(path, project.root));
  }
  // The whole project, said by its name.
  if (std::find(relative.begin(), relative.end(), "") != relative.end()) {
    relative.clear();
  }
  return project;
}

// In place of the files, the objects of the project's repositories.
int scan_history(const session::Project& project, const policy::Policy& policy, bool json) {
  const policy::FileRules files(policy);
  const policy::ContentRules contents(policy);
  history::Options options = session::history_options(project, policy, files, contents);
  history::Progress progress;
  options.progress = &progress;
  history::Report report;
  {
    const auto line = show([&] {
      return std::to_string(progress.done) + " of " + std::to_string(progress.total) + " objects";
    });
    report = history::Scan(options).run();
  }
  const std::string text =
      json ? history::to_json(report)
           : history::to_text(report, project.root, ::isatty(STDOUT_FILENO) == 1);
  std::fwrite(text.data(), 1, text.size(), stdout);
  return report.secrets() == 0 ? 0 : 1;
}

}  // namespace

int scan(const Arguments& arguments) {
  std::vector<std::string> paths;
  session::Request request;
  bool json = false;
  bool sarif = false;
  bool in_history = false;
  po::options_description options("Options");
  options.add_options()("profile", po::value(&request.profiles)->value_name("NAME"),
                        "as for `agentbox run`")(
      "policy", po::value(&request.policy_file)->value_name("FILE"), "as for `agentbox run`")(
      "json", po::bool_switch(&json), "print one JSON object")("sarif", po::bool_switch(&sarif),
                                                               "print a SARIF 2.1.0 log")(
      "history", po::bool_switch(&in_history),
      "search the objects of the project's git repositories instead of its files");
  po::options_description hidden;
  hidden.add_options()("path", po::value(&paths));
  po::positional_options_description positional;
  positional.add("path", -1);
  if (!parse_options(kUsage, options, positional, hidden, arguments)) {
    return 0;
  }
  if (json && sarif) {
    throw base::Error(base::Status::kFailed, "--json and --sarif are two forms of one report",
                      "choose one of them");
  }
  if (in_history && sarif) {
    throw base::Error(base::Status::kFailed, "a SARIF log is about files, not about git's objects",
                      "use --json with --history");
  }
  const session::Identity identity = session::current_identity();
  scan::Options what;
  const session::Project project = find_project(paths, identity.home, what.paths);
  if (in_history && !what.paths.empty()) {
    throw base::Error(base::Status::kFailed, "--history searches whole repositories",
                      "leave the PATH out, or name the project's directory");
  }
  session::Layers layers = session::load_layers(project, request);
  const bool trusted = layers.trusted || layers.widenings.empty();
  if (!trusted) {
    // No session would start with it, and what a stranger's document shows must still be found.
    layers.sources.repository.reset();
  }
  policy::Policy policy = policy::merge(layers.sources, session::profile_source());
  session::protect_repository(project.root, identity, policy);
  if (in_history) {
    return scan_history(project, policy, json);
  }
  what.root = project.root;
  what.hidden_elsewhere = session::credential_files(identity);
  what.threads = std::clamp(std::thread::hardware_concurrency(), 1u, 16u);
  scan::Progress progress;
  scan::Report report;
  {
    const auto line = show([&] { return words_of(progress); });
    report = scan::scan(what, policy, progress);
  }
  report.trusted = trusted;
  const std::string text = json ? scan::to_json(report) + "\n"
                           : sarif
                               ? scan::to_sarif(report, AGENTBOX_VERSION) + "\n"
                               : scan::to_text(report, {.coloured = ::isatty(STDOUT_FILENO) == 1});
  std::fwrite(text.data(), 1, text.size(), stdout);
  return scan::status_of(report);
}

}  // namespace agentbox::cli
