#include "launcher/scan/scan.h"

#include <fcntl.h>

#include <algorithm>

#include "base/file.h"
#include "launcher/scan/git.h"
#include "launcher/scan/hidden_files.h"
#include "launcher/scan/selection.h"
#include "launcher/scan/shown_files.h"
#include "launcher/survey/walk.h"
#include "policy/file_rules.h"

namespace agentbox::scan {

namespace {

template <typename Named>
void sort_by_path(std::vector<Named>& list) {
  std::sort(list.begin(), list.end(),
            [](const Named& a, const Named& b) { return a.path < b.path; });
}

// Those that are asked for, by path.
template <typename Named>
std::vector<Named> chosen(std::vector<Named>& list, const Selection& selection) {
  std::erase_if(list, [&](const Named& one) { return !selection.holds(one.path); });
  sort_by_path(list);
  return std::move(list);
}

void add_git(const std::string& root, const std::vector<std::string>& repositories,
             Report& report) {
  std::vector<std::string> paths;
  std::vector<Hidden*> files;
  for (Hidden& hidden : report.hidden) {
    if (hidden.holds_secret) {
      paths.push_back(hidden.path);
      files.push_back(&hidden);
    }
  }
  GitAnswer answer = ask_git(root, repositories, paths);
  for (std::size_t i = 0; i < files.size(); ++i) {
    files[i]->git = answer.states[i];
    if (answer.states[i] != GitState::kTracked && answer.states[i] != GitState::kUntracked) {
      continue;
    }
    const int number = answer.repositories[i];
    const std::string directory = number < 0 ? "" : repositories[static_cast<std::size_t>(number)];
    report.in_git.push_back(
        {.path = paths[i],
         .state = answer.states[i],
         .repository = directory,
         .ignore_file = directory.empty() ? ".gitignore" : directory + "/.gitignore",
         .ignore_line = ignore_line(directory, paths[i])});
  }
  report.git_failures = std::move(answer.failures);
}

}  // namespace

Report scan(const Options& options, const policy::Policy& policy, Progress& progress) {
  const auto start = std::chrono::steady_clock::now();
  Report report;
  report.root = options.root;
  report.paths = options.paths;
  const base::UniqueFd root = base::open_at(AT_FDCWD, options.root, O_PATH | O_DIRECTORY);
  const policy::FileRules rules(policy);
  HiddenFiles files;
  for (const std::string& path : options.hidden_elsewhere) {
    files.add_elsewhere(path);
  }
  survey::Options walk = {
      .root = root.get(),
      .files = &rules,
      .prefix = {},
      .threads = options.threads,
      .stay = false,
      .progress = &progress.names,
      .unlisted = [&files](std::string_view path, int error) { files.add_unlisted(path, error); }};
  survey::walk(walk, [&files](const survey::Entry& entry) { return files.visit(entry); });
  files.finish();
  report.names = progress.names;

  const Selection selection(options.paths);
  ShownFiles shown(files, selection);
  walk.progress = nullptr;
  walk.unlisted = nullptr;
  survey::walk(walk, [&shown](const survey::Entry& entry) { return shown.visit(entry); });

  report.hidden = std::move(files.hidden());
  std::move(shown.links().begin(), shown.links().end(), std::back_inserter(report.hidden));
  report.hidden = chosen(report.hidden, selection);
  report.redacted = chosen(files.redacted(), selection);
  report.unreadable = chosen(files.unreadable(), selection);
  add_git(options.root, files.repositories(), report);
  report.duration = std::chrono::duration_cast<std::chrono::milliseconds>(
      std::chrono::steady_clock::now() - start);
  return report;
}

}  // namespace agentbox::scan
