#include "launcher/scan/git.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <string_view>
#include <unordered_map>
#include <unordered_set>

#include "base/encode.h"
#include "base/error.h"
#include "base/file.h"
#include "launcher/scan/git_command.h"

namespace agentbox::scan {

namespace {

constexpr std::string_view kGitLink = "160000";  // a submodule, in git's index

// Keeps a name that begins with ":" from being taken for more than a name (git's "magic").
constexpr std::string_view kHere = "./";

// Whether the path is that of something git keeps for itself.
bool in_git_directory(std::string_view path) {
  return path.starts_with(".git/") || path.find("/.git/") != std::string_view::npos;
}

// The first line, without its "fatal: ".
std::string first_line(std::string_view text) {
  text = text.substr(0, text.find('\n'));
  constexpr std::string_view kFatal = "fatal: ";
  return base::printable(text.starts_with(kFatal) ? text.substr(kFatal.size()) : text);
}

// Calls `take` for each of the texts that end in a zero byte.
template <typename Take>
void each(std::string_view list, const Take& take) {
  for (std::size_t end = 0; (end = list.find('\0')) != std::string_view::npos;) {
    take(list.substr(0, end));
    list.remove_prefix(end + 1);
  }
}

// The files of one repository, by their paths in it.
class Repository {
 public:
  Repository(const Git& git, std::string directory) : git_(git), directory_(std::move(directory)) {}

  void add(std::string_view path, std::size_t number) { paths_.emplace(path, number); }

  void ask(int root, GitAnswer& answer) {
    try {
      fd_ = directory_.empty() ? base::UniqueFd(::fcntl(root, F_DUPFD_CLOEXEC, 3))
                               : base::open_beneath(root, directory_, O_PATH | O_DIRECTORY);
    } catch (const base::SystemError& error) {
      fail(answer, error.what(), {});
      return;
    }
    const Finished listed = git_.run(fd_.get(), {"ls-files", "-z", "--cached", "--stage"}, {});
    if (listed.status != 0) {
      if (listed.errors.find("not a git repository") == std::string::npos) {
        refused(listed, answer);
      }
      return;
    }
    std::unordered_set<std::string_view> links;
    each(listed.output, [&](std::string_view line) { take_tracked(line, links, answer); });
    ask_ignored(links, answer);
  }

 private:
  void set(std::string_view path, GitState state, GitAnswer& answer) {
    const auto found = paths_.find(std::string(path));
    if (found != paths_.end()) {
      answer.states[found->second] = state;
    }
  }

  // "MODE OBJECT STAGE\tPATH"
  void take_tracked(std::string_view line, std::unordered_set<std::string_view>& links,
                    GitAnswer& answer) {
    const std::size_t tab = line.find('\t');
    if (tab == std::string_view::npos) {
      return;
    }
    if (line.starts_with(kGitLink)) {
      links.insert(line.substr(tab + 1));
    } else {
      set(line.substr(tab + 1), GitState::kTracked, answer);
    }
  }

  // All that is not tracked, nor in a submodule that was not checked out: nobody can add that.
  void ask_ignored(const std::unordered_set<std::string_view>& links, GitAnswer& answer) {
    std::string input;
    for (const auto& [path, number] : paths_) {
      if (answer.states[number] == GitState::kTracked || below_one(path, links)) {
        continue;
      }
      answer.states[number] = GitState::kUntracked;
      input.append(kHere).append(path).push_back('\0');
    }
    if (input.empty()) {
      return;
    }
    const Finished checked = git_.run(fd_.get(), {"check-ignore", "-z", "--stdin"}, input);
    if (checked.status != 0 && checked.status != 1) {
      refused(checked, answer);
      return;
    }
    each(checked.output, [&](std::string_view path) {
      set(path.substr(kHere.size()), GitState::kIgnored, answer);
    });
  }

  static bool below_one(std::string_view path, const std::unordered_set<std::string_view>& links) {
    for (std::size_t slash = path.find('/'); slash != std::string_view::npos && !links.empty();
         slash = path.find('/', slash + 1)) {
      if (links.contains(path.substr(0, slash))) {
        return true;
      }
    }
    return false;
  }

