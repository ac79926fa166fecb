// The effective policy: layers merged in the order of trust.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "policy/document.h"

namespace agentbox::policy {

// A file that leads git to another directory, with hooks and configuration of its own.
enum class LinkFile {
  kNone,             // stays as it is, and is not made
  kGitFile,          // ".git" of a linked worktree (gitrepository-layout(5))
  kCommonDirectory,  // "commondir" in a worktree's part of the git directory
  kBackLink,         // "gitdir" there
};

struct LinkRule {
  Pattern pattern;
  LinkFile kind = LinkFile::kNone;
};

// Every Pattern in it tells its layer and place.
struct Policy {
  Files files;  // rules of all layers, the latest layer first; see FileRules
  // Rules of the floor that a document has no words for.
  std::vector<Pattern> credential_files;  // hidden only if holds_credential() says so
  std::vector<Pattern> key_files;         // hidden, unless a directory or with an extension
  std::vector<LinkRule> link_files;       // read-only, unless a directory
  std::vector<Pattern> head_files;        // the same, but where a git directory keeps such files
  // Git directories of this project under names of their own, relative to its root.
  std::vector<std::string> git_directories;
  Home home;
  Environment environment;
  std::vector<Pattern> system;
  std::map<std::string, Secret> secrets;
  std::map<std::string, Scope> scopes;  // always holds "main"
  std::map<std::string, Command> commands;
  std::vector<Pattern> network;
  Limits limits;
  ViewMode view = ViewMode::kAuto;
  History history = History::kWarn;
  bool user_namespaces = false;
  std::string hash;  // SHA-256 of the canonical form of everything above
};

// One thing a repository's document would allow that the layers below it do not.
struct Widening {
  std::string what;  // "network: api.example.com:443", "secret aws: op://…", "show: config/*.pem"
  Place place;
};

// Gives the document of a profile by name (shipped, or the user's ~/.config/agentbox/profiles).
// Throws Error for an unknown name, with the nearest one.
using ProfileSource = std::function<Document(const Pattern& name)>;

struct Sources {
  std::vector<std::string> profiles;  // --profile, in order; what the documents extend is added
  std::optional<Document> user;
  std::optional<Document> repository;
  std::optional<Document> command_line;  // --policy FILE: the user's own word
};

// Merges. Throws Error for cycles in `extends` or `spawn`, a scope that names an absent secret or
// scope, a network pattern that cannot be read. Pure apart from `profile_source`.
Policy merge(const Sources& sources, const ProfileSource& profile_source);

// What the repository's document widens, empty if it only narrows. Pure, like merge.
std::vector<Widening> widenings(const Sources& sources, const ProfileSource& profile_source);

// The shipped profile `name` ("claude", …), embedded at build time.
Document shipped_profile(const Pattern& name);
std::vector<std::string> shipped_profile_names();

}  // namespace agentbox::policy
