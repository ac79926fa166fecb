#include "launcher/session/home.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "base/directories.h"
#include "base/encode.h"
#include "base/error.h"
#include "base/file.h"
#include "base/sha256.h"
#include "launcher/session/gitconfig.h"
#include "launcher/session/paths.h"
#include "launcher/session/system.h"
#include "policy/file_rules.h"

namespace agentbox::session {

namespace {

constexpr std::size_t kLargestGitconfig = 1 << 20;

constexpr std::array<const char*, 20> kCredentialFiles = {
    ".aws/credentials",   ".aws/config",        ".netrc",
    ".git-credentials",   ".npmrc",             ".pypirc",
    ".docker/config.json", ".kube/config",      ".vault-token",
    ".pgpass",            ".my.cnf",            ".config/gh/hosts.yml",
    ".config/gcloud/application_default_credentials.json",
    ".config/op/config",  ".config/sops/age/keys.txt",
    ".cargo/credentials.toml", ".gem/credentials", ".terraform.d/credentials.tfrc.json",
    ".azure/accessTokens.json", ".config/git/credentials"};

}  // namespace

base::UniqueFd open_scratch(const Project& project) {
  const std::string name = base::sha256_hex(project.root).substr(0, 16);
  return base::open_private_directory(base::state_directory() + "/homes/" + name);
}

void prepare_mount_point(int scratch, const std::string& relative) {
  for (std::size_t slash = 0; slash != std::string::npos;) {
    slash = relative.find('/', slash + 1);
    const std::string part = relative.substr(0, slash);
    // Beneath, without links: a box of an earlier session may have put links into its home.
    const std::string above = parent("/" + part).substr(1);
    const base::UniqueFd directory =
        base::open_beneath(scratch, above.empty() ? "." : above, O_PATH | O_DIRECTORY);
    const std::string leaf = part.substr(above.empty() ? 0 : above.size() + 1);
    if (::mkdirat(directory.get(), leaf.c_str(), 0700) == 0) {
      continue;
    }
    struct stat status = {};
    if (errno == EEXIST &&
        ::fstatat(directory.get(), leaf.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0 &&
        S_ISDIR(status.st_mode)) {
      continue;
    }
    // What an earlier box left there in a directory's place would keep every later one from
    // starting. It lies in the boxes' own home: no file of the user's is lost.
    if (errno != EEXIST || ::unlinkat(directory.get(), leaf.c_str(), 0) < 0 ||
        ::mkdirat(directory.get(), leaf.c_str(), 0700) < 0) {
      base::check(-1, "create directory", part);
    }
  }
}

void check_home(const policy::Policy& policy, const Identity& identity) {
  const policy::HomeRules rules(policy);
  const auto refuse = [&](const std::string& directory, policy::HomeAccess most) {
    if (!is_below(directory, identity.home)) {
      if (system_shows(policy, directory)) {
        throw base::Error(base::Status::kDenied,
                          "a box would be shown " + base::printable(directory) +
                              ", where agentbox keeps its own files",
                          "set XDG_STATE_HOME and XDG_CONFIG_HOME to directories in your home, or "
                          "list less under \"system\"");
      }
      return;
    }
    const policy::HomeAccess access = rules.judge(relative_to(directory, identity.home));
    if (access != policy::HomeAccess::kScratch && access != most) {
      throw base::Error(base::Status::kDenied,
                        "the policy's \"home\" lists " + base::printable(directory) +
                            ", where agentbox keeps its own files",
                        "list the directories that the program needs, not all of those above");
    }
  };
  refuse(base::state_directory(), policy::HomeAccess::kScratch);
  refuse(base::config_directory(), policy::HomeAccess::kRead);
}

std::vector<view::Synthetic> synthetic_gitconfig(const Identity& identity) {
  for (const char* name : {".gitconfig", ".config/git/config"}) {
    const std::string path = join(identity.home, name);
    if (::access(path.c_str(), R_OK) == 0) {
      return {{.path = ".gitconfig",
               .symlink = false,
               .content = clean_gitconfig(base::read_file(path, kLargestGitconfig))}};
    }
  }
  return {};
}

std::vector<std::string> credential_files(const Identity& identity) {
  std::vector<std::string> paths;
  for (const char* name : kCredentialFiles) {
    std::string path = join(identity.home, name);
    struct stat status = {};
    if (::lstat(path.c_str(), &status) == 0) {
      paths.push_back(std::move(path));
    }
  }
  const std::string keys = join(identity.home, ".ssh");
  if (DIR* directory = ::opendir(keys.c_str()); directory != nullptr) {
    while (const dirent* entry = ::readdir(directory)) {
      if (entry->d_name[0] != '.') {
        paths.push_back(join(keys, entry->d_name));
      }
    }
    ::closedir(directory);
  }
  return paths;
}

}  // namespace agentbox::session
