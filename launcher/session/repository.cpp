#include "launcher/session/repository.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <cstdlib>

#include "base/error.h"
#include "base/file.h"
#include "launcher/session/gitconfig.h"
#include "launcher/session/paths.h"
#include "launcher/session/worktree.h"

namespace agentbox::session {

namespace {

constexpr off_t kLargestConfig = 1 << 20;

// What stands in a git directory and runs commands, or says where such things stand; also of its
// submodules and worktrees.
constexpr const char* kRuns[] = {"hooks",
                                 "config",
                                 "config.worktree",
                                 "commondir",
                                 "modules/**/hooks",
                                 "modules/**/config",
                                 "modules/**/config.worktree",
                                 "modules/**/commondir",
                                 "worktrees/*/hooks",
                                 "worktrees/*/config",
                                 "worktrees/*/config.worktree",
                                 "worktrees/*/commondir",
                                 "worktrees/*/gitdir"};

std::string text_of(const std::string& path) {
  struct stat status = {};
  if (::stat(path.c_str(), &status) != 0 || !S_ISREG(status.st_mode) ||
      status.st_size > kLargestConfig || ::access(path.c_str(), R_OK) != 0) {
    return {};
  }
  return base::read_file(path, static_cast<std::size_t>(kLargestConfig));
}

std::string real_path(const std::string& path) {
  char buffer[PATH_MAX];
  return ::realpath(path.c_str(), buffer) != nullptr ? buffer : "";
}

bool is_git_directory(const std::string& path) {
  constexpr const char* kNames[] = {"HEAD", "objects", "refs"};
  return std::all_of(std::begin(kNames), std::end(kNames), [&](const char* name) {
    return ::access(join(path, name).c_str(), F_OK) == 0;
  });
}

std::string escaped(const std::string& path) {
  std::string text;
  for (const char c : path) {
    if (std::string_view("*?[]\\").find(c) != std::string_view::npos) {
      text += '\\';
    }
    text += c;
  }
  return text;
}

bool names_programs(const std::string& section, const std::string& name) {
  constexpr std::string_view kKeys[] = {"core.hookspath",
                                        "core.fsmonitor",
                                        "core.sshcommand",
                                        "core.gitproxy",
                                        "core.pager",
                                        "core.editor",
                                        "core.askpass",
                                        "core.alternaterefscommand",
                                        "include.path",
                                        "includeif.path",
                                        "filter.clean",
                                        "filter.smudge",
                                        "filter.process",
                                        "diff.command",
                                        "diff.textconv",
                                        "diff.external",
                                        "merge.driver",
                                        "credential.helper",
                                        "gpg.program",
                                        "sequence.editor",
                                        "difftool.cmd",
                                        "mergetool.cmd",
                                        "difftool.path",
                                        "mergetool.path",
                                        "sendemail.sendmailcmd",
                                        "remote.uploadpack",
                                        "remote.receivepack",
                                        "trailer.command",
                                        "trailer.cmd",
                                        "interactive.difffilter"};
  const std::string key = section + "." + name;
  return section == "alias" || section == "pager" ||
         std::find(std::begin(kKeys), std::end(kKeys), key) != std::end(kKeys);
}

class Rules {
 public:
  explicit Rules(std::string root) : root_(std::move(root)) {}

  void add(const std::string& relative) {
    list_.push_back({.text = "/" + relative, .place = {.file = "git"}});
  }

  // One that is called ".git" is the floor's business, which also lets worktrees be made in it.
  void add_git_directory(const std::string& path) {
    if (path.substr(path.rfind('/') + 1) == ".git") {
      return;
    }
    const std::string below = escaped(relative_to(path, root_));
    for (const char* name : kRuns) {
      add(below.empty() ? name : below + "/" + name);
    }
  }

  // Adds the file or directory if it is one below the root, also where a link leads to one.
  void add_path(const std::string& path) {
    const std::string real = real_path(path);
    if (real.empty() || real == root_ || !is_below(real, root_)) {
      return;
    }
    add(escaped(relative_to(real, root_)));
    const bool plain =
        path.find("/./") == std::string::npos && path.find("/../") == std::string::npos;
    if (path != real && plain && is_below(path, root_)) {
      add(escaped(relative_to(path, root_)));
    }
  }

  // `directory` is where the configuration stands: includes start from there, all else from the
  // root of the working tree.
  void add_configuration(const std::string& text, const std::string& directory) {
    each_setting(
        text, [&](const std::string& section, const std::string& name, const std::string& value) {
          if (!names_programs(section, name)) {
            return;
          }
          // A command line: each of its words may be a script of the tree.
          std::string word;
          for (const char c : value + " ") {
            if (std::string_view(" \t\n'\"!;|&()=").find(c) == std::string_view::npos) {
              word += c;
            } else if (!word.empty()) {
              const bool include = section == "include" || section == "includeif";
              add_path(word.front() == '/' ? word : join(include ? directory : root_, word));
              word.clear();
            }
          }
        });
  }

  std::vector<policy::Pattern> take() { return std::move(list_); }

 private:
  const std::string root_;
  std::vector<policy::Pattern> list_;
};

}  // namespace

void protect_repository(const std::string& root, const Identity& identity, policy::Policy& policy) {
  Rules rules(root);
  std::string git = common_git_directory(root);
  const std::string dot_git = join(root, ".git");
  if (git.empty()) {
    git = real_path(dot_git);
    constexpr std::string_view kPrefix = "gitdir: ";
    std::string link = text_of(dot_git);
    if (link.substr(0, kPrefix.size()) == kPrefix) {
      link = link.substr(kPrefix.size(), link.find('\n') - kPrefix.size());
      git = real_path(link.front() == '/' ? link : join(root, link));
    } else if (git.empty() && is_git_directory(root)) {
      git = root;
    }
  }
  if (!git.empty()) {
    if (is_below(git, root)) {
      rules.add_git_directory(git);
      policy.git_directories.push_back(relative_to(git, root));
    }
    rules.add_configuration(text_of(join(git, "config")), git);
    rules.add_configuration(text_of(join(git, "config.worktree")), git);
  }
  for (const char* name : {".gitconfig", ".config/git/config"}) {
    const std::string path = join(identity.home, name);
    rules.add_configuration(text_of(path), parent(path));
  }
  for (policy::Pattern& rule : rules.take()) {
    policy.files.readonly.push_back(std::move(rule));
  }
}

}  // namespace agentbox::session
