// Finds the secrets that a project's git repositories hold, in all objects, reachable or not.
#pragma once

#include <atomic>
#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "launcher/history/cache.h"
#include "launcher/history/secret.h"
#include "policy/content_rules.h"
#include "policy/file_rules.h"
#include "policy/policy.h"

namespace agentbox::history {

struct Progress {
  std::atomic<std::size_t> done{0}, total{0};  // objects
};

struct Options {
  std::string root;           // the project's; absolute, no symbolic link in it
  std::string git_directory;  // one outside of it that belongs to it (a linked worktree's); or ""
  const policy::FileRules* files = nullptr;
  const policy::ContentRules* contents = nullptr;
  std::string rules;    // rules_digest()
  std::string program;  // git, absolute path; "" if there is none
  std::string state;    // where Cache lives
  unsigned threads = 2;
  Progress* progress = nullptr;  // may be null
};

// A digest of all in the policy, and of all rules of this program, that decides what is found.
std::string rules_digest(const policy::Policy& policy);

struct Repository {
  std::string directory;        // the git directory, absolute
  std::string prefix;           // where its working tree is, from the project's root
  std::vector<Secret> secrets;  // in order of path
};

struct Report {
  std::vector<Repository> repositories;  // in order of directory
  std::size_t searched = 0;              // objects, this time

  std::size_t secrets() const;  // how many in all
};

// Not thread-safe. What `options` points to must outlive it.
class Scan {
 public:
  explicit Scan(Options options);

  // What an earlier run has found, if nothing has changed since in the repositories that were there
  // then. Runs no program and walks no tree: milliseconds.
  std::optional<Report> known() const;

  // All of it; reads only what no earlier run has read. Throws base::Error if anything could not be
  // searched.
  Report run();

 private:
  Repository search_repository(const std::string& directory, std::size_t& searched);
  Repository try_repository(const std::string& directory, const Stores& stores,
                            std::size_t& searched);

  Options options_;
  Cache cache_;
};

}  // namespace agentbox::history
