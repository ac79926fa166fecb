#include "launcher/history/repositories.h"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <mutex>

#include "base/file.h"
#include "launcher/survey/walk.h"

namespace agentbox::history {

namespace {

bool is_repository_at(int directory, const std::string& path) {
  return ::faccessat(directory, (path + "HEAD").c_str(), F_OK, AT_SYMLINK_NOFOLLOW) == 0 &&
         ::faccessat(directory, (path + "objects/.").c_str(), F_OK, 0) == 0 &&
         ::faccessat(directory, (path + "refs/.").c_str(), F_OK, 0) == 0;
}

}  // namespace

bool is_repository(const std::string& path) { return is_repository_at(AT_FDCWD, path + "/"); }

std::vector<std::string> find_repositories(const std::string& root, const policy::FileRules& files,
                                           unsigned threads) {
  const base::UniqueFd directory = base::open_at(AT_FDCWD, root, O_PATH | O_DIRECTORY);
  std::vector<std::string> found;
  std::mutex mutex;
  survey::Options options;
  options.root = directory.get();
  options.files = &files;
  options.threads = threads;
  survey::walk(options, [&](const survey::Entry& entry) {
    const bool hides = entry.decision.action == policy::FileAction::kHide;
    // A name that tells of a repository and costs no look at all others. Nothing but objects is in
    // it, and they are many.
    if (entry.type != DT_DIR || hides || entry.name != "objects" ||
        !is_repository_at(entry.directory, "")) {
      return !hides;
    }
    const std::string_view path = entry.path.substr(0, entry.path.size() - entry.name.size());
    const std::lock_guard lock(mutex);
    found.push_back(root + (path.empty() ? "" : "/") +
                    std::string(path.substr(0, path.empty() ? 0 : path.size() - 1)));
    return false;
  });
  std::sort(found.begin(), found.end());
  return found;
}

}  // namespace agentbox::history