  void refused(const Finished& finished, GitAnswer& answer) {
    if (finished.timed_out) {
      fail(answer, "git did not answer in two minutes", {});
    } else if (finished.errors.find("dubious ownership") != std::string::npos) {
      fail(answer, first_line(finished.errors),
           "git config --global --add safe.directory DIRECTORY, if you trust who owns it");
    } else {
      fail(answer, first_line(finished.errors), {});
    }
  }

  void fail(GitAnswer& answer, const std::string& why, const std::string& hint) {
    for (const auto& [path, number] : paths_) {
      if (answer.states[number] != GitState::kTracked) {
        answer.states[number] = GitState::kUnknown;
      }
    }
    answer.failures.push_back({directory_, why.empty() ? "git failed" : why, hint});
  }

  const Git& git_;
  const std::string directory_;
  base::UniqueFd fd_;
  std::unordered_map<std::string, std::size_t> paths_;
};

// The number of the repository that a file is in; -1: none of these.
int innermost(std::string_view path,
              const std::unordered_map<std::string_view, int>& repositories) {
  std::size_t slash = path.rfind('/');
  while (slash != std::string_view::npos) {
    if (const auto found = repositories.find(path.substr(0, slash)); found != repositories.end()) {
      return found->second;
    }
    slash = slash == 0 ? std::string_view::npos : path.rfind('/', slash - 1);
  }
  return -1;
}

// Whether git would find a repository that begins at the root or above it.
bool in_repository(std::string directory) {
  for (;;) {
    if (::access((directory + "/.git").c_str(), F_OK) == 0) {
      return true;
    }
    if (directory.empty()) {
      return false;
    }
    directory.erase(directory.rfind('/'));
  }
}

}  // namespace

GitAnswer ask_git(const std::string& root, const std::vector<std::string>& repositories,
                  const std::vector<std::string>& paths) {
  GitAnswer answer;
  answer.states.assign(paths.size(), GitState::kNone);
  answer.repositories.assign(paths.size(), -1);
  std::unordered_map<std::string_view, int> numbers;
  for (std::size_t i = 0; i < repositories.size(); ++i) {
    if (!repositories[i].empty()) {
      numbers.emplace(repositories[i], static_cast<int>(i));
    }
  }
  const bool outer = in_repository(root == "/" ? "" : root);
  const Git git(root);
  std::map<int, Repository> asked;
  for (std::size_t i = 0; i < paths.size(); ++i) {
    const int number = innermost(paths[i], numbers);
    if (in_git_directory(paths[i]) || (number < 0 && !outer)) {
      continue;
    }
    answer.repositories[i] = number;
    const std::string directory = number < 0 ? "" : repositories[static_cast<std::size_t>(number)];
    const auto repository = asked.try_emplace(number, git, directory).first;
    repository->second.add(
        std::string_view(paths[i]).substr(directory.empty() ? 0 : directory.size() + 1), i);
    if (!git.found()) {
      answer.states[i] = GitState::kUnknown;
    }
  }
  if (!git.found()) {
    if (!asked.empty()) {
      answer.failures.push_back({"", "there is no git in PATH", "install git"});
    }
    return answer;
  }
  const base::UniqueFd fd = base::open_at(AT_FDCWD, root, O_PATH | O_DIRECTORY);
  for (auto& [number, repository] : asked) {
    repository.ask(fd.get(), answer);
  }
  return answer;
}

std::string ignore_line(const std::string& repository, const std::string& path) {
  std::string line = "/";
  for (const char c : path.substr(repository.empty() ? 0 : repository.size() + 1)) {
    if (c == '\n' || c == '\r') {
      line += '?';  // gitignore(5) has no escape for a line end
      continue;
    }
    if (std::string_view("*?[]\\ ").find(c) != std::string_view::npos) {
      line += '\\';
    }
    line += c;
  }
  return line;
}

}  // namespace agentbox::scan
