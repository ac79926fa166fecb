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
std::vector<Named> join(std::vector<Named>& first, std::vector<Named>& second) {
  std::move(second.begin(), second.end(), std::back_inserter(first));
  return std::move(first);
}

// Those that are asked for, by path. What is of one path keeps its order.
template <typename Named>
std::vector<Named> chosen(std::vector<Named> list, const Selection& selection) {
  std::erase_if(list, [&](const Named& one) { return !selection.holds(one.path); });
  std::stable_sort(list.begin(), list.end(),
                   [](const Named& a, const Named& b) { return a.path < b.path; });
  return list;
}

void add_in_git(const Hidden& hidden, const std::string& directory, Report& report) {
  report.in_git.push_back(
      {.path = hidden.path,
       .state = hidden.git,
       .repository = directory,
       .ignore_file = directory.empty() ? ".gitignore" : directory + "/.gitignore",
       .ignore_line = ignore_line(directory, hidden.path)});
}

void add_git(const std::string& root, const std::vector<std::string>& repositories,
             Report& report) {
  std::vector<std::string> paths;
  for (const Hidden& hidden : report.hidden) {
    if (!hidden.directory) {
      paths.push_back(hidden.path);
    }
  }
  const std::size_t hidden_files = paths.size();
  for (const Finding& finding : report.findings) {
    if (paths.size() == hidden_files || paths.back() != finding.path) {
      paths.push_back(finding.path);
    }
  }
  GitAnswer answer = ask_git(root, repositories, paths);
  std::size_t at = 0;
  for (Hidden& hidden : report.hidden) {
    if (hidden.directory) {
      continue;
    }
    hidden.git = answer.states[at];
    if (hidden.holds_secret && in_git(hidden.git)) {
      const int number = answer.repositories[at];
      add_in_git(hidden, number < 0 ? "" : repositories[static_cast<std::size_t>(number)], report);
    }
    ++at;
  }
  for (Finding& finding : report.findings) {
    at += paths[at] == finding.path ? 0 : 1;
    finding.git = answer.states[at];
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
  const policy::ContentRules contents(policy);
  ShownFiles shown(files, selection, contents, progress);
  walk.progress = nullptr;
  walk.unlisted = nullptr;
  survey::walk(walk, [&shown](const survey::Entry& entry) { return shown.visit(entry); });

  report.searched = progress.files;
  report.bytes = progress.bytes;
  report.left_out = shown.left_out();
  report.unlisted_findings = shown.unlisted();
  report.hidden = chosen(join(files.hidden(), shown.links()), selection);
  report.redacted = chosen(std::move(files.redacted()), selection);
  report.findings = chosen(std::move(shown.findings()), selection);
  report.unreadable = chosen(join(files.unreadable(), shown.unreadable()), selection);
  add_git(options.root, files.repositories(), report);
  report.duration = std::chrono::duration_cast<std::chrono::milliseconds>(
      std::chrono::steady_clock::now() - start);
  return report;
}

}  // namespace agentbox::scan
