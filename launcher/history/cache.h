// What earlier searches have found, kept in the user's state directory, which no box sees.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/unique_fd.h"
#include "launcher/history/secret.h"
#include "launcher/history/stores.h"

namespace agentbox::history {

// What was searched in one repository, and what was found in it.
struct Searched {
  Stores stores;
  std::vector<Stamp> indexes;
  std::string prefix;  // of the working tree, from the project's root
  std::vector<Secret> secrets;
};

// One file for each repository (and for each project, its list of repositories) and each set of
// rules; holds ids, names and kinds, no value. A file that cannot be read or understood is as good
// as none. Thread-safe; another process may use the same directory.
class Cache {
 public:
  // `directory`: made if it is not there. `rules`: a digest of all that decides what is found.
  Cache(const std::string& directory, std::string rules);

  std::optional<Searched> load(const std::string& repository) const;
  void save(const std::string& repository, const Searched& searched) const;

  std::optional<std::vector<std::string>> load_repositories(const std::string& root) const;
  void save_repositories(const std::string& root, const std::vector<std::string>& list) const;

 private:
  std::string name_of(const char* kind, const std::string& path) const;
  std::optional<std::string> read(const std::string& name) const;
  void remove_old() const;

  base::UniqueFd directory_;
  const std::string rules_;
};

}  // namespace agentbox::history
