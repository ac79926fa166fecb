// A session's files without the live view: the real directories, and what covers parts of them.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "base/unique_fd.h"
#include "launcher/box/guard.h"
#include "launcher/masks/masks.h"
#include "launcher/session/identity.h"
#include "launcher/session/project.h"
#include "launcher/session/recorder.h"
#include "launcher/session/secret_search.h"
#include "policy/file_rules.h"
#include "policy/policy.h"

namespace agentbox::session {

// Destroy it after the box. docs/fallback.md.
class MaskedFiles {
 public:
  struct Place {
    std::string root;    // absolute, no symbolic link in it
    std::string prefix;  // put before the paths that the rules judge
  };

  // `places`: the project, and a git directory outside of it. Adds the directories to the plan, and
  // prepares the scratch home. The references must outlive it. Throws Error.
  MaskedFiles(const Identity& identity, const Project& project, const policy::Policy& policy,
              const policy::FileRules& files, const policy::HomeRules& home,
              const std::vector<Place>& places, bool fresh, box::Plan& plan);

  // A link in the home, to a secret's file. Throws Error for a path that is the user's own.
  void add_link(const std::string& target, const std::string& text, box::Plan& plan);
  // Starts the guard: while this process has a single thread.
  void start(box::Handles& handles);
  // Covers what is hidden and goes on doing so. When the box is ready, before the command runs.
  // With `progress`: what takes long is shown on the terminal.
  // The search finds what the contents rules are about.
  void cover(Recorder& recorder, SecretSearch& search, const policy::ContentRules& contents,
             bool progress);
  // The search finds more than before. From any thread.
  void search_again();
  // When the box is dead. Throws Error if it may have made files that programs outside act upon.
  void settle();

 private:
  masks::Search search_with(SecretSearch& search, const policy::ContentRules& contents) const;
  void add_home(const policy::Policy& policy, const policy::HomeRules& rules, box::Plan& plan);
  void prepare(const std::string& path, bool directory);
  bool is_listed(const std::string& path) const;
  void require_one_name(const box::Bind& bind) const;
  void require_shown(const std::string& directory) const;

  const Identity& identity_;
  const policy::FileRules& files_;
  const std::vector<Place> places_;
  base::UniqueFd scratch_;           // none if fresh
  std::vector<std::string> listed_;  // absolute paths of the home that are shown
  std::unique_ptr<box::Guard> guard_;
  std::unique_ptr<masks::Masks> masks_;  // goes before the guard
  std::atomic<masks::Masks*> searching_ = nullptr;
};

}  // namespace agentbox::session
