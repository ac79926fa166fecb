#include "launcher/history/names.h"

#include <algorithm>

#include "base/error.h"

namespace agentbox::history {

namespace {

bool hides(const Verdict& verdict) { return verdict.file.action != policy::FileAction::kShow; }

int weight(const Verdict& verdict) { return hides(verdict) ? 2 : verdict.searched; }

// A regular file: not a link, whose bytes are only a path, nor a submodule's commit.
bool is_file(std::string_view mode) { return mode.substr(0, 3) == "100"; }

std::vector<std::string_view> words(std::string_view text) {
  std::vector<std::string_view> list;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(' '), text.size());
    list.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return list;
}

std::string lines(std::span<const ObjectId> ids) {
  std::string text;
  text.reserve(ids.size() * 41);
  for (const ObjectId& id : ids) {
    text += id.hex();
    text += '\n';
  }
  return text;
}

}  // namespace

Names::Names(const policy::FileRules& files, const policy::ContentRules& contents,
             std::string prefix)
    : files_(files), contents_(contents), prefix_(std::move(prefix)) {}

const Name* Names::find(const ObjectId& blob) const {
  const auto found = names_.find(blob);
  return found == names_.end() ? nullptr : &found->second;
}

void Names::add(const ObjectId& blob, const std::string& path, const ObjectId& commit) {
  if (blob.null()) {
    return;
  }
  const auto [judged, first] = judged_.try_emplace(path);
  if (first) {
    const std::string whole = prefix_.empty() ? path : prefix_ + "/" + path;
    judged->second = {.file = files_.judge(whole, false),
                      .searched = contents_.judge(whole).detect != policy::Detect::kOff};
  }
  const Name name = {.path = &judged->first, .verdict = &judged->second, .commit = commit};
  const auto [known, added] = names_.try_emplace(blob, name);
  const bool suspect = hides(*name.verdict) && (added || !hides(*known->second.verdict));
  if (weight(*name.verdict) > weight(*known->second.verdict)) {
    known->second = name;
  }
  if (suspect) {
    suspects_.push_back(blob);
  }
}

// The output of `git diff-tree --stdin -r -c --raw -z`: a commit's id, then for each path one ':' a
// parent, the modes and ids of the parents' files and of the commit's own, and the path
// (git-diff-tree(1), "RAW OUTPUT FORMAT" and "DIFF FORMAT FOR MERGES").
bool Names::add_differences(const Git& git, std::span<const ObjectId> commits) {
  GitProcess process =
      git.start({"diff-tree", "--stdin", "-r", "--root", "-c", "--raw", "-z", "--no-renames",
                 "--no-abbrev", "--no-ext-diff", "--ignore-submodules=all"},
                input_of(lines(commits)));
  ObjectId commit;
  std::string field;
  std::string path;
  while (process.next(field, '\0')) {
    if (field.empty() || field.front() != ':') {
      if (const std::optional<ObjectId> id = ObjectId::parse(field)) {
        commit = *id;
      }
      continue;
    }
    if (!process.next(path, '\0')) {
      break;
    }
    const std::size_t parents = field.find_first_not_of(':');
    const std::vector<std::string_view> parts = words(std::string_view(field).substr(parents));
    const std::size_t files = parents + 1;
    if (parts.size() < 2 * files) {
      continue;
    }
    for (std::size_t i = 0; i < files; ++i) {
      const std::optional<ObjectId> id = ObjectId::parse(parts[files + i]);
      if (id && is_file(parts[i])) {
        add(*id, path, commit);
      }
    }
  }
  return process.finish();
}

void Names::add_tree(const Git& git, const ObjectId& commit) {
  GitProcess process = git.start({"ls-tree", "-r", "-z", "--full-tree", commit.hex()});
  std::string entry;
  while (process.next(entry, '\0')) {
    // "MODE TYPE ID\tPATH"
    const std::size_t tab = entry.find('\t');
    const std::vector<std::string_view> parts = words(std::string_view(entry).substr(0, tab));
    if (tab == std::string::npos || parts.size() != 3 || !is_file(parts[0])) {
      continue;
    }
    if (const std::optional<ObjectId> id = ObjectId::parse(parts[2])) {
      add(*id, entry.substr(tab + 1), commit);
    }
  }
  process.finish();  // what was pruned of an unreachable commit cannot be read by a box either
}

void Names::add_commits(const Git& git, std::span<const ObjectId> commits) {
  if (commits.empty() || add_differences(git, commits)) {
    return;
  }
  // Git stops at a commit with a parent that was pruned: find it by halves.
  if (commits.size() == 1) {
    add_tree(git, commits.front());
    return;
  }
  add_commits(git, commits.first(commits.size() / 2));
  add_commits(git, commits.subspan(commits.size() / 2));
}

void Names::add_index(const Git& git, const std::string& index) {
  GitProcess process = git.start({"ls-files", "--stage", "-z"}, {}, index);
  std::string entry;
  while (process.next(entry, '\0')) {
    // "MODE ID STAGE\tPATH"
    const std::size_t tab = entry.find('\t');
    const std::vector<std::string_view> parts = words(std::string_view(entry).substr(0, tab));
    if (tab == std::string::npos || parts.size() != 3 || !is_file(parts[0])) {
      continue;
    }
    if (const std::optional<ObjectId> id = ObjectId::parse(parts[1])) {
      add(*id, entry.substr(tab + 1), {});
    }
  }
  process.require();
}

}  // namespace agentbox::history
